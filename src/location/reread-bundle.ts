import { bundleCopy, isElsewhere, type BundlePlace, type BytesOptions } from './bundle-input.js';
import type { SealedBundle } from '../bundle/bundle.js';
import { openBundleCopy } from '../bundle/open-file.js';
import { openBundle } from './open-bundle.js';

/** A bundle that is read twice. */
export interface Origin {
  open(): Promise<SealedBundle>;
  /** Whoever made it calls it, whatever happened since. */
  close(): Promise<void>;
}

/**
 * A bundle that is read where it is, each time: so it shows when somebody else replaced it in between. Where its bytes come only once,
 * they are kept in a private file.
 *
 * @throws PlugferryError as {@link bundleCopy}; from `open`, as {@link openBundle}.
 */
export async function originOf(place: BundlePlace, options: BytesOptions): Promise<Origin> {
  if (isElsewhere(place)) {
    const { name, copy } = await bundleCopy(place, options);
    return { open: () => openBundleCopy(copy, name), close: () => copy.close() };
  }
  // Repairs are told of once.
  let { onRepair } = options;
  return {
    open: async () => {
      const opening = openBundle(place, { ...options, onRepair });
      onRepair = undefined;
      return opening;
    },
    close: async () => undefined,
  };
}
