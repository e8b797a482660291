import { dirname } from 'node:path';
import { systemCode } from '../errors.js';
import type { FileStatus, FileSystem } from '../files/file-system.js';

/** A directory that web servers of other users may read, whatever the umask says. */
export async function makeDirectory(files: FileSystem, path: string): Promise<void> {
  await files.mkdir(path, { mode: 0o755 });
  await files.chmod(path, 0o755);
}

/** {@link makeDirectory} unless it is there already. */
export async function ensureDirectory(files: FileSystem, path: string): Promise<void> {
  if (await exists(files, path)) return;
  await makeDirectory(files, path);
  await files.syncDirectory(dirname(path));
}

/** Reasons why one file cannot be hard-linked where others can: foreign owner (fs.protected_hardlinks), too many links. */
const linkRefusals = new Set(['EPERM', 'EMLINK', 'EXDEV', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/** Puts a durable file of the volume at a second place, whose directory is not synced. Says how. */
export async function linkOrCopy(
  { files, hardLinks }: { readonly files: FileSystem; readonly hardLinks: boolean },
  from: string,
  to: string,
): Promise<'link' | 'copy'> {
  if (hardLinks) {
    try {
      await files.link(from, to);
      return 'link';
    } catch (error) {
      if (!linkRefusals.has(systemCode(error) ?? '')) throw error;
    }
  }
  await files.copy(from, to);
  return 'copy';
}

/** Renames, then makes both directories durable. */
export async function renameDurably(files: FileSystem, from: string, to: string): Promise<void> {
  await files.rename(from, to);
  await files.syncDirectory(dirname(to));
  if (dirname(from) !== dirname(to)) await files.syncDirectory(dirname(from));
}

export async function exists(files: FileSystem, path: string): Promise<boolean> {
  return (await lstatIfThere(files, path)) !== undefined;
}

/** `lstat`, or undefined when there is nothing at `path`. */
export async function lstatIfThere(files: FileSystem, path: string): Promise<FileStatus | undefined> {
  return orIfMissing(files.lstat(path), undefined);
}

/** The value of `promise`, or `otherwise` when it fails because the path is not there. */
export async function orIfMissing<T, U>(promise: Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await promise;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return otherwise;
    throw error;
  }
}

/**
 * Runs `work` for every item, a few at a time: enough to let the file system group its flushes. After a failure no further
 * item is begun, and those under way are waited for: nothing goes on behind the back of whoever cleans up.
 */
export async function eachOf<T>(items: Iterable<T>, work: (item: T) => Promise<unknown>): Promise<void> {
  // One for all runners: each takes what comes next, without moving what is left.
  const remaining = [...items].values();
  const failures: unknown[] = [];
  const runner = async (): Promise<void> => {
    for (const item of remaining) {
      try {
        await work(item);
      } catch (error) {
        failures.push(error);
      }
      if (failures.length > 0) return;
    }
  };
  await Promise.all(Array.from({ length: 8 }, runner));
  if (failures.length > 0) throw failures[0];
}
