import {
  bundleBytes,
  bundleCopy,
  isElsewhere,
  isInParts,
  pathsOf,
  type BundlePlace,
  type BytesOptions,
} from './bundle-input.js';
import type { SealedBundle } from '../bundle/bundle.js';
import { openBundleCopy, openBundleFile, openBundleStream } from '../bundle/open-file.js';

/**
 * Opens a bundle, wherever it is, and reads it once. Parts are read where they are and never put together in a file of their own; what
 * is repaired, and what must be read more than once, is kept in a private file in `scratch`.
 *
 * @throws PlugferryError as {@link openBundleFile} and {@link bundleBytes}.
 */
export async function openBundle(place: BundlePlace, options: BytesOptions = {}): Promise<SealedBundle> {
  const [path = ''] = pathsOf(place);
  if (options.sha256 !== undefined) return openPinned(place, options);
  if (!isElsewhere(place) && !(await isInParts(place))) return openBundleFile(path, options);
  const opened = await bundleBytes(place, options);
  return closing(() => openBundleStream(opened.bytes, opened.name, options), opened);
}

async function openPinned(place: BundlePlace, options: BytesOptions): Promise<SealedBundle> {
  const { name, copy } = await bundleCopy(place, options);
  return closing(() => openBundleCopy(copy, name), copy);
}

/** A bundle that closes what it is read from. */
async function closing(
  open: () => Promise<SealedBundle>,
  origin: { close(): Promise<void> },
): Promise<SealedBundle> {
  try {
    const sealed = await open();
    return {
      manifestBytes: sealed.manifestBytes,
      signatures: sealed.signatures,
      open: (check) => sealed.open(check),
      close: async () => {
        await sealed.close();
        await origin.close();
      },
    };
  } catch (error) {
    await origin.close();
    throw error;
  }
}
