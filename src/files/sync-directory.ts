import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { systemCode } from '../errors.js';

/** File systems that cannot fsync a directory (FAT, FUSE, some network mounts) say so in these ways. */
const cannotSync = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'EPERM', 'EISDIR', 'ENOSYS', 'EBADF']);

/**
 * Makes the names in a directory durable.
 *
 * @returns false where the file system cannot: there is nothing more to be done on those.
 */
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
