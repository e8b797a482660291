import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { committedFile } from '../io/commit.js';
import type { TrustedKey } from './key.js';
import { keyFile, trustFile } from './store.js';

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

/**
 * Writes a trust store over what is there. trust.json is replaced in one step, after the keys that it names have come and
 * before those that it does not name go: whoever reads meanwhile finds the old store or the new one.
 *
 * @throws PlugferryError `E_NO_SPACE`, `E_IO`, `E_CONFLICT`.
 */
export async function saveStore(directory: string, { bytes, keys, signatures }: StoreContent): Promise<void> {
  const replace = { force: true };
  for (const { keyId, key } of keys) {
    const pem = key.export({ type: 'spki', format: 'pem' });
    await committedFile(keyFile(directory, keyId), replace, (file) => file.writeFile(pem));
  }
  await committedFile(trustFile(directory), replace, (file) => file.writeFile(bytes));
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
