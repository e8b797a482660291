import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  bundleBytes,
  type BundlePlace,
  isInParts,
  pathsOf,
  type ReachOptions,
} from '../location/bundle-input.js';
import { PlugferryError } from '../errors.js';
import { companionsOf, copiesBeside, digestFileOf } from '../location/signed-digest.js';
import { notAsDigest } from '../files/digest-file.js';
import { isDirectory } from '../files/open-regular.js';
import { isRemote, lastName } from '../location/location.js';
import { counted, type ProgressObserver, progressOf, Tally } from '../stream/progress.js';
import type { PartDamage } from '../parts/damage.js';
import { type PartsRequest, type SplitResult, type SplitShape, writeParts } from '../parts/write.js';

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

/**
 * Cuts a finished bundle into part files. Either all of them appear, or none.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_USAGE`, `E_LIMIT`, `E_EXISTS`, `E_NO_SPACE`, `E_IO`, and as {@link bundleBytes}.
 */
export async function splitBundle(options: SplitOptions): Promise<SplitResult> {
  const { bundle, signal, force = false } = options;
  const own = await ownName(bundle, options.output);
  const prefix = await prefixFor(own, options.output);
  const companions = await carriedAlong(own, prefix, options.notify);
  const source = await bundleBytes(bundle, { ...options, scratch: dirname(prefix) });
  try {
    const { add } = new Tally(progressOf(options.onProgress, 'split'), source.size);
    const commit = { force, ...(signal === undefined ? {} : { signal }) };
    return await writeParts({ ...options, prefix, companions }, commit, (into) =>
      pipeline(source.bytes, counted(add), into),
    );
  } finally {
    await source.close();
  }
}

/**
 * The digest file of a bundle goes with it: what is joined again under the same name is the same file. Beside the bundle itself it
 * stays where it is.
 */
async function carriedAlong(
  own: string | undefined,
  prefix: string,
  notify: SplitOptions['notify'],
): Promise<PartsRequest['companions']> {
  const there = own === undefined || isRemote(own) ? undefined : await digestFileOf(own);
  const fresh = companionsOf(prefix, undefined);
  if (own === undefined || there === undefined) return fresh;
  const { sha256: expected } = there;
  const refuseOther = (found: string): void => {
    if (expected !== undefined && found !== expected)
      throw notAsDigest({ file: own, digestFile: there.path, found, expected });
  };
  const inPlace = resolve(own) === resolve(prefix);
  const goesAlong = !inPlace && expected !== undefined && basename(own) === basename(prefix);
  if (!inPlace && !goesAlong)
    notify?.(`${there.path} stays where it is: it is not of a file named ${basename(prefix)}`);
  return {
    names: inPlace ? [] : fresh.names,
    make: async ({ sha256 }) => {
      refuseOther(sha256);
      return goesAlong ? copiesBeside(prefix, there) : [];
    },
  };
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
