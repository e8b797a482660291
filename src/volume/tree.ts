import { PlugferryError } from '../errors.js';
import { lstatIfThere } from './disk.js';
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
  const stats = await lstatIfThere(layout.files, layout.link);
  if (stats === undefined) return { kind: 'absent' };
  if (stats.isDirectory()) return { kind: 'plain' };
  if (stats.isSymbolicLink()) {
    const target = await layout.files.readlink(layout.link);
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
 * the link is relative to where it ends up. Not yet durable: syncing the directory of the root makes it so.
 */
export async function switchTo(layout: VolumeLayout, id: string, draft: string): Promise<void> {
  await layout.files.symlink(linkTarget(id), draft);
  await layout.files.rename(draft, layout.link);
}

export async function switchDurably(layout: VolumeLayout, id: string, draft: string): Promise<void> {
  await switchTo(layout, id, draft);
  await layout.files.syncDirectory(layout.root);
}
