import { PlugferryError } from '../errors.js';
import { shortKeyId } from './check.js';
import type { TrustedKey } from './key.js';
import { verifies } from './signature.js';
import { signatureOfSigstoreBundle } from './sigstore.js';

/** Most bytes of a file that holds one signature: a Sigstore bundle with log entries has a few thousand. */
export const maxDetachedBytes = 64 * 1024;

/** A signature that was made elsewhere, and what it should be of. */
export interface DetachedClaim {
  /** Raw (DER, or 64 bytes of Ed25519), in base64, or in a Sigstore bundle. */
  readonly content: Buffer;
  /** How errors call it: its file, or the command that printed it. */
  readonly origin: string;
  readonly bytes: Uint8Array;
  readonly key: TrustedKey;
}

/**
 * The raw signature in `content`, once it has proved to be one of `key` over `bytes`.
 *
 * @throws PlugferryError `E_SIGNATURE_INVALID`.
 */
export function provenSignature({ content, origin, bytes, key }: DetachedClaim): Buffer {
  const found = formsOf(content).find((signature) => verifies(bytes, signature, key));
  if (found !== undefined) return found;
  throw new PlugferryError(
    'E_SIGNATURE_INVALID',
    `${origin} holds no signature of key ${shortKeyId(key.keyId)} (${key.name}) over these bytes`,
    {
      hint:
        'It must be made with the private key of that public key over the exact bytes (SHA-256), as DER, in base64, or in a ' +
        'Sigstore bundle. Was it made for another version of the file?',
      details: { file: origin, expected: key.keyId },
    },
  );
}

/** What the bytes may mean; which of them it is, verification tells. */
function formsOf(content: Buffer): readonly Buffer[] {
  const text = content.toString('latin1').trim();
  const carried = text.startsWith('{') ? signatureOfSigstoreBundle(text) : undefined;
  const decoded = /^[A-Za-z0-9+/\s]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : undefined;
  return [content, decoded, carried].filter((form) => form !== undefined);
}
