import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { PlugferryError } from '../errors.js';
import { p256PointOf } from './curve.js';
import { keyError, keyIdOf, quoted, refuseUnsound, type Remedies } from './key.js';
import { type KeyAlgorithm, spelled } from './spki.js';
import { type PemBlock, pemBlocks } from './pem.js';

/** A private key that may sign. */
export interface SigningKey {
  readonly keyId: string;
  readonly algorithm: KeyAlgorithm;
  readonly key: KeyObject;
  readonly publicKey: KeyObject;
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
 * Reads a private key in PEM (PKCS#8, encrypted or not, or SEC 1). Its public part must be the one that belongs to it, in the one
 * spelling of {@link parsePublicKey}.
 *
 * @throws PlugferryError `E_KEY` when it is not a usable key or stands unencrypted without leave, `E_PASSPHRASE` when the
 *   passphrase is wrong.
 */
export async function parsePrivateKey(pem: Buffer, options: PrivateKeyOptions): Promise<SigningKey> {
  const { file } = options;
  const block = privateBlock(pem, file);
  const encrypted = block.label === 'ENCRYPTED PRIVATE KEY' || block.headers.length > 0;
  if (!encrypted && !options.allowPlain) {
    throw keyError(
      file,
      'this private key is not encrypted',
      'Encrypt it: openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256 -iter 600000 -in OLD -out NEW. ' +
        'Where a secret store protects the file already, --allow-plain-key accepts it.',
    );
  }
  const key = encrypted ? decrypt(block.text, await options.passphrase(), file) : load(block.text, file);
  return signingKeyOf(key, file);
}

async function signingKeyOf(key: KeyObject, file: string): Promise<SigningKey> {
  const spki = publicPartOf(key, file);
  const algorithm = await refuseUnsound(spki, privateRemedies(file));
  if (algorithm === 'ecdsa-p256' && !isPointOf(key, spki)) {
    throw keyError(
      file,
      'the public part in this private key does not belong to it',
      'Restore the file from its backup; somebody or something put two keys together.',
    );
  }
  return { keyId: keyIdOf(spki), algorithm, key, publicKey: createPublicKey(key) };
}

/** OpenSSL takes the public part as it stands in the file; for Ed25519 it is always made from the private one. */
function publicPartOf(key: KeyObject, file: string): Buffer {
  try {
    return createPublicKey(key).export({ type: 'spki', format: 'der' });
  } catch (error) {
    throw damaged(file, error);
  }
}

function isPointOf(key: KeyObject, spki: Buffer): boolean {
  const scalar = scalarOf(key);
  try {
    const point = p256PointOf(scalar);
    return point !== undefined && spelled(spki)?.point.equals(point) === true;
  } finally {
    scalar.fill(0);
  }
}

/** The private number of an ECDSA key, 32 bytes. Whoever asks for it wipes it. */
export const scalarOf = (key: KeyObject): Buffer =>
  Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url');

const privateRemedies = (file: string): Remedies => ({
  file,
  copy: 'Restore the file from its backup.',
  'another key': 'Make a key with "plugferry keygen".',
  rewrite:
    'It is the same key once it is written as everybody writes it: ' +
    `openssl pkey -in ${quoted(file)} -ec_conv_form uncompressed -ec_param_enc named_curve -out NEW.key`,
});

/** The one private key of a file; `openssl ecparam -genkey` writes the name of the curve in front of it, which says nothing new. */
function privateBlock(pem: Buffer, file: string): PemBlock {
  const blocks = pemBlocks(pem, file);
  const [block, ...others] = blocks.filter(
    ({ label }, index) => !(index === 0 && label === 'EC PARAMETERS' && blocks.length > 1),
  );
  if (block !== undefined && others.length === 0 && isPrivateKey(block)) return block;
  const found = blocks.map(({ label }) => label).join(', ') || 'nothing';
  throw keyError(
    file,
    found === 'PUBLIC KEY'
      ? 'this is a public key, expected the private one'
      : `it holds ${found}, expected one private key of ECDSA P-256 or Ed25519 in PEM`,
    'Make one with "plugferry keygen"; a key of cosign signs with cosign, and one of ssh with nothing but ssh.',
  );
}

/** Only the form of SEC 1 has headers: those of its encryption. */
const isPrivateKey = ({ label, headers }: PemBlock): boolean =>
  label === 'EC PRIVATE KEY'
    ? headers.length === 0 ||
      /^Proc-Type: 4,ENCRYPTED\nDEK-Info: [A-Z0-9-]+,[0-9A-F]+$/.test(headers.join('\n'))
    : (label === 'PRIVATE KEY' || label === 'ENCRYPTED PRIVATE KEY') && headers.length === 0;

function decrypt(pem: string, passphrase: Buffer, file: string): KeyObject {
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

function load(pem: string, file: string): KeyObject {
  try {
    return createPrivateKey({ key: pem, format: 'pem' });
  } catch (error) {
    throw damaged(file, error);
  }
}

const damaged = (file: string, cause: unknown): PlugferryError =>
  keyError(file, 'damaged private key', 'Restore the file from its backup.', cause);
