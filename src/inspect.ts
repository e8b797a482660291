import { openBundleFile } from './bundle/open-file.js';
import { parseManifest } from './bundle/manifest.js';
import { sha256Of } from './io/digest.js';
import type { Manifest } from './schema/manifest.js';

export interface InspectOptions {
  /** Path of a bundle file. */
  readonly bundle: string;
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
export async function inspectBundle({ bundle, signal }: InspectOptions): Promise<Inspection> {
  const sealed = await openBundleFile(bundle, signal);
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
