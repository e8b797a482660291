import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { PlugferryError } from '../errors.js';
import { ed25519Fault, isP256Point } from './curve.js';
import { type PemBlock, pemBlocks } from './pem.js';
import { type KeyAlgorithm, spelled, spellingFault, type SpellingFault } from './spki.js';

/** A public key that the receiver trusts. */
export interface TrustedKey {
  /** Lower-case hex SHA-256 of the DER SubjectPublicKeyInfo: `openssl pkey -pubin -in k.pub -outform DER | sha256sum`. */
  readonly keyId: string;
  readonly algorithm: KeyAlgorithm;
  readonly key: KeyObject;
  /** What the receiver calls the key: the file it came from, or its name in the trust store. */
  readonly name: string;
}

/** Largest PEM file that is read as a key, in bytes. */
export const maxKeyFileBytes = 64 * 1024;

/**
 * Reads a public key in PEM: one SubjectPublicKeyInfo in the one spelling that it has here, and nothing around it. Other spellings of
 * a point (compressed, hybrid, explicit parameters, BER) would give one key several ids, and one holder several votes.
 *
 * @throws PlugferryError `E_KEY` for anything else, for another algorithm, for a point that nobody's key can be, and for a private
 *   key in its place.
 */
export async function parsePublicKey(pem: Buffer, file: string): Promise<TrustedKey> {
  const spki = publicBlock(pem, file).content;
  const algorithm = await refuseUnsound(spki, publicRemedies(file));
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  return { keyId: keyIdOf(spki), algorithm, key, name: file };
}

/** @param spki in its one spelling. */
export const keyIdOf = (spki: Buffer): string => createHash('sha256').update(spki).digest('hex');

/** How errors call a key, and what helps for each kind of fault. */
export interface Remedies extends Readonly<Record<SpellingFault['remedy'], string>> {
  readonly file: string;
}

const publicRemedies = (file: string): Remedies => ({
  file,
  copy: 'Copy the .pub file again from where it was made.',
  'another key': 'Make a key with "plugferry keygen".',
  rewrite:
    'It is the same key once it is written as everybody writes it: ' +
    `openssl ec -pubin -in ${quoted(file)} -conv_form uncompressed -param_enc named_curve -pubout -out NEW.pub`,
});

/** The algorithm of a SubjectPublicKeyInfo that is a key. OpenSSL gets to see only what is. */
export async function refuseUnsound(spki: Buffer, remedies: Remedies): Promise<KeyAlgorithm> {
  const found = spelled(spki);
  if (found === undefined) {
    const { reason, remedy } = spellingFault(spki);
    throw keyError(remedies.file, reason, remedies[remedy]);
  }
  const { algorithm, point } = found;
  const fault = algorithm === 'ed25519' ? await ed25519Fault(point) : p256Fault(point);
  if (fault !== undefined) throw keyError(remedies.file, fault, remedies['another key']);
  return algorithm;
}

const p256Fault = (point: Uint8Array): string | undefined =>
  isP256Point(point) ? undefined : 'its point is not on the curve';

function publicBlock(pem: Buffer, file: string): PemBlock {
  const text = pem.toString('latin1');
  if (text.includes('PRIVATE KEY-----')) {
    throw keyError(
      file,
      'this is a private key, expected a public one',
      'Give the .pub file that belongs to it.',
    );
  }
  refuseOtherForms(pem, file);
  const blocks = pemBlocks(pem, file);
  const [block] = blocks;
  if (block?.label === 'PUBLIC KEY' && blocks.length === 1) {
    if (block.headers.length === 0) return block;
    throw keyError(file, `the key has headers (${block.headers.length} lines), expected none`, copyAgain);
  }
  const found = blocks.map(({ label }) => label).join(', ');
  throw keyError(
    file,
    block?.label === 'CERTIFICATE' && blocks.length === 1
      ? 'this is a certificate, expected a public key (PUBLIC KEY)'
      : `it holds ${found}, expected one block PUBLIC KEY and nothing else`,
    block?.label === 'CERTIFICATE'
      ? `Take the key out of it, and compare its id with that of its holder: openssl x509 -in ${quoted(file)} -noout -pubkey -out NEW.pub`
      : 'Give each key in a file of its own, as "plugferry keygen" and "openssl pkey -pubout" write it.',
  );
}

const copyAgain = 'Copy the .pub file again from where it was made.';

/** Keys in the clothes of other programs, by name. */
function refuseOtherForms(bytes: Buffer, file: string): void {
  const text = bytes.toString('latin1');
  if (text.trim() === '') throw keyError(file, 'it is empty, expected a public key in PEM', copyAgain);
  if (bytes[0] === 0x30) {
    throw keyError(
      file,
      'this is DER, expected PEM',
      `Write it as PEM: openssl pkey -pubin -inform DER -in ${quoted(file)} -pubout -out NEW.pub`,
    );
  }
  if (/^(?:ssh-|ecdsa-sha2-|sk-)|^---- BEGIN SSH2/.test(text)) {
    throw keyError(
      file,
      'this is a key of ssh, expected one in PEM',
      `Write it as PEM: ssh-keygen -e -m PKCS8 -f ${quoted(file)} > NEW.pub`,
    );
  }
}

/** A file name as a shell takes it. */
export const quoted = (file: string): string =>
  /^[\w@%+=:,./-]+$/.test(file) ? file : `'${file.replaceAll("'", `'\\''`)}'`;

export function keyError(
  file: string,
  reason: string,
  ...[hint, cause]: readonly [string, unknown?]
): PlugferryError {
  return new PlugferryError('E_KEY', `${file}: ${reason}`, { hint, details: { file, found: reason }, cause });
}
