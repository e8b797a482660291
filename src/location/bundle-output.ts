import { createReadStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Container, containerFor } from '../bundle/container.js';
import { PlugferryError } from '../errors.js';
import { companionsOf, type FileSigner } from './signed-digest.js';
import { committedWithCompanions } from '../files/companions.js';
import type { Digest } from '../stream/digest.js';
import { digestFileNames } from '../files/digest-file.js';
import { ioError } from '../files/file-errors.js';
import { fileWriter } from '../files/file-writer.js';
import { withoutCredentials } from '../http/address.js';
import { isRemote } from './location.js';
import { PrivateDirectory } from '../files/temp-directory.js';
import { type ProgressObserver, progressOf } from '../stream/progress.js';
import { transportFor } from '../transport/locations.js';
import type { RemoteAccess, Sent } from '../transport/transport.js';

export interface OutputOptions {
  /** A path, `-` for standard output, `sftp://USER@HOST/PATH` or `http(s)://HOST/PATH`. */
  readonly output: string;
  /** What `-` stands for; without it there is no such place. It is not ended. */
  readonly stdout?: Writable | undefined;
  /** How other machines are reached. */
  readonly access?: RemoteAccess | undefined;
  /** Replace what is there. @default false */
  readonly force?: boolean | undefined;
  /** Permission bits of a file of this machine. @default 0o644 */
  readonly mode?: number | undefined;
  /** Write the digest of the file beside it, signed by this one; goes with a path of this machine. @default no digest file */
  readonly fileSigner?: FileSigner | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly notify?: ((message: string) => void) | undefined;
  /** Told of bytes that go to another machine. */
  readonly onProgress?: ProgressObserver | undefined;
}

/** Where a file went. */
export interface Delivered {
  /** The path; where it is none, what messages call the place, without credentials. */
  readonly file: string;
  /** What was compared with what another machine holds now. */
  readonly proof?: Sent['proof'];
  /** The digest of the file and the signature of that, where they were written beside it. */
  readonly digestFiles?: readonly string[];
}

type Content = Pick<Digest, 'size' | 'sha256'>;

/** Whether an output is no file of this machine. */
const goesElsewhere = (output: string): boolean => output === '-' || isRemote(output);

/** The path in a location, which says what the file is named after. */
const pathIn = (output: string): string =>
  isRemote(output) && URL.canParse(output) ? new URL(output).pathname : output;

/**
 * The container that an output is to be: by the name at the end of a path or location; standard output has none and gets `.tar.gz`.
 *
 * @throws PlugferryError `E_USAGE` for a name that does not tell.
 */
export const containerAt = (output: string): Container =>
  containerFor(output === '-' ? 'stdout.tar.gz' : pathIn(output));

/** The directory for private copies of what is to be written: where the output ends up there has to be room anyway. */
export const scratchFor = (output: string): string =>
  goesElsewhere(output) ? tmpdir() : dirname(resolve(output));

/** What messages call an output. */
export const outputName = (output: string): string =>
  output === '-' ? 'standard output' : withoutCredentials(output);

/**
 * Refuses what is no place for an output, before any work is done for it. Nothing is asked of another machine yet.
 *
 * @throws PlugferryError `E_USAGE`.
 */
export function checkOutput({
  output,
  access,
  fileSigner,
}: Pick<OutputOptions, 'output' | 'access' | 'fileSigner'>): void {
  if (fileSigner !== undefined) refuseElsewhere(output, 'the signed digest of the file');
  if (isRemote(output)) transportFor(output, access);
}

/**
 * Several files go into a directory of this machine only.
 *
 * @throws PlugferryError `E_USAGE`.
 */
export function refuseElsewhere(output: string, what: string): void {
  if (!goesElsewhere(output)) return;
  throw new PlugferryError('E_USAGE', `${what} cannot be written to ${outputName(output)}`, {
    hint: 'Give a path with -o, and send each of the files with "plugferry push".',
    details: { file: outputName(output), expected: 'a path' },
  });
}

/**
 * Writes a file wherever it is to be, so that its name only ever stands for the complete file. What goes to another machine or into a
 * pipe is complete in a private file before the first byte leaves: it could not be taken back. A file of this machine never stands
 * beside the digest file of another: that of an earlier one is refused as that file itself is, or goes with it.
 *
 * @param fill writes into the stream; says what it wrote.
 * @throws PlugferryError `E_USAGE`, `E_EXISTS`, `E_CONFLICT`, `E_NO_SPACE`, `E_DIGEST`, `E_NETWORK`, `E_IO`, or what `fill` throws.
 */
export async function writeOutput<T extends Content>(
  options: OutputOptions,
  fill: (out: Writable) => Promise<T>,
): Promise<T & Delivered> {
  const { output, signal, mode, force = false, fileSigner } = options;
  if (output === '-') return toStream(options, fill);
  if (isRemote(output)) return toRemote(options, fill);
  const path = resolve(output);
  const commit = {
    force,
    companions: companionsOf(path, fileSigner),
    ...(signal === undefined ? {} : { signal }),
    ...(mode === undefined ? {} : { mode }),
  };
  const written = await committedWithCompanions(path, commit, (file) => fill(fileWriter(file)));
  return { ...written, file: output, ...digestFilesOf(output, fileSigner) };
}

/** What a result says of the digest file. */
export const digestFilesOf = (
  file: string,
  signer: FileSigner | undefined,
): Pick<Delivered, 'digestFiles'> =>
  signer === undefined ? {} : { digestFiles: digestFileNames(file).slice(0, signer === 'nobody' ? 1 : 2) };

async function toStream<T extends Content>(
  { output, stdout, signal }: OutputOptions,
  fill: (out: Writable) => Promise<T>,
): Promise<T & Delivered> {
  if (stdout === undefined) {
    throw new PlugferryError('E_USAGE', 'there is no standard output to write to', {
      hint: 'Give the path of the file to write.',
      details: { file: outputName(output) },
    });
  }
  return withPrivateFile(fill, async (path, written) => {
    await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), stdout, {
      ...(signal === undefined ? {} : { signal }),
    });
    return { ...written, file: outputName(output) };
  });
}

async function toRemote<T extends Content>(
  { output, access, force = false, signal, notify, onProgress }: OutputOptions,
  fill: (out: Writable) => Promise<T>,
): Promise<T & Delivered> {
  const remote = transportFor(output, access);
  try {
    return await withPrivateFile(fill, async (path, written) => {
      notify?.(`sending ${written.size} bytes to ${remote.name}`);
      const progress = progressOf(onProgress, 'upload');
      const { proof } = await remote.write({ path, digest: written }, { force, signal, progress });
      return { ...written, file: remote.name, proof };
    });
  } finally {
    await remote.close();
  }
}

/** Has a private file filled and delivered, and removes it. */
async function withPrivateFile<T, R>(
  fill: (out: Writable) => Promise<T>,
  deliver: (path: string, written: T) => Promise<R>,
): Promise<R> {
  const directory = new PrivateDirectory(tmpdir());
  try {
    const { path, handle } = await directory.create();
    let written: T;
    try {
      written = await fill(fileWriter(handle));
    } catch (error) {
      throw ioError(error, path);
    } finally {
      await handle.close();
    }
    return await deliver(path, written);
  } finally {
    await directory.remove();
  }
}
