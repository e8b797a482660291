import { readSmallFile } from '../files/open-regular.js';
import { readPublicKey, type Signer } from './key-files.js';
import { outputOfCommand, type SigningCommand } from './command.js';
import { maxDetachedBytes, provenSignature } from './detached.js';

/**
 * "Signs" with a signature that was made elsewhere: on another machine, by an HSM, openssl or cosign. It may be raw, in
 * base64 or in a Sigstore bundle, and counts only once it has proved to be one of `publicKeyFile` over the bytes.
 *
 * @throws PlugferryError `E_KEY`, `E_NOT_FOUND`, `E_LIMIT`; from `sign`, `E_SIGNATURE_INVALID`.
 */
export async function signerWithFile(signatureFile: string, publicKeyFile: string): Promise<Signer> {
  const key = await readPublicKey(publicKeyFile);
  const content = await readSmallFile(signatureFile, 'signature', maxDetachedBytes);
  return {
    keyId: key.keyId,
    madeElsewhere: true,
    sign: (bytes) => provenSignature({ content, origin: signatureFile, bytes, key }),
  };
}

/**
 * Has a program sign, which gets the bytes on stdin and their SHA-256 in `PLUGFERRY_DIGEST_SHA256`. What it prints is checked
 * as in {@link signerWithFile}.
 *
 * @throws PlugferryError `E_KEY`, `E_NOT_FOUND`; from `sign`, `E_SIGN_COMMAND` and `E_SIGNATURE_INVALID`.
 */
export async function signerWithCommand(command: SigningCommand, publicKeyFile: string): Promise<Signer> {
  const key = await readPublicKey(publicKeyFile);
  return {
    keyId: key.keyId,
    sign: async (bytes) => {
      const content = await outputOfCommand(bytes, command);
      return provenSignature({ content, origin: 'what the signing command printed', bytes, key });
    },
  };
}
