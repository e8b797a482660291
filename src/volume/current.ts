import { PlugferryError } from '../errors.js';
import type { Release } from '../schema/release.js';
import type { VolumeLayout } from './layout.js';
import type { Releases } from './recover.js';
import { wayOut } from './release.js';
import type { Tree } from './tree.js';

/**
 * The release that `plugins` points to; undefined when there is none.
 *
 * @throws PlugferryError `E_RELEASE` when it is damaged or gone.
 */
export function currentRelease({
  tree,
  releases,
  layout,
}: {
  readonly tree: Tree;
  readonly releases: Releases;
  readonly layout: VolumeLayout;
}): Release | undefined {
  if (tree.kind !== 'release') return undefined;
  const release = releases.complete.get(tree.id);
  if (release !== undefined) return release;
  throw (
    releases.damaged.get(tree.id) ??
    new PlugferryError('E_RELEASE', `${layout.link} points to release ${tree.id}, which is not there`, {
      hint: wayOut,
      details: { file: layout.link, found: tree.id },
    })
  );
}
