import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isPlugferryError, PlugferryError } from '../errors.js';
import { committedFile } from '../files/atomic-file.js';
import { documentBytes } from '../schema/parse.js';
import type { TrustDocument } from '../schema/trust.js';
import type { TrustedKey } from './key.js';
import { keyFile, parseTrust, readTrustFile, trustFile } from './store.js';

/** A trust store as it is to stand in a directory. */
export interface StoreContent {
  /** Bytes of trust.json. */
  readonly bytes: Buffer;
  /** Every key that it names. */
  readonly keys: readonly TrustedKey[];
  /** Root signatures over `bytes` by key id; none for a store that was edited by hand. */
  readonly signatures: ReadonlyMap<string, Buffer>;
}

export const signatureFile = (directory: string, keyId: string): string => join(directory, `${keyId}.sig`);

/** How a trust store takes its place. What either function throws leaves trust.json as it is. */
export interface Switch {
  /** Replace a trust.json that is there. @default true */
  readonly force?: boolean;
  /** Called when everything is written. */
  readonly assertHeld?: () => Promise<void>;
  /** With `force`, called at the last moment before trust.json is replaced. */
  readonly confirm?: () => void;
}

/**
 * Writes a trust store over what is there. trust.json is replaced in one step, after the keys that it names have come and
 * before those that it does not name go: whoever reads meanwhile finds the old store or the new one.
 *
 * @throws PlugferryError `E_NO_SPACE`, `E_IO`, `E_CONFLICT`, and what the functions of the last argument throw.
 */
export async function saveStore(
  directory: string,
  { bytes, keys, signatures }: StoreContent,
  { force = true, assertHeld, confirm }: Switch = {},
): Promise<void> {
  const replace = { force: true };
  for (const { keyId, key } of keys) {
    const pem = key.export({ type: 'spki', format: 'pem' });
    await committedFile(keyFile(directory, keyId), replace, (file) => file.writeFile(pem));
  }
  const how = { force, ...(confirm === undefined ? {} : { confirm }) };
  await committedFile(trustFile(directory), how, async (file) => {
    await file.writeFile(bytes);
    await assertHeld?.();
  });
  // A run that slept past its lease right here finds the store of another, whose files are not its own to change.
  if (!(await readTrustFile(directory)).equals(bytes)) return;
  for (const [keyId, signature] of signatures) {
    await committedFile(signatureFile(directory, keyId), replace, (file) => file.writeFile(signature));
  }
  const kept = new Set([
    ...keys.map(({ keyId }) => `${keyId}.pub`),
    ...[...signatures.keys()].map((keyId) => `${keyId}.sig`),
  ]);
  for (const name of await readdir(directory)) {
    if (/^[0-9a-f]{64}\.(?:pub|sig)$/.test(name) && !kept.has(name)) await rm(join(directory, name));
  }
}

/**
 * The bytes of a trust document that somebody asked for. What a reader would refuse must not be written; here it is the caller's
 * mistake.
 *
 * @throws PlugferryError `E_USAGE`.
 */
export function soundBytes(document: TrustDocument, file: string): Buffer {
  const bytes = documentBytes(document);
  try {
    parseTrust(bytes, file);
  } catch (error) {
    if (!isPlugferryError(error)) throw error;
    throw new PlugferryError('E_USAGE', `nothing was changed: ${error.message}`, {
      hint:
        'Roles, sets and audiences have lower-case letters, digits, ".", "_" and "-"; names of keys are printable ASCII, at ' +
        'most 64 characters; thresholds go from 1 to 16.',
      details: error.details,
      cause: error,
    });
  }
  return bytes;
}
