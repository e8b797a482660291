import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { PlugferryError } from '../errors.js';

/** ECDSA on P-256 with SHA-256, which every OpenSSL since 1.0.2 checks, or Ed25519, for OpenSSL 3 and later. */
export type KeyAlgorithm = 'ecdsa-p256' | 'ed25519';

/** A public key that the receiver trusts. */
export interface TrustedKey {
  /** Lower-case hex SHA-256 of the DER SubjectPublicKeyInfo: `openssl pkey -pubin -in k.pub -outform DER | sha256sum`. */
  readonly keyId: string;
  readonly algorithm: KeyAlgorithm;
  readonly key: KeyObject;
  /** What the receiver calls the key: the file it came from, or its name in the trust store. */
  readonly name: string;
}

/** A private key that may sign. */
export interface SigningKey {
  readonly keyId: string;
  readonly algorithm: KeyAlgorithm;
  readonly key: KeyObject;
  readonly publicKey: KeyObject;
}

/** Largest PEM file that is read as a key, in bytes. */
export const maxKeyFileBytes = 64 * 1024;

export const keyIdOf = (publicKey: KeyObject): string =>
  createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');

/**
 * Reads a public key in PEM (SubjectPublicKeyInfo).
 *
 * @throws PlugferryError `E_KEY` for anything else, for another algorithm, and for a private key in its place.
 */
export function parsePublicKey(pem: Buffer, file: string): TrustedKey {
  const text = pem.toString('latin1');
  if (text.includes('PRIVATE KEY-----')) {
    throw keyError(
      file,
      'this is a private key, expected a public one',
      'Give the .pub file that belongs to it.',
    );
  }
  if (!text.includes('-----BEGIN PUBLIC KEY-----')) {
    throw keyError(
      file,
      'not a public key in PEM',
      'Expected a file that begins with "-----BEGIN PUBLIC KEY-----".',
    );
  }
  let key: KeyObject;
  try {
    key = createPublicKey({ key: pem, format: 'pem' });
  } catch (error) {
    throw keyError(file, 'damaged public key', 'Copy the .pub file again from where it was made.', error);
  }
  return { keyId: keyIdOf(key), algorithm: algorithmOf(key, file), key, name: file };
}

export interface PrivateKeyOptions {
  /** How errors call the key. */
  readonly file: string;
  /** Asked for only when the key is encrypted. */
  readonly passphrase: () => Promise<Buffer>;
  /** Accept a key that is not encrypted. */
  readonly allowPlain: boolean;
}

/**
 * Reads a private key in PEM (PKCS#8, encrypted or not, or SEC 1).
 *
 * @throws PlugferryError `E_KEY` when it is not a usable key or stands unencrypted without leave, `E_PASSPHRASE` when the
 *   passphrase is wrong.
 */
export async function parsePrivateKey(pem: Buffer, options: PrivateKeyOptions): Promise<SigningKey> {
  const { file } = options;
  const text = pem.toString('latin1');
  if (!/-----BEGIN (?:ENCRYPTED |EC )?PRIVATE KEY-----/.test(text)) {
    throw keyError(
      file,
      'not a private key in PEM',
      'Make one with "plugferry keygen"; a key of cosign signs with cosign.',
    );
  }
  const encrypted = text.includes('ENCRYPTED');
  if (!encrypted && !options.allowPlain) {
    throw keyError(
      file,
      'this private key is not encrypted',
      'Encrypt it: openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256 -iter 600000 -in OLD -out NEW. ' +
        'Where a secret store protects the file already, --allow-plain-key accepts it.',
    );
  }
  const key = encrypted ? decrypt(pem, await options.passphrase(), file) : load(pem, file);
  const publicKey = createPublicKey(key);
  return { keyId: keyIdOf(publicKey), algorithm: algorithmOf(key, file), key, publicKey };
}

function decrypt(pem: Buffer, passphrase: Buffer, file: string): KeyObject {
  try {
    return createPrivateKey({ key: pem, format: 'pem', passphrase });
  } catch (error) {
    throw new PlugferryError('E_PASSPHRASE', `${file}: the passphrase does not open this key`, {
      hint: 'Check the passphrase, and that it belongs to this key (a final line feed in a passphrase file is ignored).',
      details: { file },
      cause: error,
    });
  }
}

function load(pem: Buffer, file: string): KeyObject {
  try {
    return createPrivateKey({ key: pem, format: 'pem' });
  } catch (error) {
    throw keyError(file, 'damaged private key', 'Restore the file from its backup.', error);
  }
}

function algorithmOf(key: KeyObject, file: string): KeyAlgorithm {
  if (key.asymmetricKeyType === 'ed25519') return 'ed25519';
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType === 'ec' && curve === 'prime256v1') return 'ecdsa-p256';
  const found = [key.asymmetricKeyType ?? 'unknown', curve].filter(Boolean).join(' ');
  throw new PlugferryError('E_KEY', `${file}: ${found} keys are not used, expected ECDSA P-256 or Ed25519`, {
    hint: 'Make a key with "plugferry keygen".',
    details: { file, expected: 'ECDSA P-256 or Ed25519', found },
  });
}

function keyError(
  file: string,
  reason: string,
  ...[hint, cause]: readonly [string, unknown?]
): PlugferryError {
  return new PlugferryError('E_KEY', `${file}: ${reason}`, { hint, details: { file, found: reason }, cause });
}
