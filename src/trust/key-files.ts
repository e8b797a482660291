import { committedFile, refuseExisting } from '../files/atomic-file.js';
import { readSecretFile, readTrustedFile } from '../files/key-file.js';
import { maxKeyFileBytes, parsePublicKey, type TrustedKey } from './key.js';
import type { KeyAlgorithm } from './spki.js';
import { makeKeyPair } from './keypair.js';
import { parsePrivateKey, type SigningKey } from './private-key.js';
import { sign } from './signature.js';

export interface KeygenOptions {
  /** Path without suffix: `keys/dev` makes `keys/dev.key` and `keys/dev.pub`. */
  readonly path: string;
  /** @default ecdsa-p256 */
  readonly algorithm?: KeyAlgorithm;
  /** Encrypts the private key; undefined leaves it plain. */
  readonly passphrase?: Buffer;
}

export interface KeygenResult {
  readonly keyId: string;
  readonly algorithm: KeyAlgorithm;
  readonly privateKeyFile: string;
  readonly publicKeyFile: string;
  readonly encrypted: boolean;
}

/**
 * Makes a key pair and writes `<path>.key` (mode 0600) and `<path>.pub`. Existing files are never replaced: a lost signing
 * key cannot be had back.
 *
 * @throws PlugferryError `E_EXISTS`, `E_PASSPHRASE`, `E_IO`.
 */
export async function generateKeys(options: KeygenOptions): Promise<KeygenResult> {
  const privateKeyFile = `${options.path}.key`;
  const publicKeyFile = `${options.path}.pub`;
  for (const file of [privateKeyFile, publicKeyFile]) await refuseExisting(file, false);
  const pair = await makeKeyPair(options.algorithm ?? 'ecdsa-p256', options.passphrase);
  await committedFile(privateKeyFile, { force: false, mode: 0o600 }, (file) =>
    file.writeFile(pair.privatePem),
  );
  await committedFile(publicKeyFile, { force: false }, (file) => file.writeFile(pair.publicPem));
  return {
    keyId: pair.keyId,
    algorithm: pair.algorithm,
    privateKeyFile,
    publicKeyFile,
    encrypted: options.passphrase !== undefined,
  };
}

/** Signs exact bytes. Obtained from {@link readSigner}, {@link signerWithFile} or {@link signerWithCommand}. */
export interface Signer {
  readonly keyId: string;
  /** Has one signature, made elsewhere, and can make no other. @default false */
  readonly madeElsewhere?: boolean;
  /** A raw signature: ECDSA in DER, or 64 bytes of Ed25519. May take its time, where a device or a person signs. */
  sign(bytes: Uint8Array): Buffer | Promise<Buffer>;
}

/** Signs with a private key in memory, and so at once. */
export interface KeySigner extends Signer {
  sign(bytes: Uint8Array): Buffer;
}

export interface ReadSignerOptions {
  /** Asked for only when the key is encrypted. A final line feed is not part of it. */
  readonly passphrase: () => Promise<Buffer>;
  /** Accept a private key that is not encrypted. @default false */
  readonly allowPlainKey?: boolean;
}

/**
 * Reads a private key file.
 *
 * @throws PlugferryError `E_KEY`, `E_EXPOSED` when others could read or change it, `E_PASSPHRASE`, `E_NOT_FOUND`.
 */
export async function readSigner(file: string, options: ReadSignerOptions): Promise<KeySigner> {
  const pem = await readSecretFile(file, 'signing key', maxKeyFileBytes);
  const key: SigningKey = await parsePrivateKey(pem, {
    file,
    passphrase: options.passphrase,
    allowPlain: options.allowPlainKey ?? false,
  });
  return { keyId: key.keyId, sign: (bytes) => sign(bytes, key) };
}

/**
 * Reads a public key file.
 *
 * @param users whose files count besides those of root and of this process.
 * @throws PlugferryError `E_KEY`, `E_EXPOSED` when others could change it, `E_NOT_FOUND`.
 */
export async function readPublicKey(file: string, users: readonly number[] = []): Promise<TrustedKey> {
  return parsePublicKey(await readTrustedFile(file, 'public key', { limit: maxKeyFileBytes, users }), file);
}

/**
 * Reads public key files; the same key twice counts once.
 *
 * @throws PlugferryError as {@link readPublicKey}.
 */
export async function readPublicKeys(
  files: readonly string[],
  users: readonly number[] = [],
): Promise<readonly TrustedKey[]> {
  const keys = new Map<string, TrustedKey>();
  for (const file of files) {
    const key = await readPublicKey(file, users);
    if (!keys.has(key.keyId)) keys.set(key.keyId, key);
  }
  return [...keys.values()];
}
