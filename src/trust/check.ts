import { PlugferryError } from '../errors.js';
import type { TrustedKey } from './key.js';
import { verifies } from './signature.js';

/** Raw signatures of a bundle by the key id that each claims. The claim is a hint and decides nothing. */
export type ClaimedSignatures = ReadonlyMap<string, Uint8Array>;

/** Who signed a manifest, as far as the receiver can tell. */
export interface SignatureCheck {
  /** Distinct trusted keys with a valid signature, in the order of their key ids. */
  readonly signers: readonly TrustedKey[];
  /** Claimed ids of signatures by keys that the receiver does not know. */
  readonly unknown: readonly string[];
}

/**
 * Checks signatures over the exact manifest bytes, before anything parses them. A signature that claims a trusted key
 * must be valid; signatures of unknown keys are reported and count for nothing.
 *
 * @throws PlugferryError `E_TRUST_MISSING` without trusted keys, `E_UNSIGNED` without signatures,
 *   `E_SIGNATURE_INVALID` when a trusted key's signature does not fit the bytes, `E_SIGNER_UNKNOWN` when no signature is
 *   by a trusted key.
 */
export function checkSignatures(
  manifest: Uint8Array,
  signatures: ClaimedSignatures,
  trusted: readonly TrustedKey[],
): SignatureCheck {
  if (trusted.length === 0) throw trustMissing();
  if (signatures.size === 0) throw unsigned();
  const signers = new Map<string, TrustedKey>();
  const unknown: string[] = [];
  for (const [claimedId, signature] of signatures) {
    const claimed = trusted.find(({ keyId }) => keyId === claimedId);
    if (claimed !== undefined && !verifies(manifest, signature, claimed)) throw invalid(claimed);
    const signer = claimed ?? trusted.find((candidate) => verifies(manifest, signature, candidate));
    if (signer === undefined) unknown.push(claimedId);
    else signers.set(signer.keyId, signer);
  }
  if (signers.size === 0) throw unknownSigner(unknown, trusted);
  const ordered = [...signers.values()].sort((a, b) => (a.keyId < b.keyId ? -1 : 1));
  return { signers: ordered, unknown };
}

/** A key id as people compare it: its first 16 hex digits. */
export const shortKeyId = (keyId: string): string => keyId.slice(0, 16);

const trustMissing = (): PlugferryError =>
  new PlugferryError('E_TRUST_MISSING', 'no key was given to check the signature with', {
    hint: 'Give --public-key FILE with the public key of whoever signs your bundles.',
  });

const unsigned = (): PlugferryError =>
  new PlugferryError('E_UNSIGNED', 'this bundle is not signed', {
    hint: 'Export it again with --signing-key, or ask its sender for the signed bundle.',
  });

const invalid = ({ keyId, name }: TrustedKey): PlugferryError =>
  new PlugferryError(
    'E_SIGNATURE_INVALID',
    `the signature of key ${shortKeyId(keyId)} (${name}) does not fit this manifest`,
    {
      hint: 'The manifest or the signature was changed after signing. Copy the bundle again from where it was made.',
      details: { keyId },
    },
  );

function unknownSigner(unknown: readonly string[], trusted: readonly TrustedKey[]): PlugferryError {
  const found = unknown.map(shortKeyId).join(', ');
  const expected = trusted.map(({ keyId, name }) => `${shortKeyId(keyId)} (${name})`).join(', ');
  return new PlugferryError(
    'E_SIGNER_UNKNOWN',
    `signed by ${found}, which is none of the trusted keys: ${expected}`,
    {
      hint: 'Ask the sender, over another way than the bundle itself, for the public key and its id; compare before you trust.',
      details: { found, expected },
    },
  );
}
