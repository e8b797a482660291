import { systemCode } from '../errors.js';
import type { FileSystem } from '../files/file-system.js';
import { localFileSystem } from '../files/local-file-system.js';
import { newestFirst } from '../release/fates.js';
import { emptyState } from '../release/state.js';
import type { Release } from '../schema/release.js';
import type { State } from '../schema/state.js';
import { demandControl } from './control.js';
import { orIfMissing } from './disk.js';
import { noVolume, volumeFailure } from './failure.js';
import { layoutOf, releasePlugins, type VolumeLayout } from './layout.js';
import { readReleases } from './recover.js';
import { readState, settledState } from './state.js';
import { soundRelease } from './sound.js';
import { treeOf } from './tree.js';
import type { ReadVolume } from './read-volume.js';

/** What a volume holds, read without a lock and without writing. */
export interface Volume {
  /** All links resolved. */
  readonly root: string;
  /** True for a tree that Plugferry did not write: `plugins` is a directory or somebody else's link. */
  readonly plain: boolean;
  /** Undefined in a plain tree, and in a volume that nothing was imported into. */
  readonly current: Release | undefined;
  /** Where the plugins of this very reading lie: the release itself and not the link, so a switch does not mix two. */
  readonly plugins: string | undefined;
  /** Every complete release, the newest first by its last activation. */
  readonly releases: readonly Release[];
  readonly state: State;
  /** Releases that are damaged, in words. */
  readonly warnings: readonly string[];
}

/**
 * Reads a volume or a plain plugin-server tree.
 *
 * @throws PlugferryError `E_NOT_FOUND` when there is no such directory, `E_RELEASE` when the current release, a file of it, the link to it or
 * the state is damaged, `E_IO`.
 */
export async function readVolume(root: string, files?: FileSystem): Promise<Volume> {
  const read = await readParts(root, files);
  const { layout, tree, releases, state } = read;
  const current = await soundRelease(read).catch((error: unknown) => {
    throw volumeFailure(error, root);
  });
  return {
    root: layout.root,
    plain: tree.kind === 'plain' || tree.kind === 'foreign',
    current,
    plugins: current === undefined ? undefined : releasePlugins(layout, current.id),
    releases: newestFirst(state, releases.complete.values()),
    state,
    warnings: [...releases.damaged.values()].map(({ message }) => message),
  };
}

/** As {@link readVolume}, but a damaged current release is no error: for the commands that lead out of that. */
export async function readParts(root: string, files: FileSystem = localFileSystem): Promise<ReadVolume> {
  try {
    return await read(layoutOf(await files.realpath(root), files));
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') throw noVolume(root, error);
    throw volumeFailure(error, root);
  }
}

async function read(layout: VolumeLayout): Promise<ReadVolume> {
  await demandControl(layout);
  const tree = await treeOf(layout);
  const releases = await readReleases(layout);
  const state = await readState(layout);
  const names = await orIfMissing(layout.files.readdir(layout.releases), []);
  const after = await treeOf(layout);
  // A switch in between: the lists above may be from before it. Switches are rare, so this ends.
  if (JSON.stringify(after) !== JSON.stringify(tree)) return read(layout);
  return {
    layout,
    tree,
    releases,
    isUsed: state !== undefined || names.length > 0,
    state: settledState(state ?? emptyState, tree.kind === 'release' ? tree.id : undefined),
  };
}
