import { basename, dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { bundleBytes, isInParts, pathsOf, type BundlePlace, type ReachOptions } from './bundle-bytes.js';
import { PlugferryError } from './errors.js';
import type { CommitOptions } from './io/commit.js';
import { committedSet } from './io/commit-set.js';
import { isDirectory } from './io/file.js';
import { isRemote } from './io/location.js';
import { counted, progressOf, Tally, type ProgressObserver } from './io/progress.js';
import type { PartDamage } from './parts/damage.js';
import { Splitter, type WrittenPart } from './parts/split.js';
import { lastName } from './pull.js';

/** Into what parts a bundle is cut. */
export interface SplitShape {
  /** Most bytes of a part file, at least 1 MiB. */
  readonly partFile: number;
  /** Parity parts, in percent of the others. @default 0 */
  readonly parity?: number;
}

export interface SplitOptions extends SplitShape, ReachOptions {
  /** Where the bundle is; what is in it is not looked at. Parts of it are put together and cut anew. */
  readonly bundle: BundlePlace;
  /**
   * What the names of the parts begin with, or a directory for them. @default the bundle's own name, in the current directory where it
   * is on another machine; for parts and `-` there is none
   */
  readonly output?: string;
  /** Told, once, what was missing or damaged in parts and was made again from parity. */
  readonly onRepair?: ((repaired: readonly PartDamage[]) => void) | undefined;
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
 * @throws PlugferryError `E_NOT_FOUND`, `E_USAGE`, `E_LIMIT`, `E_EXISTS`, `E_NO_SPACE`, `E_IO`, and as {@link bundleBytes}.
 */
export async function splitBundle(options: SplitOptions): Promise<SplitResult> {
  const { bundle, signal, force = false } = options;
  const prefix = await prefixFor(await ownName(bundle, options.output), options.output);
  const source = await bundleBytes(bundle, { ...options, scratch: dirname(prefix) });
  try {
    const { add } = new Tally(progressOf(options.onProgress, 'split'), source.size);
    const commit = { force, ...(signal === undefined ? {} : { signal }) };
    return await writeParts({ ...options, prefix }, commit, (into) =>
      pipeline(source.bytes, counted(add), into),
    );
  } finally {
    await source.close();
  }
}

/** What a bundle is called where nobody says it; undefined when it has no name of its own. */
async function ownName(bundle: BundlePlace, output: string | undefined): Promise<string | undefined> {
  const [path = ''] = pathsOf(bundle);
  if (path === '-') return undefined;
  if (isRemote(path)) return output === undefined || (await isDirectory(output)) ? lastName(path) : undefined;
  return (await isInParts(bundle)) ? undefined : path;
}

/** Where the parts go: into `output`, if that is a directory, else under that name. */
async function prefixFor(name: string | undefined, output = name): Promise<string> {
  if (output !== undefined && !(await isDirectory(output))) return output;
  if (output !== undefined && name !== undefined) return join(output, basename(name));
  throw new PlugferryError('E_USAGE', 'the bundle has no name that its parts could have', {
    hint: 'Give with -o what the names of the parts are to begin with.',
    details: { expected: 'a file name' },
  });
}

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
