import { basename, join } from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { CommitOptions } from './io/commit.js';
import { committedSet } from './io/commit-set.js';
import { isDirectory, openRegular } from './io/file.js';
import { counted, progressOf, Tally, type ProgressObserver } from './io/progress.js';
import { Splitter, type WrittenPart } from './parts/split.js';

/** Into what parts a bundle is cut. */
export interface SplitShape {
  /** Most bytes of a part file, at least 1 MiB. */
  readonly partFile: number;
  /** Parity parts, in percent of the others. @default 0 */
  readonly parity?: number;
}

export interface SplitOptions extends SplitShape {
  /** Path of a bundle file. What is in it is not looked at. */
  readonly bundle: string;
  /** What the names of the parts begin with, or a directory for them. @default the bundle's own name */
  readonly output?: string;
  /** Replace existing part files. @default false */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  readonly notify?: (message: string) => void;
  /** Told of bytes as they flow. */
  readonly onProgress?: ProgressObserver;
}

/** A bundle in parts. */
export interface SplitResult {
  /** Id of the set, which each part names: the same bundle, split the same way, gives the same. */
  readonly set: string;
  /** Bytes of the bundle. */
  readonly size: number;
  /** SHA-256 of the bundle file: for transfer errors only, never for trust. */
  readonly sha256: string;
  readonly parts: readonly WrittenPart[];
}

/**
 * Cuts a finished bundle into part files. Either all of them appear, or none.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_USAGE`, `E_LIMIT`, `E_EXISTS`, `E_NO_SPACE`, `E_IO`.
 */
export async function splitBundle(options: SplitOptions): Promise<SplitResult> {
  const { bundle, signal, force = false } = options;
  const prefix = await prefixFor(bundle, options.output ?? bundle);
  const source = await openRegular(bundle, 'bundle');
  try {
    const bytes = source.createReadStream({ start: 0, highWaterMark: 1024 * 1024, autoClose: false });
    const { size } = await source.stat();
    const { add } = new Tally(progressOf(options.onProgress, 'split'), size);
    const commit = { force, ...(signal === undefined ? {} : { signal }) };
    return await writeParts({ ...options, prefix }, commit, (into) => pipeline(bytes, counted(add), into));
  } finally {
    await source.close();
  }
}

/** Where parts of a bundle named `name` go: into `output`, if that is a directory, else under that name. */
const prefixFor = async (name: string, output: string): Promise<string> =>
  (await isDirectory(output)) ? join(output, basename(name)) : output;

export interface PartsRequest extends SplitShape {
  /** Part files are named `<prefix>.part001` and so on. */
  readonly prefix: string;
  readonly signal?: AbortSignal | undefined;
  readonly notify?: ((message: string) => void) | undefined;
  readonly onProgress?: ProgressObserver | undefined;
}

/**
 * Writes as parts what `fill` writes into a stream, which it ends. Either all of them appear, or none.
 *
 * @throws PlugferryError `E_USAGE`, `E_LIMIT`, `E_EXISTS`, `E_NO_SPACE`, `E_IO`, and what `fill` throws.
 */
export async function writeParts(
  { prefix, partFile, parity = 0, signal, notify, onProgress }: PartsRequest,
  commit: CommitOptions,
  fill: (into: Writable) => Promise<unknown>,
): Promise<SplitResult> {
  return committedSet(commit, async (add) => {
    const progress = progressOf(onProgress, 'parity');
    const splitter = new Splitter({ prefix, partFile, parity, signal, notify, progress }, add);
    await fill(
      new Writable({
        highWaterMark: 1024 * 1024,
        write(chunk: Buffer, _encoding, done) {
          splitter.write(chunk).then(() => {
            done();
          }, done);
        },
      }),
    );
    const { set, shape, parts } = await splitter.finish();
    return { set, size: shape.bundleSize, sha256: shape.bundleSha256, parts };
  });
}
