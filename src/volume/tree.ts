import { lstat, readlink, rename, symlink } from 'node:fs/promises';
import { PlugferryError } from '../errors.js';
import { orIfMissing, syncDirectory } from './disk.js';
import { linkedRelease, linkTarget, type VolumeLayout } from './layout.js';

/** What `plugins` is. */
export type Tree =
  | { readonly kind: 'absent' }
  | { readonly kind: 'release'; readonly id: string }
  /** An ordinary directory: a plugin-server tree that Plugferry never touched. */
  | { readonly kind: 'plain' }
  /** A symlink to somewhere else. */
  | { readonly kind: 'foreign'; readonly target: string };

/** @throws PlugferryError `E_RELEASE` when `plugins` is neither a directory nor a link. */
export async function treeOf(layout: VolumeLayout): Promise<Tree> {
  const stats = await orIfMissing(lstat(layout.link), undefined);
  if (stats === undefined) return { kind: 'absent' };
  if (stats.isDirectory()) return { kind: 'plain' };
  if (stats.isSymbolicLink()) {
    const target = await readlink(layout.link);
    const id = linkedRelease(target);
    return id === undefined ? { kind: 'foreign', target } : { kind: 'release', id };
  }
  throw new PlugferryError('E_RELEASE', `${layout.link} is neither a directory nor a symbolic link`, {
    hint: 'Move it away, or name another volume.',
    details: { file: layout.link },
  });
}

/**
 * The switch: readers find the old target or the new one, never none. `draft` is a path in staging that does not exist yet;
 * the link is relative to where it ends up. Not yet durable: {@link syncDirectory} of the root makes it so.
 */
export async function switchTo(layout: VolumeLayout, id: string, draft: string): Promise<void> {
  await symlink(linkTarget(id), draft);
  await rename(draft, layout.link);
}

export async function switchDurably(layout: VolumeLayout, id: string, draft: string): Promise<void> {
  await switchTo(layout, id, draft);
  await syncDirectory(layout.root);
}
