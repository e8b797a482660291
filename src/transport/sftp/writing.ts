import { posix } from 'node:path';
import { explained, making, orIfMissing } from './explain.js';
import { isFailure } from './errors.js';
import { bytesFrom, reading, regularAt } from './regular.js';
import {
  attributesAt,
  attributesOf,
  change,
  closeFile,
  openFile,
  syncFile,
  writePiece,
  type Handle,
} from './requests.js';
import type { SftpSession } from './session.js';

/** Bytes under way at once. */
const fullWindow = 4 * 1024 * 1024;

export type Content = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

interface Opened {
  readonly path: string;
  readonly handle: Handle;
}

/** A new file, mode 0644 whatever the umask of the server, flushed where it can flush. */
export async function writeNew(session: SftpSession, path: string, content: Content): Promise<void> {
  const handle = await making(session, path, openFile(session, path, { flags: 'wx' }));
  try {
    await change(session, { path, handle }, { mode: 0o644 });
    await writeAll(session, { path, handle }, content);
    await syncFile(session, path, handle);
  } catch (error) {
    throw await explained(session, error, path);
  } finally {
    await closeFile(session, path, handle);
  }
}

export async function scribble(session: SftpSession, path: string, text: string): Promise<void> {
  const handle = await openFile(session, path, { flags: 'w' });
  try {
    await writeAll(session, { path, handle }, [Buffer.from(text)]);
  } finally {
    await closeFile(session, path, handle);
  }
}

export async function appendLine(session: SftpSession, path: string, line: string): Promise<void> {
  const there = await orIfMissing(attributesAt(session, path));
  if (there !== undefined) await regularAt(session, path);
  const isOpen = there !== undefined && there.size > 0 && (await lastByte(session, path)) !== '\n';
  const handle = await openFile(session, path, { flags: 'a' });
  try {
    const { size } = await attributesOf(session, path, handle);
    if (size === 0) await syncDirectory(session, posix.dirname(path));
    try {
      await writeAll(session, { path, handle }, [Buffer.from(`${isOpen ? '\n' : ''}${line}\n`)]);
      await syncFile(session, path, handle);
    } catch (error) {
      // Half a line helps nobody; should this fail as well, the next line starts on a fresh one.
      await change(session, { path, handle }, { size }).catch(() => undefined);
      throw await explained(session, error, path);
    }
  } finally {
    await closeFile(session, path, handle).catch(() => undefined);
  }
}

const lastByte = (session: SftpSession, path: string): Promise<string> =>
  reading(session, path, async (file) => (await bytesFrom(session, file, file.size - 1)).toString());

/** False where the server cannot. */
export async function syncDirectory(session: SftpSession, path: string): Promise<boolean> {
  if (!session.has('fsync@openssh.com')) return false;
  try {
    // OpenSSH opens directories like files.
    const handle = await openFile(session, path, { flags: 'r' });
    try {
      return await syncFile(session, path, handle);
    } finally {
      await closeFile(session, path, handle).catch(() => undefined);
    }
  } catch (error) {
    if (isFailure(error, 'EFAILURE', 'ENOTSUP', 'EINVAL')) return false;
    throw error;
  }
}

/** Writes from the beginning, with many requests under way; none is when it returns or fails. */
async function writeAll(session: SftpSession, { path, handle }: Opened, content: Content): Promise<void> {
  const depth = Math.max(2, Math.floor(fullWindow / session.chunk));
  const underWay: Promise<void>[] = [];
  let position = 0;
  try {
    for await (const bytes of content) {
      for (let at = 0; at < bytes.length; at += session.chunk) {
        const piece = Buffer.from(bytes.subarray(at, at + session.chunk));
        const written = writePiece(session, { path, handle, piece, position });
        written.catch(() => undefined);
        underWay.push(written);
        position += piece.length;
        if (underWay.length >= depth) await underWay.shift();
      }
    }
    await Promise.all(underWay);
  } finally {
    await Promise.allSettled(underWay);
  }
}
