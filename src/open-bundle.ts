import {
  bundleBytes,
  isElsewhere,
  isInParts,
  pathsOf,
  type BundlePlace,
  type BytesOptions,
} from './bundle-bytes.js';
import type { SealedBundle } from './bundle/bundle.js';
import { openBundleFile, openBundleStream } from './bundle/open-file.js';

/**
 * Opens a bundle, wherever it is, and reads it once. Parts are read where they are and never put together in a file of their own; what
 * is repaired, and what must be read more than once, is kept in a private file in `scratch`.
 *
 * @throws PlugferryError as {@link openBundleFile} and {@link bundleBytes}.
 */
export async function openBundle(place: BundlePlace, options: BytesOptions = {}): Promise<SealedBundle> {
  const [path = ''] = pathsOf(place);
  const isPlainFile = !isElsewhere(place) && options.sha256 === undefined && !(await isInParts(place));
  if (isPlainFile) return openBundleFile(path, options);
  const opened = await bundleBytes(place, options);
  try {
    const sealed = await openBundleStream(opened.bytes, opened.name, options);
    return {
      manifestBytes: sealed.manifestBytes,
      signatures: sealed.signatures,
      open: (check) => sealed.open(check),
      close: async () => {
        await sealed.close();
        await opened.close();
      },
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}
