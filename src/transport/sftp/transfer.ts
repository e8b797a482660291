import type { FileHandle } from 'node:fs/promises';
import { PlugferryError } from '../../errors.js';
import type { Handle } from './requests.js';
import type { SftpSession } from './session.js';

/** Bytes under way at once: what a line of 100 ms takes to be filled at 300 Mbit/s. */
const fullWindow = 4 * 1024 * 1024;
const leastWindow = 64 * 1024;

/** A run of bytes in an open file of the server. */
export interface Range {
  readonly path: string;
  readonly handle: Handle;
  readonly start: number;
  /** Behind the last byte. */
  readonly end: number;
}

/**
 * Reads in order, with many requests under way.
 *
 * @param window bytes under way at once.
 * @throws PlugferryError `E_NETWORK` when the file ends before `end`.
 */
export async function* readRange(
  session: SftpSession,
  { path, handle, start, end }: Range,
  window: number = fullWindow,
): AsyncGenerator<Buffer> {
  const chunk = chunkFor(session, window);
  const depth = Math.max(2, Math.floor(window / chunk));
  const queue: Promise<Buffer>[] = [];
  let next = start;
  for (;;) {
    while (queue.length < depth && next < end) {
      const piece = readPiece(session, { path, handle, start: next, end: Math.min(next + chunk, end) });
      // Whoever waits for an earlier one hears of a broken connection first.
      piece.catch(() => undefined);
      queue.push(piece);
      next += chunk;
    }
    const piece = await queue.shift();
    if (piece === undefined) return;
    yield piece;
  }
}

async function readPiece(session: SftpSession, { path, handle, start, end }: Range): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(end - start);
  let length = 0;
  while (length < buffer.length) {
    const [from, position] = [length, start + length];
    const count = await session.request<number>(path, (sftp, done) => {
      sftp.read(handle, buffer, from, buffer.length - from, position, done);
    });
    if (count === 0) throw endsEarly(path, position);
    length += count;
  }
  return buffer;
}

const endsEarly = (path: string, found: number): PlugferryError =>
  new PlugferryError(
    'E_NETWORK',
    `${path}: the file ends after ${found} bytes, which is less than the server said`,
    {
      hint: 'It may still be written, or was replaced. Run the same command again when it is complete.',
      details: { file: path, found, final: true },
    },
  );

/** A run of bytes, and how many of them may be under way at once: that is what a break costs. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
  readonly window: number;
}

/**
 * Cuts the rest of a file into stretches. Many breaks together must cost little of the file, so after a break little is under
 * way, and more the longer the connection holds: never more than a 32nd of what came since. Who has had no break is not held up.
 *
 * @param size of the whole file.
 */
export function* stretches(start: number, size: number, breaks: number): Generator<Stretch> {
  if (breaks === 0) {
    const window = Math.min(fullWindow, Math.max(leastWindow, Math.floor(size / 32)));
    yield { start, end: size, window };
    return;
  }
  let window: number = leastWindow;
  for (let at = start; at < size;) {
    const end = window === fullWindow ? size : Math.min(size, at + 32 * window);
    yield { start: at, end, window };
    at = end;
    window = Math.min(fullWindow, 2 * window);
  }
}

/** Bytes in one request, so that a window holds at least two. */
const chunkFor = (session: SftpSession, window: number): number =>
  Math.min(session.chunk, Math.max(16 * 1024, Math.floor(window / 2)));

/** A local file to be copied into an open file of the server. */
export interface Copy extends Range {
  readonly local: FileHandle;
  readonly window: number;
  /** Told how many bytes from the beginning of the file have arrived without a gap. */
  readonly arrived: (upTo: number) => void;
}

/** Writes in order, with many requests under way; after a failure nothing more is sent. */
export async function writeRange(session: SftpSession, copy: Copy): Promise<void> {
  const { path, handle, local, start, end, window, arrived } = copy;
  const chunk = chunkFor(session, window);
  const outstanding = new Set<number>();
  let next = start;
  let failed = false;
  const lane = async (): Promise<void> => {
    const buffer = Buffer.allocUnsafe(chunk);
    while (next < end && !failed) {
      const at = next;
      const length = Math.min(chunk, end - at);
      next += length;
      outstanding.add(at);
      await fill(local, buffer.subarray(0, length), at);
      await session.request(path, (sftp, done) => {
        sftp.write(handle, buffer, 0, length, at, done);
      });
      outstanding.delete(at);
      arrived(Math.min(next, ...outstanding));
    }
  };
  const lanes = Array.from({ length: Math.max(1, Math.floor(window / chunk)) }, async () =>
    lane().catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  const [first] = (await Promise.allSettled(lanes)).filter(({ status }) => status === 'rejected');
  if (first?.status === 'rejected') throw first.reason;
}

async function fill(local: FileHandle, buffer: Buffer, position: number): Promise<void> {
  for (let length = 0; length < buffer.length;) {
    const { bytesRead } = await local.read(buffer, length, buffer.length - length, position + length);
    if (bytesRead === 0) throw shrunk();
    length += bytesRead;
  }
}

const shrunk = (): PlugferryError =>
  new PlugferryError('E_SOURCE_CHANGED', 'the file became shorter while it was sent', {
    hint: 'Let whoever writes it finish, then run the same command again.',
  });
