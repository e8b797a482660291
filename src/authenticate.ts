import type { ManifestCheck } from './bundle/bundle.js';
import { checkSignatures } from './trust/check.js';
import type { TrustedKey } from './trust/key.js';

/** How the receiver decides whether to believe a bundle. */
export type Trust =
  | { readonly publicKeys: readonly TrustedKey[] }
  /** Believe anything. Importers log it and mark the release. */
  | { readonly insecureSkipSignature: true };

/** Who stands behind a bundle. */
export interface Authentication {
  /** Trusted keys whose signatures are valid; empty only when the check was skipped. */
  readonly signers: readonly { readonly keyId: string; readonly name: string }[];
  /** Key ids claimed by further signatures, of keys that the receiver does not know. */
  readonly unknownSigners: readonly string[];
  readonly skipped: boolean;
}

/** The check that {@link Trust} asks for, over raw bytes. */
export function authenticator(trust: Trust): ManifestCheck<Authentication> {
  if ('insecureSkipSignature' in trust) {
    return (_manifest, signatures) => ({
      signers: [],
      unknownSigners: [...signatures.keys()],
      skipped: true,
    });
  }
  return (manifest, signatures) => {
    const { signers, unknown } = checkSignatures(manifest, signatures, trust.publicKeys);
    return {
      signers: signers.map(({ keyId, name }) => ({ keyId, name })),
      unknownSigners: unknown,
      skipped: false,
    };
  };
}
