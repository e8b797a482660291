import { PlugferryError, type ErrorCode } from '../errors.js';
import type { TrustedKey } from './key.js';
import { verifies } from './signature.js';
import type { Standing } from './key-status.js';

/** Raw signatures of a bundle by the key id that each claims. The claim is a hint and decides nothing. */
export type ClaimedSignatures = ReadonlyMap<string, Uint8Array>;

/** A key that the receiver knows; out of a trust store it has a role, and a standing that may keep it from counting. */
export interface KnownKey extends TrustedKey {
  readonly role?: string;
  /** Absent for a key that the caller named: that one counts. */
  readonly standing?: Standing;
  /** {@link standing} in words, with its date. */
  readonly reason?: string;
}

/** Who signed some bytes, as far as the receiver can tell. */
export interface SignatureCheck {
  /** Distinct known keys with a valid signature that count, in the order of their key ids. */
  readonly signers: readonly KnownKey[];
  /** Distinct known keys with a valid signature that do not count: revoked, retired, expired, not yet valid. */
  readonly uncounted: readonly KnownKey[];
  /** Claimed ids of signatures by keys that the receiver does not know. */
  readonly unknown: readonly string[];
}

/**
 * Checks signatures over exact bytes, before anything parses them. A signature that claims a key that counts must be valid;
 * signatures of other keys are reported and count for nothing.
 *
 * @throws PlugferryError `E_TRUST_MISSING` without known keys, `E_UNSIGNED` without signatures, `E_SIGNATURE_INVALID` when
 *   the signature of a key that counts does not fit the bytes; when no signature counts, `E_KEY_REVOKED`, `E_KEY_EXPIRED` or
 *   `E_KEY_NOT_YET_VALID` for a known key that signed, else `E_SIGNER_UNKNOWN`.
 */
export function checkSignatures(
  bytes: Uint8Array,
  signatures: ClaimedSignatures,
  known: readonly KnownKey[],
): SignatureCheck {
  if (known.length === 0) throw trustMissing();
  if (signatures.size === 0) throw unsigned();
  const found = new Map<string, KnownKey>();
  const unknown: string[] = [];
  for (const [claimedId, signature] of signatures) {
    const claimed = known.find(({ keyId }) => keyId === claimedId);
    const fits = (key: KnownKey): boolean => verifies(bytes, signature, key);
    if (claimed !== undefined && counts(claimed) && !fits(claimed)) throw invalid(claimed);
    const signer = [...(claimed === undefined ? [] : [claimed]), ...known].find(fits);
    if (signer === undefined) unknown.push(claimedId);
    else found.set(signer.keyId, signer);
  }
  const ordered = [...found.values()].sort((a, b) => (a.keyId < b.keyId ? -1 : 1));
  const [signers, uncounted] = [ordered.filter(counts), ordered.filter((key) => !counts(key))];
  if (signers.length > 0) return { signers, uncounted, unknown };
  throw uncounted.length > 0 ? noneCounts(uncounted) : unknownSigner(unknown, known);
}

const counts = ({ standing = 'active' }: KnownKey): boolean => standing === 'active';

/** A key id as people compare it: its first 16 hex digits. */
export const shortKeyId = (keyId: string): string => keyId.slice(0, 16);

/** What may be said of a key in a report. */
export type NamedKey = Pick<KnownKey, 'keyId' | 'name' | 'role' | 'reason'>;

/** A key as people know it. */
export const describeKey = ({ keyId, name, role }: NamedKey): string =>
  `${name} (${role === undefined ? '' : `${role}, `}${shortKeyId(keyId)})`;

const trustMissing = (): PlugferryError =>
  new PlugferryError('E_TRUST_MISSING', 'there is no key to check the signature with', {
    hint:
      'Give --public-key FILE with the public key of whoever signs your bundles, or --trust DIR with a trust store that ' +
      'holds keys ("plugferry trust add").',
  });

const unsigned = (): PlugferryError =>
  new PlugferryError('E_UNSIGNED', 'this bundle is not signed', {
    hint: 'Export it again with --signing-key, or ask its sender for the signed bundle.',
  });

const invalid = (key: KnownKey): PlugferryError =>
  new PlugferryError(
    'E_SIGNATURE_INVALID',
    `the signature of ${describeKey(key)} does not fit what it signs`,
    {
      hint: 'The signed file or the signature was changed after signing. Copy it again from where it was made.',
      details: { keyId: key.keyId },
    },
  );

function noneCounts(keys: readonly KnownKey[]): PlugferryError {
  const standings = keys.map(({ standing }) => standing);
  const reasons = keys.map((key) => `${describeKey(key)} is ${key.reason ?? key.standing ?? ''}`);
  const [code, hint] = refusalOf(standings);
  return new PlugferryError(code, `no signature counts: ${reasons.join('; ')}`, {
    hint,
    details: { keyIds: keys.map(({ keyId }) => keyId), found: reasons.join('; ') },
  });
}

function refusalOf(standings: readonly (Standing | undefined)[]): readonly [ErrorCode, string] {
  if (standings.includes('revoked') || standings.includes('retired')) {
    return [
      'E_KEY_REVOKED',
      'Ask the sender for a bundle that is signed with a key in use. Do not believe this one: whoever has the old key can ' +
        'have made it.',
    ];
  }
  if (standings.includes('expired')) {
    return [
      'E_KEY_EXPIRED',
      'Ask the sender to sign with the key that replaced this one; "plugferry trust list" shows which are valid.',
    ];
  }
  return [
    'E_KEY_NOT_YET_VALID',
    'Check the clock of this machine; if it is right, wait until the key is valid or have the bundle signed with another.',
  ];
}

function unknownSigner(unknown: readonly string[], known: readonly KnownKey[]): PlugferryError {
  const found = unknown.map(shortKeyId).join(', ');
  const expected = known.map(describeKey).join(', ');
  return new PlugferryError(
    'E_SIGNER_UNKNOWN',
    `signed by ${found}, which is none of the trusted keys: ${expected}`,
    {
      hint: 'Ask the sender, over another way than the bundle itself, for the public key and its id; compare before you trust.',
      details: { found, expected },
    },
  );
}
