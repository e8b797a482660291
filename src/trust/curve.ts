import { p256 } from '@noble/curves/nist.js';

/** A deterministic ECDSA signature over SHA-256 of `bytes` (RFC 6979), in DER, by a private scalar of 32 bytes. */
export const signP256 = (bytes: Uint8Array, scalar: Uint8Array): Uint8Array =>
  p256.sign(bytes, scalar, { prehash: true, lowS: false, format: 'der' });

/** Whether 65 bytes, 0x04 and two coordinates below p, are a point of P-256. The point at infinity has no such form. */
export function isP256Point(point: Uint8Array): boolean {
  try {
    p256.Point.fromBytes(point).assertValidity();
    return true;
  } catch {
    return false;
  }
}

/** The uncompressed point, 65 bytes, that belongs to a private scalar; undefined for 0, and for n or more. */
export function p256PointOf(scalar: Uint8Array): Uint8Array | undefined {
  return p256.utils.isValidSecretKey(scalar) ? p256.getPublicKey(scalar, false) : undefined;
}

/**
 * Why 32 bytes must not be trusted as an Ed25519 key, or undefined. OpenSSL looks at none of this. Whoever generates a key as RFC
 * 8032 says gets a point of prime order; for one of small order anybody can sign, and one that has a part of small order is
 * another spelling of the key without it, as far as its holder is concerned.
 */
export async function ed25519Fault(bytes: Uint8Array): Promise<string | undefined> {
  // Loaded only for such a key: it takes a while to set itself up.
  const { ed25519 } = await import('@noble/curves/ed25519.js');
  const read = (lenient: boolean): InstanceType<typeof ed25519.Point> | undefined => {
    try {
      return ed25519.Point.fromBytes(bytes, lenient);
    } catch {
      return undefined;
    }
  };
  const point = read(true);
  if (point === undefined) return 'its point is not on the curve';
  if (point.isSmallOrder()) return 'its point is of small order: anybody can sign for it';
  if (read(false) === undefined) return 'its y is not below 2^255 - 19: another spelling of a point';
  return point.isTorsionFree()
    ? undefined
    : 'its point has a part of small order, which no generated key has';
}
