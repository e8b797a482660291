import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { PlugferryError } from '../errors.js';
import { parsePublicKey } from './key.js';
import type { KeyAlgorithm } from './spki.js';
import { encryptPkcs8 } from './pkcs8.js';

/** Fewest bytes of a passphrase: with {@link pbkdf2Rounds} rounds, what a dictionary does not reach. */
const minPassphraseLength = 12;

export interface KeyPair {
  readonly keyId: string;
  readonly algorithm: KeyAlgorithm;
  /** SubjectPublicKeyInfo, PEM. */
  readonly publicPem: string;
  /** PKCS#8, PEM. */
  readonly privatePem: string;
}

const generate = promisify(generateKeyPair);

/**
 * A new key pair.
 *
 * @param passphrase undefined leaves the private key unencrypted.
 * @throws PlugferryError `E_PASSPHRASE` for a short passphrase.
 */
export async function makeKeyPair(algorithm: KeyAlgorithm, passphrase: Buffer | undefined): Promise<KeyPair> {
  if (passphrase !== undefined && passphrase.length < minPassphraseLength) {
    throw new PlugferryError(
      'E_PASSPHRASE',
      `the passphrase is shorter than ${minPassphraseLength} characters`,
      {
        hint: 'Use a longer one, for example four random words.',
        details: { expected: minPassphraseLength },
      },
    );
  }
  const { publicKey, privateKey } =
    algorithm === 'ed25519' ? await generate('ed25519') : await generate('ec', { namedCurve: 'P-256' });
  const der = privateKey.export({ type: 'pkcs8', format: 'der' });
  const privatePem =
    passphrase === undefined
      ? privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
      : await encryptPkcs8(der, passphrase);
  der.fill(0);
  const publicPem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  // Read as everybody will read it: what is handed out is a key at every door.
  const { keyId } = await parsePublicKey(Buffer.from(publicPem), 'the new public key');
  return { keyId, algorithm, publicPem, privatePem };
}
