import { PlugferryError } from '../errors.js';
import { isBeyond, maxEpoch } from '../plugin/numbering.js';
import type { SetPolicy, StoredKey, TrustDocument } from '../schema/trust.js';
import { shortKeyId } from './check.js';

/** Fewest characters of a key id that name a key. */
const minPrefix = 8;

/** A store that knows nobody and so refuses everything. */
export const emptyTrust = (rootThreshold: number): TrustDocument => ({
  type: 'plugferry.trust/v1',
  version: 1,
  rootThreshold,
  keys: {},
  sets: {},
  revokedManifests: [],
});

/**
 * With one more key.
 *
 * @throws PlugferryError `E_EXISTS` when key or name is there already (with `replace`, only when the name is another key's),
 *   `E_KEY_REVOKED` for a revoked key: it does not come back.
 */
export function withKey(
  document: TrustDocument,
  [keyId, key]: readonly [string, StoredKey],
  { replace }: { readonly replace: boolean },
): TrustDocument {
  const known = document.keys[keyId];
  if (known?.status === 'revoked') throw staysRevoked(keyId, known);
  if (known !== undefined && !replace) {
    throw exists(
      `key ${shortKeyId(keyId)} is in the store already, as ${known.name} (${known.role})`,
      'Give --force to replace its name, role and dates.',
    );
  }
  const twin = Object.entries(document.keys).find(([id, { name }]) => name === key.name && id !== keyId);
  if (twin !== undefined) {
    throw exists(
      `the name ${key.name} belongs to key ${shortKeyId(twin[0])} already`,
      'Give the new key a name of its own, for example with its year: a key that replaces another overlaps with it.',
    );
  }
  const keys = Object.entries({ ...document.keys, [keyId]: key });
  return grown({ ...document, keys: Object.fromEntries(keys.sort(([a], [b]) => (a < b ? -1 : 1))) });
}

/**
 * With another status of a key.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_KEY_REVOKED` when a revoked key is to be only retired.
 */
export function withStatus(
  document: TrustDocument,
  keyId: string,
  status: 'retired' | 'revoked',
): TrustDocument {
  const key = document.keys[keyId];
  if (key === undefined) throw noSuchKey(keyId, document);
  if (key.status === 'revoked' && status !== 'revoked') throw staysRevoked(keyId, key);
  return grown({ ...document, keys: { ...document.keys, [keyId]: { ...key, status } } });
}

/**
 * With the policy of a set made or changed: what `change` does not name stays as it was.
 *
 * @throws PlugferryError `E_USAGE` when a new policy says nothing of who must sign, or for an epoch beyond the last.
 */
export function withPolicy(document: TrustDocument, set: string, change: Partial<SetPolicy>): TrustDocument {
  const before = Object.hasOwn(document.sets, set) ? document.sets[set] : undefined;
  const required = change.require ?? before?.require;
  if (required === undefined) {
    throw new PlugferryError('E_USAGE', `set "${set}" has no policy yet: say who must sign it`, {
      hint: 'For example: --require dev=1,qa=1',
      details: { found: set },
    });
  }
  if (change.epoch !== undefined && isBeyond({ epoch: change.epoch })) throw noSuchEpoch(change.epoch);
  const sets = Object.entries({ ...document.sets, [set]: { ...before, ...change, require: required } });
  return grown({ ...document, sets: Object.fromEntries(sets.sort(([a], [b]) => (a < b ? -1 : 1))) });
}

const noSuchEpoch = (found: number): PlugferryError =>
  new PlugferryError('E_USAGE', `epoch ${found}: the highest is ${maxEpoch}`, {
    hint: 'Epochs go up by one, each time that what was signed before is to be shut out.',
    details: { expected: maxEpoch, found },
  });

/** With one more bundle, by the SHA-256 of its manifest, that is refused whoever signed it. */
export const withoutBundle = (document: TrustDocument, manifestSha256: string): TrustDocument =>
  grown({
    ...document,
    revokedManifests: [...new Set([...document.revokedManifests, manifestSha256])].sort(),
  });

/** With another number of root keys that must sign an update. */
export const withRootThreshold = (document: TrustDocument, rootThreshold: number): TrustDocument =>
  grown({ ...document, rootThreshold });

const grown = (document: TrustDocument): TrustDocument => ({ ...document, version: document.version + 1 });

/**
 * The id of the key that a person names by its id, the beginning of it, or its name.
 *
 * @throws PlugferryError `E_NOT_FOUND`, also when it could be more than one.
 */
export function keyNamed(document: TrustDocument, text: string): string {
  const found = Object.entries(document.keys)
    .filter(([keyId, { name }]) => name === text || (text.length >= minPrefix && keyId.startsWith(text)))
    .map(([keyId]) => keyId);
  const [keyId] = found;
  if (keyId !== undefined && found.length === 1) return keyId;
  throw noSuchKey(text, document);
}

function noSuchKey(text: string, { keys }: TrustDocument): PlugferryError {
  const known = Object.entries(keys).map(([keyId, { name }]) => `${name} (${shortKeyId(keyId)})`);
  return new PlugferryError(
    'E_NOT_FOUND',
    `the trust store has no key "${text}", or more than one that begins so`,
    {
      hint: `Name a key, or give at least ${minPrefix} characters of its id: ${known.join(', ') || '(no keys)'}.`,
      details: { found: text },
    },
  );
}

const exists = (message: string, hint: string): PlugferryError =>
  new PlugferryError('E_EXISTS', message, { hint });

const staysRevoked = (keyId: string, { name }: StoredKey): PlugferryError =>
  new PlugferryError('E_KEY_REVOKED', `key ${shortKeyId(keyId)} (${name}) is revoked, and stays so`, {
    hint: 'Make a new key pair ("plugferry keygen") and add that.',
    details: { keyId },
  });
