import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { ioError } from './file-errors.js';
import type { FileHandle } from 'node:fs/promises';
import { PlugferryError } from '../errors.js';

/**
 * SHA-256 of a file in hex.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_IO`, or the reason of an abort.
 */
export async function sha256OfFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const stream = createReadStream(path, { highWaterMark: 256 * 1024, ...(signal ? { signal } : {}) });
  try {
    for await (const chunk of stream) hash.update(chunk as Buffer);
  } catch (error) {
    signal?.throwIfAborted();
    throw ioError(error, path);
  }
  return hash.digest('hex');
}

/**
 * SHA-256 of bytes of an open file, in hex.
 *
 * @param came told how many bytes more are hashed.
 * @throws PlugferryError `E_SOURCE_CHANGED` when the file ends before `end`; errors of the file system.
 */
export async function sha256OfSpan(
  handle: FileHandle,
  { start = 0, end }: ByteSpan,
  came?: (bytes: number) => void,
): Promise<string> {
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafeSlow(256 * 1024);
  for (let at = start; at < end;) {
    const { bytesRead } = await handle.read(piece, 0, Math.min(piece.length, end - at), at);
    if (bytesRead === 0) throw shorter();
    hash.update(piece.subarray(0, bytesRead));
    at += bytesRead;
    came?.(bytesRead);
  }
  return hash.digest('hex');
}

/** A run of bytes. */
export interface ByteSpan {
  /** @default 0 */
  readonly start?: number;
  /** Behind the last byte. */
  readonly end: number;
}

const shorter = (): PlugferryError =>
  new PlugferryError('E_SOURCE_CHANGED', 'the file became shorter while it was read', {
    hint: 'Let whoever writes it finish, then run the same command again.',
  });
