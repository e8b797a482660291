import { tmpdir } from 'node:os';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import { sha256OfSpan } from '../files/digest-of-file.js';
import { fileWriter } from '../files/file-writer.js';
import { openRegular } from '../files/open-regular.js';
import { PrivateDirectory } from '../files/temp-directory.js';
import { type ProgressObserver, progressOf, Tally } from '../stream/progress.js';
import { pipeline } from 'node:stream/promises';
import { PlugferryError } from '../errors.js';
import { transportFor } from '../transport/locations.js';
import type { LocalFile, RemoteAccess, RemoteFile, Sent } from '../transport/transport.js';

export interface PushOptions {
  /** Path of the file, or its bytes. */
  readonly file: string | Readable;
  /** `sftp://USER@HOST/PATH` or `http(s)://HOST/PATH`; with `/` at its end, the directory for a file of the same name. */
  readonly location: string;
  readonly access?: RemoteAccess | undefined;
  /** Replace a file that is there. @default false */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  readonly notify?: (message: string) => void;
  /** Told of bytes as they flow. */
  readonly onProgress?: ProgressObserver;
}

export interface PushResult extends Sent {
  /** Where it is now, without credentials. */
  readonly to: string;
  readonly sha256: string;
}

/**
 * Sends a file as it is, so that its name over there only ever stands for the complete file as far as the server can do that.
 *
 * @throws PlugferryError `E_USAGE`, `E_NOT_FOUND`, `E_EXISTS`, `E_NO_SPACE`, `E_DIGEST`, `E_NETWORK`, `E_IO`.
 */
export async function push(options: PushOptions): Promise<PushResult> {
  const { file, access } = options;
  const remote = transportFor(targetOf(options), access);
  const copies = new PrivateDirectory(tmpdir());
  try {
    const path = typeof file === 'string' ? file : await copyOf(file, copies);
    return await send(remote, { path, digest: await digestOf(path, options) }, options);
  } finally {
    await copies.remove();
    await remote.close();
  }
}

async function send(
  remote: RemoteFile,
  file: LocalFile,
  { force = false, signal, notify, onProgress }: PushOptions,
): Promise<PushResult> {
  const progress = progressOf(onProgress, 'upload');
  notify?.(`sending ${file.digest.size} bytes to ${remote.name}`);
  const sent = await remote.write(file, { force, signal, progress });
  return { to: remote.name, sha256: file.digest.sha256, ...sent };
}

function targetOf({ file, location }: PushOptions): string {
  if (!/^[a-z][a-z0-9+.-]*:\/\/.*\/$/i.test(location)) return location;
  if (typeof file === 'string') return `${location}${encodeURIComponent(basename(file))}`;
  throw new PlugferryError('E_USAGE', 'a directory was named to send to, and the bytes have no name', {
    hint: 'Give the whole location of the file.',
    details: { expected: 'a file name' },
  });
}

/** What arrives once may have to be sent twice. */
async function copyOf(bytes: Readable, copies: PrivateDirectory): Promise<string> {
  const copy = await copies.create();
  try {
    await pipeline(bytes, fileWriter(copy.handle));
  } finally {
    await copy.handle.close();
  }
  return copy.path;
}

async function digestOf(path: string, { signal, onProgress }: PushOptions): Promise<LocalFile['digest']> {
  const handle = await openRegular(path, 'bundle');
  try {
    const { size } = await handle.stat();
    const tally = new Tally(progressOf(onProgress, 'read'), size);
    const sha256 = await sha256OfSpan(handle, { end: size }, (bytes) => {
      signal?.throwIfAborted();
      tally.add(bytes);
    });
    return { size, sha256 };
  } finally {
    await handle.close();
  }
}
