import { constants, type Stats } from 'node:fs';
import { chmod, copyFile, link, lstat, mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from '../errors.js';

/** New files only, and never through a link that somebody put in the way. */
const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** Some network file systems cannot fsync a directory and say so in these ways. */
const cannotSync = new Set(['EINVAL', 'ENOTSUP', 'ENOSYS', 'EBADF']);

/** Makes the entries of a directory durable. False where the file system does not offer that. */
export async function syncDirectory(path: string): Promise<boolean> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
    return true;
  } catch (error) {
    if (cannotSync.has(systemCode(error) ?? '')) return false;
    throw error;
  } finally {
    await handle.close();
  }
}

/** A directory that web servers of other users may read, whatever the umask says. */
export async function makeDirectory(path: string): Promise<void> {
  await mkdir(path, { mode: 0o755 });
  await chmod(path, 0o755);
}

/** {@link makeDirectory} unless it is there already. */
export async function ensureDirectory(path: string): Promise<void> {
  if (await exists(path)) return;
  await makeDirectory(path);
  await syncDirectory(dirname(path));
}

/** A new file, mode 0644, durable in itself; its directory is not synced. */
export async function writeNewFile(
  path: string,
  content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  const handle = await open(path, createFlags, 0o644);
  try {
    await handle.chmod(0o644);
    for await (const chunk of content) await handle.writeFile(chunk);
    await handle.sync();
  } finally {
    // Network file systems report a full disk only here.
    await handle.close();
  }
}

/** Reasons why one file cannot be hard-linked where others can: foreign owner (fs.protected_hardlinks), too many links. */
const linkRefusals = new Set(['EPERM', 'EMLINK', 'EXDEV', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/** Puts a durable file of the volume at a second place, whose directory is not synced. Says how. */
export async function linkOrCopy(
  { hardLinks }: { readonly hardLinks: boolean },
  from: string,
  to: string,
): Promise<'link' | 'copy'> {
  if (hardLinks) {
    try {
      await link(from, to);
      return 'link';
    } catch (error) {
      if (!linkRefusals.has(systemCode(error) ?? '')) throw error;
    }
  }
  await copyDurably(from, to);
  return 'copy';
}

/** A copy with the permissions of what we write ourselves. */
async function copyDurably(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_EXCL);
  await chmod(to, 0o644);
  const handle = await open(to, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Renames, then makes both directories durable. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncDirectory(dirname(to));
  if (dirname(from) !== dirname(to)) await syncDirectory(dirname(from));
}

export async function exists(path: string): Promise<boolean> {
  return (await lstatIfThere(path)) !== undefined;
}

/** `lstat`, or undefined when there is nothing at `path`. */
export async function lstatIfThere(path: string): Promise<Stats | undefined> {
  return orIfMissing(lstat(path), undefined);
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
  let queue = [...items];
  const failures: unknown[] = [];
  const runner = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      try {
        await work(item);
      } catch (error) {
        failures.push(error);
        queue = [];
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, runner));
  if (failures.length > 0) throw failures[0];
}
