import { basename } from 'node:path';
import { PlugferryError, isPlugferryError } from '../errors.js';
import { readSmallFile } from './open-regular.js';

/** The names of the digest of a file and of the signature of that digest (`schemas/README.md`, 1.9), in the order of writing. */
export const digestFileNames = (path: string): readonly [digest: string, signature: string] => [
  `${path}.sha256`,
  `${path}.sha256.sig`,
];

/** Most bytes of a digest file: a digest, two blanks, the longest name of a file system, a line feed. */
const maxDigestFileBytes = 1024;

/** The one line of a digest file, which `sha256sum -c` reads. */
export const digestLine = (sha256: string, name: string): string => `${sha256}  ${name}\n`;

/**
 * The SHA-256 that a digest file says of the file called `name`; undefined when it is not exactly such a line.
 *
 * @param name last segment of a path.
 */
function parseDigestLine(text: string, name: string): string | undefined {
  const sha256 = text.slice(0, 64);
  const isLine = [digestLine(sha256, name), `${sha256} *${name}\n`].includes(text);
  return isLine && /^[0-9a-f]{64}$/.test(sha256) ? sha256 : undefined;
}

/** A digest file, as it lies beside a file. */
export interface DigestFile {
  readonly path: string;
  readonly bytes: Buffer;
  /** What it says of the file; undefined when it does not say that in the one form there is. */
  readonly sha256: string | undefined;
  /** The signature beside it, raw; undefined where there is none. */
  readonly signature: { readonly path: string; readonly bytes: Buffer } | undefined;
}

/**
 * The digest file of a file of this machine; undefined where there is none. Whose signature there is, is left to the caller.
 *
 * @param maxSignatureBytes most bytes of the signature.
 * @throws PlugferryError `E_LIMIT`, `E_NOT_FOUND` for what is no regular file, `E_IO`.
 */
export async function readDigestFile(
  file: string,
  maxSignatureBytes: number,
): Promise<DigestFile | undefined> {
  const [path, signaturePath] = digestFileNames(file);
  const bytes = await readIfThere(path, 'digest', maxDigestFileBytes);
  if (bytes === undefined) return undefined;
  const signature = await readIfThere(signaturePath, 'signature', maxSignatureBytes);
  return {
    path,
    bytes,
    sha256: parseDigestLine(bytes.toString('utf8'), basename(file)),
    signature: signature === undefined ? undefined : { path: signaturePath, bytes: signature },
  };
}

async function readIfThere(path: string, role: string, limit: number): Promise<Buffer | undefined> {
  try {
    return await readSmallFile(path, role, limit);
  } catch (error) {
    if (isPlugferryError(error) && error.code === 'E_NOT_FOUND' && error.cause !== undefined)
      return undefined;
    throw error;
  }
}

/**
 * Refuses a name that `sha256sum` would have to write in another way (it doubles backslashes), or that would change how a line is read.
 *
 * @throws PlugferryError `E_USAGE`.
 */
export function refuseUnlistable(path: string): void {
  const name = basename(path);
  if (!/[\u0000-\u001f\u007f-\u009f\\]/.test(name)) return;
  throw new PlugferryError('E_USAGE', `the name of ${path} cannot stand in a digest file`, {
    hint: 'Choose one without backslashes and control characters.',
    details: { file: path },
  });
}

/** A file, and the digest file that says something else of it. */
export interface DigestMismatch {
  readonly file: string;
  readonly digestFile: string;
  readonly found: string;
  readonly expected: string;
}

/** For a file that is not what the digest beside it says. */
export const notAsDigest = ({ file, digestFile, found, expected }: DigestMismatch): PlugferryError =>
  new PlugferryError('E_DIGEST', `${file} has sha256 ${found}, and ${digestFile} says ${expected}`, {
    hint: 'The two are not of one making, or one was damaged on the way. Get both again from where the bundle was made.',
    details: { file, digestFile, found, expected, check: 'sha256' },
  });
