import { sign as signWith, verify, type KeyObject } from 'node:crypto';
import { PlugferryError } from '../errors.js';
import { maxSignatureBytes } from '../plugin/limits.js';
import { signP256 } from './curve.js';
import type { TrustedKey } from './key.js';
import { scalarOf, type SigningKey } from './private-key.js';

/**
 * Signs exact bytes: ECDSA-Sig-Value in DER as `openssl dgst -sha256 -sign` writes it, or 64 raw bytes of Ed25519.
 *
 * ECDSA nonces are derived from key and message (RFC 6979), so that the same bundle signed twice is the same file; the
 * OpenSSL of Node 20 cannot do that, hence the library. What it returns is checked with OpenSSL before it is handed out:
 * a fault while signing would otherwise give the private key away.
 */
export function sign(bytes: Uint8Array, signer: SigningKey): Buffer {
  const signature =
    signer.algorithm === 'ed25519' ? signWith(null, bytes, signer.key) : signEcdsa(bytes, signer.key);
  if (!verifies(bytes, signature, { algorithm: signer.algorithm, key: signer.publicKey })) {
    throw new PlugferryError('E_INTERNAL', 'a signature that was just made does not verify', {
      hint: 'The memory or processor of this machine may be faulty. Nothing was written.',
    });
  }
  return signature;
}

function signEcdsa(bytes: Uint8Array, key: KeyObject): Buffer {
  const secret = scalarOf(key);
  try {
    return Buffer.from(signP256(bytes, secret));
  } finally {
    secret.fill(0);
  }
}

/** Whether `signature` is one of `key` over exactly `bytes`. The algorithm is that of the trusted key, never the bundle's. */
export function verifies(
  bytes: Uint8Array,
  signature: Uint8Array,
  { algorithm, key }: Pick<TrustedKey, 'algorithm' | 'key'>,
): boolean {
  if (signature.length === 0 || signature.length > maxSignatureBytes) return false;
  return verify(algorithm === 'ed25519' ? null : 'sha256', bytes, key, signature);
}
