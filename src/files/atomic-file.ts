import { lstatSync, renameSync, type Stats } from 'node:fs';
import { link, open, lstat, rm, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PlugferryError, systemCode } from '../errors.js';
import { ioError } from './file-errors.js';
import { syncDirectory } from './sync-directory.js';

export interface CommitOptions {
  /** Replace a file that is already there. */
  readonly force: boolean;
  readonly signal?: AbortSignal;
  /** Permission bits of the finished file. @default 0o644 */
  readonly mode?: number;
  /**
   * With `force`, called at the last moment before the file that is there is replaced: nothing of this process comes in between.
   * What it throws leaves that file as it is.
   */
  readonly confirm?: () => void;
}

/**
 * Writes a file so that its name only ever stands for the complete content: `fill` writes to `<path>.partial`, which is
 * fsynced and then renamed. When `fill` fails or is aborted, nothing stays behind.
 *
 * A `.partial` left by a killed run is taken over. Should two runs write to the same path at once, the one that was taken
 * over notices before it publishes.
 *
 * @throws PlugferryError `E_EXISTS`, `E_CONFLICT`, `E_NO_SPACE`, `E_IO`, or what `fill` throws.
 */
export async function committedFile<T>(
  path: string,
  options: CommitOptions,
  fill: (file: FileHandle) => Promise<T>,
): Promise<T> {
  await refuseExisting(path, options.force);
  const partial = `${path}.partial`;
  const handle = await createPartial(partial, options.mode ?? 0o644);
  let published = false;
  try {
    const result = await fill(handle);
    await handle.sync();
    options.signal?.throwIfAborted();
    await publish({ handle, partial, path, force: options.force, confirm: options.confirm });
    published = true;
    await syncDirectory(dirname(path));
    return result;
  } catch (error) {
    throw ioError(error, path);
  } finally {
    if (!published && (await isSame(handle, partial))) await rm(partial, { force: true });
    await handle.close();
  }
}

/** The file that is written under a name of its own until it is complete. */
export async function createPartial(partial: string, mode: number): Promise<FileHandle> {
  try {
    await rm(partial, { force: true });
    return await open(partial, 'wx+', mode);
  } catch (error) {
    throw ioError(error, partial);
  }
}

export interface Publication {
  readonly handle: FileHandle;
  readonly partial: string;
  readonly path: string;
  readonly force: boolean;
  readonly confirm?: CommitOptions['confirm'] | undefined;
}

/** Gives a complete file its name. */
export async function publish({ handle, partial, path, force, confirm }: Publication): Promise<void> {
  const ours = await handle.stat();
  if (force) {
    confirm?.();
    renameOurs(ours, partial, path);
    return;
  }
  try {
    // link() refuses an existing name, which rename() would silently replace.
    await link(partial, path);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST') throw exists(path);
    if (code === 'ENOENT') throw takenOver(path);
    // FAT and some network file systems have no hard links.
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS') throw error;
    await refuseExisting(path, false);
    renameOurs(ours, partial, path);
    return;
  }
  if (!sameFile(lstatSync(path), ours)) {
    await unlink(path);
    throw takenOver(path);
  }
  await unlink(partial);
}

/** Synchronous on purpose: nothing of this process can come between the look and the rename. */
function renameOurs(ours: Stats, partial: string, path: string): void {
  const there = lstatSync(partial, { throwIfNoEntry: false });
  if (there === undefined || !sameFile(there, ours)) throw takenOver(path);
  renameSync(partial, path);
}

const sameFile = (a: Stats, b: Stats): boolean => a.ino === b.ino && a.dev === b.dev;

/** Whether `path` still names the open file. */
export async function isSame(handle: FileHandle, path: string): Promise<boolean> {
  try {
    return sameFile(await lstat(path), await handle.stat());
  } catch {
    return false;
  }
}

/**
 * Refuses a path that is already taken.
 *
 * @throws PlugferryError `E_EXISTS`; a directory is refused even with `force`.
 */
export async function refuseExisting(path: string, force: boolean): Promise<void> {
  let stats: Stats;
  try {
    stats = await lstat(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw ioError(error, path);
  }
  if (stats.isDirectory()) {
    throw new PlugferryError('E_EXISTS', `${path} is a directory, expected the name of a file to write`, {
      hint: 'Name a file inside it.',
      details: { file: path, found: 'directory' },
    });
  }
  if (!force) throw exists(path);
}

const exists = (path: string): PlugferryError =>
  new PlugferryError('E_EXISTS', `${path} exists already`, {
    hint: 'Choose another name, or give --force to replace it.',
    details: { file: path },
  });

const takenOver = (path: string): PlugferryError =>
  new PlugferryError('E_CONFLICT', `another run is writing ${path} at the same time`, {
    hint: 'Let one of them finish, or give each its own output name.',
    details: { file: path },
  });
