import { createHash } from 'node:crypto';
import type { ReadingOptions } from '../../files/file-system.js';
import { SftpFailure } from './errors.js';
import { serverSha256 } from './proof.js';
import {
  attributesAt,
  attributesOf,
  closeFile,
  openFile,
  syncFile,
  type Attributes,
  type Handle,
} from './requests.js';
import type { SftpSession } from './session.js';
import { readRange } from './transfer.js';

/** An open file of a server. */
export interface Readable {
  readonly path: string;
  readonly handle: Handle;
  readonly size: number;
}

/** @throws SftpFailure for a link, which is not followed, and for anything else that is not a regular file. */
export async function regularAt(session: SftpSession, path: string): Promise<Attributes> {
  const there = await attributesAt(session, path);
  if (there.isFile()) return there;
  if (there.isSymbolicLink()) throw new SftpFailure('ELOOP', path, 'a symbolic link');
  throw new SftpFailure(there.isDirectory() ? 'EISDIR' : 'EINVAL', path, 'not a regular file');
}

/** Opens a regular file for `use`. */
export async function reading<T>(
  session: SftpSession,
  path: string,
  use: (file: Readable) => Promise<T>,
): Promise<T> {
  await regularAt(session, path);
  const handle = await openFile(session, path, { flags: 'r' });
  try {
    const { size } = await attributesOf(session, path, handle);
    if (!Number.isSafeInteger(size)) throw new SftpFailure('EFBIG', path, 'a size that no file has');
    return await use({ path, handle, size });
  } finally {
    await closeFile(session, path, handle).catch(() => undefined);
  }
}

/** All bytes from `start` on. */
export async function bytesFrom(session: SftpSession, file: Readable, start: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of readRange(session, { ...file, start, end: file.size })) pieces.push(piece);
  return Buffer.concat(pieces);
}

export async function readThrough(
  session: SftpSession,
  file: Readable,
  { sink, signal, sync = false }: ReadingOptions & { readonly sink: (chunk: Uint8Array) => void },
): Promise<void> {
  for await (const piece of readRange(session, { ...file, start: 0, end: file.size })) {
    signal?.throwIfAborted();
    sink(piece);
  }
  if (sync) await syncFile(session, file.path, file.handle);
}

/** As the server finds it, where it can; else from its bytes. */
export async function sha256Of(session: SftpSession, path: string, options: ReadingOptions): Promise<string> {
  options.signal?.throwIfAborted();
  const told =
    options.sync === true
      ? undefined
      : await serverSha256(session, path, (await regularAt(session, path)).size);
  if (told !== undefined) return told;
  const hash = createHash('sha256');
  const sink = (chunk: Uint8Array): void => void hash.update(chunk);
  await reading(session, path, (file) => readThrough(session, file, { ...options, sink }));
  return hash.digest('hex');
}
