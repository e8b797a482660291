import { parseManifest } from '../bundle/manifest.js';
import { sha256Of } from '../stream/digest.js';
import { reachOf, type BundlePlace, type ReachOptions } from '../location/bundle-input.js';
import { openBundle } from '../location/open-bundle.js';
import type { PartDamage } from '../parts/damage.js';
import type { Manifest } from '../schema/manifest.js';

export interface InspectOptions extends ReachOptions {
  readonly bundle: BundlePlace;
  /** Told, once, what was missing or damaged in parts and was made again from parity. */
  readonly onRepair?: (repaired: readonly PartDamage[]) => void;
  readonly signal?: AbortSignal;
}

/** What a bundle says of itself. Nothing of it is verified. */
export interface Inspection {
  readonly verified: false;
  readonly manifestSha256: string;
  /** Key ids that the signatures claim to be by. */
  readonly claimedSigners: readonly string[];
  readonly manifest: Manifest;
}

/**
 * Reads only the head of a bundle: what it claims, without trusting it.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_CONTAINER`, `E_GZIP`, `E_LIMIT`, `E_MANIFEST`.
 */
export async function inspectBundle(options: InspectOptions): Promise<Inspection> {
  const { bundle, signal, onRepair } = options;
  const sealed = await openBundle(bundle, { ...reachOf(options), signal, onRepair });
  try {
    return {
      verified: false,
      manifestSha256: sha256Of(sealed.manifestBytes),
      claimedSigners: [...sealed.signatures.keys()],
      manifest: parseManifest(sealed.manifestBytes),
    };
  } finally {
    await sealed.close();
  }
}
