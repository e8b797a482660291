import type { Authentication, Trust } from './authenticate.js';
import { progressOf, type ProgressObserver } from '../stream/progress.js';
import type { Origin } from '../location/reread-bundle.js';
import { pipeline } from 'node:stream/promises';
import type { Manifest } from '../schema/manifest.js';
import type { TrustDocument } from '../schema/trust.js';
import { Discard } from '../stream/drain.js';
import type { Check } from '../trust/rule-result.js';
import { verifiedBundle } from './verified-bundle.js';

/** What was signed. */
export type SignedSubject =
  | {
      readonly kind: 'bundle';
      readonly manifest: Manifest;
      /** Undefined when nobody asked whose the earlier signatures are. */
      readonly authentication: Authentication | undefined;
      /** Every rule that was applied, in order, with what was found. */
      readonly checks: readonly Check[];
    }
  | { readonly kind: 'trust store'; readonly document: TrustDocument };

/** The exact bytes to sign, and what they mean. */
export interface Signing {
  readonly bytes: Buffer;
  readonly subject: SignedSubject;
}

/** Whose signatures are asked for, and who is told of it. */
interface Proving {
  readonly trust?: Trust | undefined;
  /** What messages call the bundle. */
  readonly file: string;
  readonly notify?: ((message: string) => void) | undefined;
  readonly onProgress?: ProgressObserver | undefined;
}

/** All rules but thresholds: what a receiver would refuse whoever else signs it, nobody signs here. */
export async function proveBundle(origin: Origin, options: Proving): Promise<Signing> {
  const { trust } = options;
  const bundle = await verifiedBundle(() => origin.open(), { trust, rules: 'all-but-thresholds' });
  try {
    options.notify?.(`checking every byte of ${options.file}`);
    const progress = progressOf(options.onProgress, 'verify');
    await bundle.payload((_file, body) => pipeline(body, new Discard()), { progress });
    const { manifest, manifestBytes: bytes, checks } = bundle;
    const authentication = trust === undefined ? undefined : bundle.authentication;
    return { bytes, subject: { kind: 'bundle', manifest, authentication, checks } };
  } finally {
    await bundle.close();
  }
}
