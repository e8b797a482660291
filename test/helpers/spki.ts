import { createPublicKey, ECDH } from 'node:crypto';

/** One DER value: its tag in hex, and its content. */
export const der = (tag: string, ...content: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(content);
  const { length } = body;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(tag, 'hex'), Buffer.from(size), body]);
};

export const hex = (text: string): Buffer => Buffer.from(text, 'hex');

export const oids = {
  ec: hex('06072a8648ce3d0201'),
  p256: hex('06082a8648ce3d030107'),
  ed25519: hex('06032b6570'),
  rsa: hex('06092a864886f70d010101'),
} as const;
export const nothing = hex('0500');

/** A SubjectPublicKeyInfo of any algorithm, parameters and key. */
export const spki = (algorithm: readonly Buffer[], key: Buffer, unusedBits = 0): Buffer =>
  der('30', der('30', ...algorithm), der('03', Buffer.from([unusedBits]), key));

export const ecSpki = (point: Buffer): Buffer => spki([oids.ec, oids.p256], point);
export const edSpki = (point: Buffer): Buffer => spki([oids.ed25519], point);

export const pem = (bytes: Buffer, label = 'PUBLIC KEY'): string =>
  `-----BEGIN ${label}-----\n${(bytes.toString('base64').match(/.{1,64}/g) ?? []).join('\n')}\n-----END ${label}-----\n`;

/** SubjectPublicKeyInfo of a key in PEM, as OpenSSL reads it. */
export const derOf = (publicPem: string): Buffer =>
  createPublicKey(publicPem).export({ type: 'spki', format: 'der' });

/** The uncompressed point of a P-256 key: 65 bytes. */
export const pointOf = (publicPem: string): Buffer => derOf(publicPem).subarray(-65);

/** The same point in another form. */
export const inForm = (point: Buffer, form: 'compressed' | 'hybrid'): Buffer =>
  ECDH.convertKey(point, 'prime256v1', undefined, undefined, form) as Buffer;

const p = 2n ** 255n - 19n;
const littleEndian = (number: bigint): Buffer =>
  Buffer.from(number.toString(16).padStart(64, '0'), 'hex').reverse();
/** y of a point of order 8, RFC 8032's curve; the other one is its negative. */
const eighth = BigInt('0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7');

/** Every 32 bytes that some reader takes for an Ed25519 point of small order, by what is odd about them. */
export const smallOrder: readonly (readonly [name: string, point: Buffer])[] = [
  ['order 1', 1n],
  ['order 2', p - 1n],
  ['order 4', 0n],
  ['order 8', eighth],
  ['order 8, the other', p - eighth],
  ['order 4, y = p', p],
  ['order 1, y = p + 1', p + 1n],
].flatMap(([name, y]) => {
  const plain = littleEndian(y as bigint);
  const signed = Buffer.from(plain);
  signed[31] = (signed[31] ?? 0) | 0x80;
  return [
    [String(name), plain],
    [`${String(name)}, with the sign bit`, signed],
  ] as const;
});

/** y = 2 has no x. */
export const offTheEdwardsCurve = littleEndian(2n);
/** y = p + 3, which is not below p; y = 3 has an x. */
export const notBelowP = littleEndian(p + 3n);
