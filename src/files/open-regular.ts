import { constants, type Stats } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { PlugferryError, systemCode } from '../errors.js';
import { isSystemError, readHints } from './file-errors.js';

/** What a file is to the person who named it, for errors: "bundle", "public key", ... */
export type FileRole = string;

/**
 * Opens a file that the user named for reading. Symbolic links are followed (the name is the user's own word), but what
 * is reached must be a regular file; a FIFO or device does not block.
 *
 * @throws PlugferryError `E_NOT_FOUND` when there is none or it is not a regular file, `E_IO` when it cannot be read.
 */
export async function openRegular(path: string, role: FileRole): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw unreadable(path, role, error);
  }
  try {
    const stats = await handle.stat();
    if (stats.isFile()) return named(handle, path, role);
    const found = stats.isDirectory() ? 'a directory' : 'not a regular file';
    throw new PlugferryError('E_NOT_FOUND', `${path} is ${found}, expected a ${role} file`, {
      hint: `Give the path of the ${role} file itself.`,
      details: { file: path, expected: 'regular file', found },
    });
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** A failing medium shows while it is read, long after the file was opened: whatever reads then says which file it is. */
function named(handle: FileHandle, path: string, role: FileRole): FileHandle {
  const told =
    <Words extends unknown[], Result>(call: (...words: Words) => Promise<Result>) =>
    async (...words: Words): Promise<Result> => {
      try {
        return await call.apply(handle, words);
      } catch (error) {
        throw isSystemError(error) ? unreadable(path, role, error) : error;
      }
    };
  // Streams of the handle read by this method too.
  handle.read = told(handle.read.bind(handle));
  handle.readFile = told(handle.readFile.bind(handle)) as FileHandle['readFile'];
  return handle;
}

function unreadable(path: string, role: FileRole, error: unknown): PlugferryError {
  const code = systemCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new PlugferryError('E_NOT_FOUND', `${role} ${path} does not exist`, {
      hint: 'Check the path, and the directory you are in.',
      details: { file: path },
      cause: error,
    });
  }
  return new PlugferryError('E_IO', `${role} ${path} cannot be read: ${code ?? String(error)}`, {
    hint: readHints(code),
    details: { file: path, found: code ?? 'unknown' },
    cause: error,
  });
}

/**
 * The bytes of a small file that the user named.
 *
 * @param limit most bytes to read.
 * @throws PlugferryError as {@link openRegular}, and `E_LIMIT` when the file is larger.
 */
export async function readSmallFile(path: string, role: FileRole, limit: number): Promise<Buffer> {
  const handle = await openRegular(path, role);
  try {
    return await readBounded(handle, { path, role, limit });
  } finally {
    await handle.close();
  }
}

/** All of an open file, which is not closed. As {@link readSmallFile}. */
export async function readBounded(
  handle: FileHandle,
  { path, role, limit }: { readonly path: string; readonly role: FileRole; readonly limit: number },
): Promise<Buffer> {
  const buffer = Buffer.alloc(limit + 1);
  let length = 0;
  while (length <= limit) {
    const { bytesRead } = await handle.read(buffer, length, limit + 1 - length, null);
    if (bytesRead === 0) return buffer.subarray(0, length);
    length += bytesRead;
  }
  throw new PlugferryError('E_LIMIT', `${role} ${path} is larger than ${limit} bytes`, {
    hint: `Is this really a ${role}?`,
    details: { file: path, expected: limit },
  });
}

/**
 * Whether there is a directory at `path`, links followed.
 *
 * @throws PlugferryError `E_IO` where that cannot be found out: what may not be looked at is not nothing.
 */
export const isDirectory = async (path: string): Promise<boolean> =>
  (await statIfThere(path))?.isDirectory() === true;

/**
 * Whether there is a regular file at `path`, links followed.
 *
 * @throws PlugferryError as {@link isDirectory}.
 */
export const isRegularFile = async (path: string): Promise<boolean> =>
  (await statIfThere(path))?.isFile() === true;

/** Whether there is a regular file where one is usually, and nobody said that there is: what may not be looked at is none. */
export const isUsualFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );

/** No file can have a path that is too long, such as a URL may be. */
const absent = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG']);

async function statIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (!isSystemError(error) || absent.has(systemCode(error) ?? '')) return undefined;
    const code = systemCode(error);
    throw new PlugferryError('E_IO', `${path} cannot be looked at: ${code ?? String(error)}`, {
      hint: readHints(code),
      details: { file: path, found: code ?? 'unknown' },
      cause: error,
    });
  }
}
