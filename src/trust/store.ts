import { join } from 'node:path';
import { isPlugferryError, PlugferryError } from '../errors.js';
import { readSmallFile } from '../files/open-regular.js';
import { parseDocument } from '../schema/parse.js';
import type { StoredKey, TrustDocument } from '../schema/trust.js';
import type { KnownKey } from './check.js';
import { refuseExposed } from './guard.js';
import { maxKeyFileBytes, parsePublicKey, type TrustedKey } from './key.js';
import { describeStanding, standingOf } from './key-status.js';

/** Largest trust.json that is read, in bytes. */
export const maxTrustBytes = 2 * 1024 * 1024;

/** What a receiver believes: keys, and what it asks of the bundles of each plugin set. */
export interface TrustStore {
  readonly directory: string;
  readonly document: TrustDocument;
  /** The exact bytes of trust.json. */
  readonly bytes: Buffer;
  /** Every key of the document, ascending by id. */
  readonly keys: readonly TrustedKey[];
}

export const trustFile = (directory: string): string => join(directory, 'trust.json');
export const keyFile = (directory: string, keyId: string): string => join(directory, `${keyId}.pub`);

/**
 * Reads a trust store that decides something here: a directory, or a mounted ConfigMap, that nobody else can change.
 *
 * @param uid the user of this process; undefined where there are none.
 * @throws PlugferryError `E_TRUST_MISSING` when there is none, `E_TRUST_STORE` when it is damaged or others could change it.
 */
export async function readTrustStore(directory: string, uid: number | undefined): Promise<TrustStore> {
  const store = await readTrustDirectory(directory);
  const files = [trustFile(directory), ...store.keys.map(({ keyId }) => keyFile(directory, keyId))];
  for (const file of files) await refuseExposed(file, uid);
  return store;
}

/**
 * Reads a trust store wherever it lies, such as one that arrived on a medium.
 *
 * @throws PlugferryError `E_TRUST_MISSING`, `E_TRUST_STORE`.
 */
export async function readTrustDirectory(directory: string): Promise<TrustStore> {
  const bytes = await readTrustFile(directory);
  const document = parseTrust(bytes, trustFile(directory));
  try {
    return { directory, document, bytes, keys: await readKeys(directory, document) };
  } catch (error) {
    // An update that came in between has taken away a key file: then trust.json is another one now.
    if ((await readTrustFile(directory)).equals(bytes)) throw error;
    return readTrustDirectory(directory);
  }
}

/**
 * The bytes of trust.json, not parsed.
 *
 * @throws PlugferryError `E_TRUST_MISSING`, `E_LIMIT`, `E_IO`.
 */
export async function readTrustFile(directory: string): Promise<Buffer> {
  try {
    return await readSmallFile(trustFile(directory), 'trust store', maxTrustBytes);
  } catch (error) {
    if (!isPlugferryError(error) || error.code !== 'E_NOT_FOUND') throw error;
    throw new PlugferryError('E_TRUST_MISSING', `${directory} is no trust store: it has no trust.json`, {
      hint: 'Make one with "plugferry trust init DIR" and add keys, or check the path and the mount.',
      details: { file: trustFile(directory) },
      cause: error,
    });
  }
}

/**
 * Bytes to a trust document that keeps every rule.
 *
 * @throws PlugferryError `E_TRUST_STORE`.
 */
export function parseTrust(bytes: Uint8Array, file: string): TrustDocument {
  const hint = 'Edit a trust store with "plugferry trust" only, or put it back from its backup.';
  const document = parseDocument('trust', bytes, { file, code: 'E_TRUST_STORE', hint });
  const reason = faultOf(document);
  if (reason === undefined) return document;
  throw new PlugferryError('E_TRUST_STORE', `${file}: ${reason}`, { hint, details: { file, found: reason } });
}

function faultOf({ keys, sets, revokedManifests }: TrustDocument): string | undefined {
  for (const { name, notBefore, notAfter } of Object.values(keys)) {
    if (notBefore !== undefined && notAfter !== undefined && notBefore >= notAfter) {
      return `the key ${name} is never valid: not before ${notBefore}, not after ${notAfter}`;
    }
  }
  for (const [name, { require, minSequence = 0, maxSequence = minSequence }] of Object.entries(sets)) {
    if (minSequence > maxSequence)
      return `the set ${name} takes no sequence: at least ${minSequence}, at most ${maxSequence}`;
    if (new Set(require.map(({ role }) => role)).size !== require.length) {
      return `the set ${name} names a role twice`;
    }
  }
  const unordered = revokedManifests.find((digest, index) => digest <= (revokedManifests[index - 1] ?? ''));
  return unordered === undefined
    ? undefined
    : `revokedManifests does not ascend: ${unordered} is out of order`;
}

async function readKeys(directory: string, { keys }: TrustDocument): Promise<TrustedKey[]> {
  const found: TrustedKey[] = [];
  for (const [keyId, { name }] of Object.entries(keys).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const key = await readKey(keyFile(directory, keyId));
    if (key.keyId !== keyId) throw swapped(key.name, key.keyId);
    found.push({ ...key, name });
  }
  return found;
}

/** A key file that is missing or damaged is a fault of the store. */
async function readKey(file: string): Promise<TrustedKey> {
  try {
    return await parsePublicKey(await readSmallFile(file, 'public key', maxKeyFileBytes), file);
  } catch (error) {
    if (!isPlugferryError(error)) throw error;
    throw error.code === 'E_KEY' ? noKey(file, error) : missing(file, error);
  }
}

const missing = (file: string, error: PlugferryError): PlugferryError =>
  new PlugferryError('E_TRUST_STORE', `the trust store names a key it does not hold: ${error.message}`, {
    hint: 'Put the file back, or the whole trust store from its backup.',
    details: { ...error.details, file },
    cause: error,
  });

/** Such as the second spelling of a key, which would count as another one. */
const noKey = (file: string, error: PlugferryError): PlugferryError =>
  new PlugferryError('E_TRUST_STORE', `the trust store holds what is no key: ${error.message}`, {
    hint:
      'Put the file back from a backup; where it never was another, make the store anew with each key once ("plugferry trust ' +
      `init" and "trust add"). ${error.hint ?? ''}`,
    details: { ...error.details, file },
    cause: error,
  });

const swapped = (file: string, found: string): PlugferryError =>
  new PlugferryError(
    'E_TRUST_STORE',
    `${file} holds the key ${found}, which is not the one it is named after`,
    {
      hint: 'Somebody changed this file. Put the trust store back from its backup, and find out who.',
      details: { file, found },
    },
  );

/** The keys of a store with what they may do at a moment. */
export function knownKeys({ document, keys }: TrustStore, now: Date): KnownKey[] {
  return keys.flatMap((key) => {
    const stored: StoredKey | undefined = document.keys[key.keyId];
    if (stored === undefined) return [];
    const standing = standingOf(stored, now);
    return [{ ...key, role: stored.role, standing, reason: describeStanding(standing, stored) }];
  });
}
