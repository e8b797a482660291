import { basename } from 'node:path';
import { PlugferryError } from './errors.js';
import type { Companion, Companions } from './io/companions.js';
import { sha256OfFile } from './io/digest.js';
import {
  digestFileNames,
  digestLine,
  notAsDigest,
  readDigestFile,
  refuseUnlistable,
  type DigestFile,
} from './io/digest-file.js';
import type { Signer } from './keys.js';
import { maxSignatureBytes } from './plugin/limits.js';
import type { Trust } from './authenticate.js';
import { shortKeyId } from './trust/check.js';
import type { TrustedKey } from './trust/key.js';
import { verifies } from './trust/signature.js';
import { knownKeys } from './trust/store.js';
import type { Check } from './trust/ruling.js';

/** Who signs the digest of a file; `nobody` leaves it unsigned. */
export type FileSigner = Pick<Signer, 'sign'> | 'nobody';

/** The digest of a bundle file and its signature, ready to be written beside it. */
async function digestCompanions(
  file: string,
  sha256: string,
  signer: FileSigner,
): Promise<readonly Companion[]> {
  const [digestPath, signaturePath] = digestFileNames(file);
  const digest = Buffer.from(digestLine(sha256, basename(file)));
  return [
    { path: digestPath, bytes: digest },
    ...(signer === 'nobody' ? [] : [{ path: signaturePath, bytes: await signer.sign(digest) }]),
  ];
}

/**
 * What lies beside a bundle file once it is written. Without a signer that is nothing, and what lay beside the file before
 * is not left to stand.
 *
 * @throws PlugferryError `E_USAGE` for a name that no digest file can hold.
 */
export function companionsOf(
  file: string,
  signer: FileSigner | undefined,
): Companions<{ readonly sha256: string }> {
  if (signer !== undefined) refuseUnlistable(file);
  return {
    names: digestFileNames(file),
    make: async ({ sha256 }) => (signer === undefined ? [] : digestCompanions(file, sha256, signer)),
  };
}

/** The digest file of a bundle file, and its signature, where they are there; undefined where there is no digest file. */
export const digestFileOf = (file: string): Promise<DigestFile | undefined> =>
  readDigestFile(file, maxSignatureBytes);

/** The same, to be written beside another file of the same bytes and name. */
export function copiesBeside(file: string, { bytes, signature }: DigestFile): readonly Companion[] {
  const [digestPath, signaturePath] = digestFileNames(file);
  return [
    { path: digestPath, bytes },
    ...(signature === undefined ? [] : [{ path: signaturePath, bytes: signature.bytes }]),
  ];
}

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

/** For a signature that was made elsewhere, of the manifest and of nothing else. */
export const cannotSignFile = (file: string): PlugferryError =>
  new PlugferryError('E_USAGE', `a signature that was made elsewhere cannot vouch for ${file} as well`, {
    hint:
      'Write the signed bundle elsewhere with -o. Then run "sha256sum BUNDLE >BUNDLE.sha256" in its directory, have that file ' +
      'signed where the signature was made, and put the result beside it as BUNDLE.sha256.sig.',
    details: { file },
  });
