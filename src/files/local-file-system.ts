import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import {
  access,
  chmod,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  statfs,
  symlink,
  unlink,
  type FileHandle,
} from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from '../errors.js';
import { isSystemError } from './file-errors.js';
import { maxSmallFile, type FileStatus, type FileSystem, type ReadingOptions } from './file-system.js';
import { syncDirectory } from './sync-directory.js';

/** New files only, and never through a link that somebody put in the way. */
const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** Non-blocking, so that a named pipe in the place of a file fails instead of hanging. */
const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The file system of this machine. */
export const localFileSystem: FileSystem = {
  get user() {
    return process.geteuid?.();
  },
  lstat: (path) => statusOf(path),
  realpath: (path) => realpath(path),
  readlink: (path) => readlink(path),
  readdir: (path) => readdir(path),
  entries: (path) => readdir(path, { withFileTypes: true }),
  readFile: (path, limit) => named(path, readSmall(path, limit)),
  readEnd: (path, length) => named(path, readEnd(path, length)),
  readThrough: (path, sink, options) => named(path, readThrough(path, sink, options)),
  async sha256(path, options) {
    const hash = createHash('sha256');
    await named(
      path,
      readThrough(path, (chunk) => void hash.update(chunk), options),
    );
    return hash.digest('hex');
  },
  mkdir: (path, options = {}) => mkdir(path, options),
  chmod: (path, mode) => chmod(path, mode),
  rename: (from, to) => rename(from, to),
  link: (from, to) => link(from, to),
  symlink: (target, path) => symlink(target, path),
  unlink: (path) => unlink(path),
  removeAll: (path) => rm(path, { recursive: true, force: true }),
  writeNew,
  copy,
  scribble,
  appendLine,
  syncDirectory,
  async freeSpace(path) {
    const { bavail, bsize, ffree, files } = await statfs(path);
    // Btrfs and some network file systems have no fixed number of inodes and report none at all.
    return { bytes: bavail * bsize, inodes: files > 0 ? ffree : undefined };
  },
  async isReadOnly(path) {
    try {
      await access(path, constants.W_OK);
      return false;
    } catch (error) {
      return systemCode(error) === 'EROFS';
    }
  },
};

/** Reading from an open file, the system does not say which it was. */
const named = async <T>(path: string, reading: Promise<T>): Promise<T> =>
  reading.catch((error: unknown) => {
    if (isSystemError(error) && error.path === undefined) error.path = path;
    throw error;
  });

async function statusOf(path: string): Promise<FileStatus> {
  const stats = await lstat(path);
  return Object.assign(stats, { identity: `${stats.dev}:${stats.ino}` });
}

async function readThrough(
  path: string,
  sink: (chunk: Uint8Array) => void,
  { signal, sync = false }: ReadingOptions = {},
): Promise<void> {
  const handle = await open(path, readFlags);
  try {
    const buffer = Buffer.allocUnsafe(1024 * 1024);
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) break;
      sink(buffer.subarray(0, bytesRead));
    }
    if (sync) await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readSmall(path: string, limit = maxSmallFile): Promise<Buffer> {
  const handle = await openRegular(path, readFlags);
  try {
    const { size } = await handle.stat();
    if (size > limit) throw failure('EFBIG', path, `larger than ${limit} bytes`);
    // It may grow while it is read.
    const buffer = Buffer.alloc(size + 1);
    let length = 0;
    while (length <= size) {
      const { bytesRead } = await handle.read(buffer, length, size + 1 - length, null);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return buffer.subarray(0, length);
  } finally {
    await handle.close();
  }
}

async function readEnd(path: string, length: number): Promise<Buffer> {
  const handle = await openRegular(path, readFlags);
  try {
    const { size } = await handle.stat();
    const end = Buffer.alloc(Math.min(size, length));
    await handle.read(end, 0, end.length, size - end.length);
    return end;
  } finally {
    await handle.close();
  }
}

/** @throws the system's error, `ELOOP` for a link, or `EINVAL` for what is no regular file. */
async function openRegular(path: string, flags: number, mode?: number): Promise<FileHandle> {
  const handle = await open(path, flags, mode);
  try {
    if (!(await handle.stat()).isFile()) throw failure('EINVAL', path, 'not a regular file');
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** In the shape of a system error. */
const failure = (code: string, path: string, said: string): Error =>
  Object.assign(new Error(`${code}: ${said}, ${path}`), { code, path, errno: -1 });

async function writeNew(
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

async function copy(from: string, to: string): Promise<void> {
  const source = await openRegular(from, readFlags);
  try {
    await writeNew(to, chunksOf(source));
  } finally {
    await source.close();
  }
}

/** Each is used up before the next one is read. */
async function* chunksOf(handle: FileHandle): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

async function scribble(path: string, text: string): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
  const handle = await open(path, flags | constants.O_NONBLOCK, 0o644);
  try {
    await handle.writeFile(text);
  } finally {
    await handle.close();
  }
}

async function appendLine(path: string, line: string): Promise<void> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
  const handle = await openRegular(path, flags | constants.O_NONBLOCK, 0o644);
  try {
    const { size } = await handle.stat();
    if (size === 0) {
      // Whatever the umask says, like everything beside it.
      await handle.chmod(0o644);
      await syncDirectory(dirname(path));
    }
    const text = `${(await endsOpen(handle, size)) ? '\n' : ''}${line}\n`;
    try {
      await handle.writeFile(text);
      await handle.sync();
    } catch (error) {
      // Half a line helps nobody; should this fail as well, the next line starts on a fresh one.
      await handle.truncate(size).catch(() => undefined);
      throw error;
    }
  } finally {
    // The line is flushed or taken back: nothing hangs on the close, and a line reported as missing would come twice.
    await handle.close().catch(() => undefined);
  }
}

/** Whether the last line was cut short by a crash. */
async function endsOpen(handle: FileHandle, size: number): Promise<boolean> {
  if (size === 0) return false;
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer.toString() !== '\n';
}
