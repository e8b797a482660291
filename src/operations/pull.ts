import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { notPinned } from '../location/bundle-input.js';
import { Scratch } from '../bundle/scratch.js';
import { isPlugferryError } from '../errors.js';
import { refuseExisting } from '../files/atomic-file.js';
import { counted, type ProgressObserver, progressOf, Tally } from '../stream/progress.js';
import { ResumableFile } from '../files/resumable-file.js';
import { transportFor } from '../transport/locations.js';
import type { RemoteAccess, RemoteBody, RemoteFile } from '../transport/transport.js';
import { lastName } from '../location/location.js';

export interface PullOptions {
  /** `sftp://USER@HOST/PATH` or `http(s)://HOST/PATH`. */
  readonly location: string;
  /** The file to write, or a stream. @default the last name of the location, in the current directory */
  readonly output?: string | Writable | undefined;
  readonly access?: RemoteAccess | undefined;
  /** SHA-256 in hex that the file must have; another one is not kept. */
  readonly sha256?: string | undefined;
  /** Replace an existing output. @default false */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  readonly notify?: (message: string) => void;
  /** Told of bytes as they flow. */
  readonly onProgress?: ProgressObserver;
}

export interface PullResult {
  /** Undefined where it went into a stream. */
  readonly file?: string;
  /** Where it came from, without credentials. */
  readonly from: string;
  /** Bytes. */
  readonly size: number;
  readonly sha256: string;
  /** Bytes that an earlier run had brought. */
  readonly resumedAt: number;
  /** Whether the digest was compared with one that was given. Nothing else is verified here. */
  readonly pinned: boolean;
}

/**
 * Fetches a file as it is; nothing is believed of it. The output name only ever stands for the complete file. A download that breaks off
 * is continued by the next run, as long as the place can prove that it is still the same file.
 *
 * @throws PlugferryError `E_USAGE`, `E_NOT_FOUND`, `E_EXISTS`, `E_DIGEST`, `E_SOURCE_CHANGED`, `E_NETWORK`, `E_NO_SPACE`, `E_IO`.
 */
export async function pull(options: PullOptions): Promise<PullResult> {
  const { location, output = lastName(location), access } = options;
  const remote = transportFor(location, access);
  try {
    return typeof output === 'string'
      ? await pullFile(remote, output, options)
      : await pullStream(remote, output, options);
  } finally {
    await remote.close();
  }
}

async function pullFile(remote: RemoteFile, output: string, options: PullOptions): Promise<PullResult> {
  const { sha256, signal, notify, onProgress, force = false } = options;
  await refuseExisting(resolve(output), force);
  const file = new ResumableFile(resolve(output));
  const origin = { from: remote.name, sha256 };
  let body: RemoteBody | undefined;
  try {
    const { size: start, version } = await file.beginning(origin);
    body = await remote.read({ signal, start, version, pinned: sha256 !== undefined });
    const resumedAt = body.start;
    if (resumedAt > 0) notify?.(`going on at byte ${resumedAt} of ${body.size ?? 'an unknown number'}`);
    await file.open(resumedAt, { ...origin, version: body.version });
    const tally = new Tally(progressOf(onProgress, 'download'), body.size);
    tally.add(resumedAt);
    await file.fill(body.bytes, tally.add);
    const found = await file.finish();
    if (sha256 !== undefined && found !== sha256) throw notPinned(remote.name, sha256, found);
    signal?.throwIfAborted();
    await file.publish(force);
    const size = file.size;
    await file.keep();
    return { file: output, from: remote.name, size, sha256: found, resumedAt, pinned: sha256 !== undefined };
  } catch (error) {
    body?.bytes.destroy();
    const goesOn = body !== undefined && (body.version !== undefined || sha256 !== undefined);
    if (goesOn && mayGoOn(error)) {
      const size = await file.keep();
      notify?.(`${size} bytes are kept in ${output}.part: the same command goes on there`);
    } else await (body === undefined ? file.keep() : file.discard());
    throw error;
  }
}

/** Whether it is only the way that broke, and not what came. */
const mayGoOn = (error: unknown): boolean =>
  isPlugferryError(error) &&
  ['E_NETWORK', 'E_INTERRUPTED', 'E_TERMINATED', 'E_NO_SPACE', 'E_HOST_KEY', 'E_LOGIN'].includes(error.code);

async function pullStream(
  remote: RemoteFile,
  out: Writable,
  { sha256, signal, onProgress }: PullOptions,
): Promise<PullResult> {
  const { bytes, size: total } = await remote.read({ signal, pinned: sha256 !== undefined });
  const tally = new Tally(progressOf(onProgress, 'download'), total);
  const hash = createHash('sha256');
  let size = 0;
  const metered = counted((length) => {
    size += length;
    tally.add(length);
  });
  const hashed = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      hash.update(chunk);
      yield chunk;
    }
  };
  if (sha256 === undefined) {
    await pipeline(bytes, metered, hashed, out);
    return { from: remote.name, size, sha256: hash.digest('hex'), resumedAt: 0, pinned: false };
  }
  // What is in a pipe cannot be taken back: nothing goes there before it is proved.
  const copy = await Scratch.open(tmpdir(), signal);
  try {
    for await (const chunk of hashed(metered(bytes))) await copy.append(chunk);
    const found = hash.digest('hex');
    if (found !== sha256) throw notPinned(remote.name, sha256, found);
    await pipeline(copy.stream(0, copy.size), out);
    return { from: remote.name, size, sha256: found, resumedAt: 0, pinned: true };
  } finally {
    bytes.destroy();
    await copy.close();
  }
}
