import { createCipheriv, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

/**
 * PBKDF2 rounds for private keys. Node and `openssl genpkey` use 2048, which a passphrase does not survive; 600,000 with
 * HMAC-SHA-256 is the OWASP Password Storage figure.
 */
const pbkdf2Rounds = 600_000;

const derive = promisify(pbkdf2);

const oid = {
  pbes2: '2a864886f70d01050d',
  pbkdf2: '2a864886f70d01050c',
  hmacWithSha256: '2a864886f70d0209',
  aes256Cbc: '60864801650304012a',
} as const;

/**
 * A PKCS#8 key encrypted with PBES2 (RFC 8018: PBKDF2 with HMAC-SHA-256, AES-256-CBC), as PEM. OpenSSL from 1.0.2 up and
 * Node read it.
 *
 * @param pkcs8 the unencrypted PrivateKeyInfo in DER.
 */
export async function encryptPkcs8(pkcs8: Uint8Array, passphrase: Uint8Array): Promise<string> {
  const salt = randomBytes(16);
  const iv = randomBytes(16);
  const key = await derive(passphrase, salt, pbkdf2Rounds, 32, 'sha256');
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  const data = Buffer.concat([cipher.update(pkcs8), cipher.final()]);
  key.fill(0);
  const kdf = sequence(
    objectId(oid.pbkdf2),
    sequence(octets(salt), integer(pbkdf2Rounds), sequence(objectId(oid.hmacWithSha256), nullValue)),
  );
  const scheme = sequence(objectId(oid.aes256Cbc), octets(iv));
  const der = sequence(sequence(objectId(oid.pbes2), sequence(kdf, scheme)), octets(data));
  return pemOf('ENCRYPTED PRIVATE KEY', der);
}

function pemOf(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** One DER value; lengths up to 65,535 are enough for any key. */
function value(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const header = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...header]), content]);
}

const sequence = (...items: readonly Buffer[]): Buffer => value(0x30, Buffer.concat(items));
const octets = (bytes: Buffer): Buffer => value(0x04, bytes);
const objectId = (hex: string): Buffer => value(0x06, Buffer.from(hex, 'hex'));
const nullValue = Buffer.from([0x05, 0x00]);

/** A positive INTEGER below 2^31. */
function integer(number: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32BE(number, 1);
  let start = 0;
  // DER wants the shortest form whose first bit is 0.
  while (start < 4 && bytes[start] === 0 && (bytes[start + 1] ?? 0) < 0x80) start += 1;
  return value(0x02, bytes.subarray(start));
}
