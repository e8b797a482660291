import { tmpdir } from 'node:os';
import type { SealedBundle } from './bundle/bundle.js';
import { openBundleFile, openBundleStream, type OpenBundleOptions } from './bundle/open-file.js';
import { isDirectory, isRegularFile } from './io/file.js';
import { openParts } from './open-parts.js';
import type { PartDamage } from './parts/damage.js';
import { partsIn } from './parts/find.js';
import { looksLikePart } from './parts/part-file.js';

/** Where a bundle is: the path of its file; or its parts, in any order and under any names, or a directory of them. */
export type BundlePlace = string | readonly string[];

export interface OpenPlaceOptions extends OpenBundleOptions {
  /** Told, once, what was missing or damaged in parts and was made again from parity. */
  readonly onRepair?: ((repaired: readonly PartDamage[]) => void) | undefined;
}

/**
 * Opens a bundle, whole or in parts. Parts are read where they are and never put together in a file of their own; what is repaired
 * is kept in a private file in `scratch`.
 *
 * @throws PlugferryError as {@link openBundleFile} and {@link openParts}.
 */
export async function openBundle(place: BundlePlace, options: OpenPlaceOptions = {}): Promise<SealedBundle> {
  const paths = pathsOf(place);
  const [path = ''] = paths;
  return (await isInParts(paths)) ? openJoined(paths, options) : openBundleFile(path, options);
}

const pathsOf = (place: BundlePlace): readonly string[] => (typeof place === 'string' ? [place] : place);

/** What messages call a bundle. */
export const nameOf = (place: BundlePlace): string => {
  const [first = '', ...others] = pathsOf(place);
  return others.length === 0 ? first : `${first} and ${others.length} more`;
};

/** Whether a place can only be that of parts. */
export async function isInParts(place: BundlePlace): Promise<boolean> {
  const paths = pathsOf(place);
  const [path = ''] = paths;
  if (paths.length !== 1 || (await isDirectory(path))) return true;
  return (await isRegularFile(path)) && looksLikePart(path);
}

/** Whether there are parts in a directory. */
export const holdsParts = async (directory: string): Promise<boolean> =>
  (await partsIn(directory)).length > 0;

async function openJoined(paths: readonly string[], options: OpenPlaceOptions): Promise<SealedBundle> {
  const { scratch = tmpdir(), signal, onRepair } = options;
  const parts = await openParts(paths, { scratch, signal, onRepair });
  try {
    const sealed = await openBundleStream(await parts.stream(), nameOf(paths), options);
    return {
      manifestBytes: sealed.manifestBytes,
      signatures: sealed.signatures,
      open: (check) => sealed.open(check),
      close: async () => {
        await sealed.close();
        await parts.close();
      },
    };
  } catch (error) {
    await parts.close();
    throw error;
  }
}
