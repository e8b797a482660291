import { pipeline } from 'node:stream/promises';
import { authenticator, type Authentication, type Trust } from './authenticate.js';
import { openBundleFile } from './bundle/open-file.js';
import { sha256Of } from './io/digest.js';
import { Discard } from './io/discard.js';
import type { Manifest } from './schema/manifest.js';

export interface VerifyOptions {
  /** Path of a bundle file. */
  readonly bundle: string;
  readonly trust: Trust;
  readonly signal?: AbortSignal;
}

/** A bundle of which every byte was checked. */
export interface Verification {
  readonly manifestSha256: string;
  readonly authentication: Authentication;
  readonly manifest: Manifest;
}

/**
 * Reads every byte of a bundle and writes nothing.
 *
 * @throws PlugferryError of the trust or integrity kinds for the first thing that is not right.
 */
export async function verifyBundle({ bundle, trust, signal }: VerifyOptions): Promise<Verification> {
  const sealed = await openBundleFile(bundle, signal);
  try {
    const opened = sealed.open(authenticator(trust));
    await opened.payload((_file, body) => pipeline(body, new Discard()));
    return {
      manifestSha256: sha256Of(sealed.manifestBytes),
      authentication: opened.signer,
      manifest: opened.manifest,
    };
  } finally {
    await sealed.close();
  }
}
