import { tmpdir } from 'node:os';
import { bundleBytes, isElsewhere, type BundlePlace, type BytesOptions } from './bundle-bytes.js';
import type { SealedBundle } from './bundle/bundle.js';
import { openBundleStream } from './bundle/open-file.js';
import { Scratch } from './bundle/scratch.js';
import { openBundle } from './open-bundle.js';

/** A bundle that is read twice. */
export interface Origin {
  open(): Promise<SealedBundle>;
  /** Whoever made it calls it, whatever happened since. */
  close(): Promise<void>;
}

/**
 * A bundle that is read where it is, each time. Where its bytes come only once, they are kept in a private file.
 *
 * @throws PlugferryError as {@link bundleBytes}; from `open`, as {@link openBundle}.
 */
export async function originOf(place: BundlePlace, options: BytesOptions): Promise<Origin> {
  if (isElsewhere(place)) return copied(place, options);
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

async function copied(place: BundlePlace, options: BytesOptions): Promise<Origin> {
  const { scratch = tmpdir(), signal } = options;
  const source = await bundleBytes(place, options);
  try {
    const copy = await Scratch.open(scratch, signal);
    try {
      for await (const chunk of source.bytes) await copy.append(chunk as Buffer);
    } catch (error) {
      await copy.close();
      throw error;
    }
    return {
      open: () => openBundleStream(copy.stream(0, copy.size), source.name, { scratch, signal }),
      close: () => copy.close(),
    };
  } finally {
    await source.close();
  }
}
