import {
  type DigestFile,
  digestFileNames,
  digestLine,
  readDigestFile,
  refuseUnlistable,
} from '../files/digest-file.js';
import type { Companion, Companions } from '../files/companions.js';
import { basename } from 'node:path';
import type { Signer } from '../trust/key-files.js';
import { maxSignatureBytes } from '../plugin/limits.js';
import { PlugferryError } from '../errors.js';

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

/** For a signature that was made elsewhere, of the manifest and of nothing else. */
export const cannotSignFile = (file: string): PlugferryError =>
  new PlugferryError('E_USAGE', `a signature that was made elsewhere cannot vouch for ${file} as well`, {
    hint:
      'Write the signed bundle elsewhere with -o. Then run "sha256sum BUNDLE >BUNDLE.sha256" in its directory, have that file ' +
      'signed where the signature was made, and put the result beside it as BUNDLE.sha256.sig.',
    details: { file },
  });
