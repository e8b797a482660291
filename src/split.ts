import { basename, join } from 'node:path';
import { committedSet } from './io/commit-set.js';
import { isDirectory, openRegular } from './io/file.js';
import { Splitter, type WrittenPart } from './parts/split.js';

export interface SplitOptions {
  /** Path of a bundle file. What is in it is not looked at. */
  readonly bundle: string;
  /** Most bytes of a part file, at least 1 MiB. */
  readonly partFile: number;
  /** Parity parts, in percent of the others. @default 0 */
  readonly parity?: number;
  /** What the names of the parts begin with, or a directory for them. @default the bundle's own name */
  readonly output?: string;
  /** Replace existing part files. @default false */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
  readonly notify?: (message: string) => void;
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
  const { bundle, parity = 0, partFile, signal, notify, force = false } = options;
  const prefix = await prefixFor(bundle, options.output ?? bundle);
  const source = await openRegular(bundle, 'bundle');
  try {
    return await committedSet({ force, ...(signal === undefined ? {} : { signal }) }, async (add) => {
      const splitter = new Splitter({ prefix, partFile, parity, signal, notify }, add);
      const bytes = source.createReadStream({ start: 0, highWaterMark: 1024 * 1024, autoClose: false });
      for await (const chunk of bytes) await splitter.write(chunk as Buffer);
      return splitResult(await splitter.finish());
    });
  } finally {
    await source.close();
  }
}

/** @returns where parts of a bundle named `name` go: into `output`, if that is a directory, else under that name. */
export const prefixFor = async (name: string, output: string): Promise<string> =>
  (await isDirectory(output)) ? join(output, basename(name)) : output;

export const splitResult = ({ set, shape, parts }: Awaited<ReturnType<Splitter['finish']>>): SplitResult => ({
  set,
  size: shape.bundleSize,
  sha256: shape.bundleSha256,
  parts,
});
