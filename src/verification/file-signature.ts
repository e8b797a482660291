import { basename } from 'node:path';
import { sha256OfFile } from '../files/digest-of-file.js';
import { notAsDigest } from '../files/digest-file.js';
import type { Trust } from './authenticate.js';
import { shortKeyId } from '../trust/check.js';
import type { TrustedKey } from '../trust/key.js';
import { verifies } from '../trust/signature.js';
import { knownKeys } from '../trust/store.js';
import type { Check } from '../trust/rule-result.js';
import { digestFileOf } from '../location/signed-digest.js';

/**
 * Compares a bundle file with the digest that lies beside it, if one does. What is trusted is the manifest in the bundle; this says
 * what a receiver without Plugferry would find.
 *
 * @throws PlugferryError `E_DIGEST` when the file is another one than the digest file says, `E_IO`.
 */
export async function checkDigestFile(
  file: string,
  {
    trust,
    now,
    signal,
  }: { readonly trust: Trust; readonly now: Date; readonly signal?: AbortSignal | undefined },
): Promise<Check | undefined> {
  const there = await digestFileOf(file);
  if (there === undefined) return undefined;
  const { path, sha256, signature } = there;
  const check = 'digest file';
  if (sha256 === undefined) {
    const detail = `${path} is not the one line "<sha256>  ${basename(file)}", and nobody can use it`;
    return { check, result: 'ignored', detail };
  }
  const found = await sha256OfFile(file, signal);
  if (found !== sha256) throw notAsDigest({ file, digestFile: path, found, expected: sha256 });
  if (signature === undefined)
    return { check, result: 'passed', detail: `${path} fits, and nobody signed it` };
  const signer = keysOf(trust, now).find((key) => verifies(there.bytes, signature.bytes, key));
  if (signer !== undefined) {
    const detail = `${path} fits, signed by ${shortKeyId(signer.keyId)} (${signer.name})`;
    return { check, result: 'passed', detail };
  }
  const whose = 'insecureSkipSignature' in trust ? 'was not checked' : 'is by none of the trusted keys';
  return { check, result: 'ignored', detail: `${path} fits, and its signature ${whose}` };
}

function keysOf(trust: Trust, now: Date): readonly TrustedKey[] {
  if ('insecureSkipSignature' in trust) return [];
  if ('publicKeys' in trust) return trust.publicKeys;
  return knownKeys(trust.store, now).filter(
    ({ standing }) => standing === undefined || standing === 'active',
  );
}
