import { dirname, join } from 'node:path';
import { PlugferryError } from '../errors.js';
import type { FileStatus, FileSystem } from '../files/file-system.js';
import { filesOf } from '../release/release.js';
import type { Release } from '../schema/release.js';
import { lstatIfThere } from './disk.js';
import { releaseDirectory, type VolumeLayout } from './layout.js';

/**
 * Whether nobody but `uid` and root can change a file or a directory. How many names it has says nothing: who may not write it may not
 * write it under another name, and who has it open for writing is not to be found out. So bytes that others made are copied.
 */
export const isOurs = ({ mode, uid: owner }: FileStatus, uid: number): boolean =>
  (mode & 0o022) === 0 && (owner === uid || owner === 0);

/** @throws PlugferryError `E_RELEASE` for a directory of a release in which others may replace files. */
export async function refuseShared(layout: VolumeLayout, release: Release, uid: number): Promise<void> {
  for (const path of directoriesIn(releaseDirectory(layout, release.id), release)) {
    const stats = await lstatIfThere(layout.files, path);
    if (stats === undefined || isOurs(stats, uid) || stats.isSymbolicLink()) continue;
    throw new PlugferryError('E_RELEASE', `${path} may be written by others than user ${uid}`, {
      hint: `Give it to that user, with nobody else able to write it (chown, chmod -R go-w), then run again.`,
      details: { file: path, expected: `user ${uid}`, found: `user ${stats.uid}, mode ${octal(stats)}` },
    });
  }
}

const octal = ({ mode }: FileStatus): string => (mode & 0o7777).toString(8);

/** The directories between `top` and the files of a release, parents first. */
export function directoriesIn(top: string, { plugins }: Pick<Release, 'plugins'>): readonly string[] {
  const found = new Set([top, join(top, 'plugins')]);
  for (const { path } of filesOf(plugins)) {
    found.add(join(top, dirname(dirname(path))));
    found.add(join(top, dirname(path)));
  }
  return [...found].toSorted();
}

/**
 * Whether a plain tree can become part of a volume as it is: every directory and file in it belongs to `uid`, and its plugins
 * lie in no linked directory.
 */
export async function belongsTo(
  files: FileSystem,
  { root, link }: VolumeLayout,
  { release, uid }: { readonly release: Release; readonly uid: number },
): Promise<boolean> {
  const [, ...plugins] = directoriesIn(root, release);
  for (const path of plugins) if (!(await files.lstat(path)).isDirectory()) return false;
  for await (const { stats } of below(files, link)) if (stats.uid !== uid) return false;
  return true;
}

/** Takes the right to write away from everybody else, in each directory of a tree of our own, the upper ones first. */
export async function closeToOthers(files: FileSystem, top: string): Promise<void> {
  for await (const { path, stats } of below(files, top)) {
    if (stats.isDirectory() && (stats.mode & 0o022) !== 0) await files.chmod(path, stats.mode & 0o7755);
  }
}

interface Entry {
  readonly path: string;
  readonly stats: FileStatus;
}

/** A directory and everything in it, each directory before what is in it, which is listed only then. */
async function* below(files: FileSystem, path: string): AsyncGenerator<Entry> {
  const stats = await files.lstat(path);
  yield { path, stats };
  if (!stats.isDirectory()) return;
  for (const { name } of await files.entries(path)) yield* below(files, join(path, name));
}
