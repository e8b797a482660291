/**
 * A SubjectPublicKeyInfo up to the coordinates of its point, in the one spelling that is a key here: DER, the curve named (RFC
 * 5480), the point uncompressed; for Ed25519 as RFC 8410 has it, without parameters.
 */
const heads: Readonly<Record<KeyAlgorithm, Buffer>> = {
  'ecdsa-p256': Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex'),
  ed25519: Buffer.from('302a300506032b6570032100', 'hex'),
};

/** Bytes of a whole SubjectPublicKeyInfo. */
const sizes: Readonly<Record<KeyAlgorithm, number>> = { 'ecdsa-p256': 91, ed25519: 44 };

/** A key whose id is the digest of exactly these bytes. */
export interface Spelled {
  readonly algorithm: KeyAlgorithm;
  /** P-256: 0x04 and both coordinates. Ed25519: 32 bytes. */
  readonly point: Buffer;
}

/** What a SubjectPublicKeyInfo says, or undefined where it is not in its one spelling. Whether the point exists is not looked at. */
export function spelled(spki: Buffer): Spelled | undefined {
  for (const algorithm of ['ecdsa-p256', 'ed25519'] as const) {
    const head = heads[algorithm];
    if (spki.length !== sizes[algorithm] || !spki.subarray(0, head.length).equals(head)) continue;
    return { algorithm, point: spki.subarray(algorithm === 'ed25519' ? head.length : head.length - 1) };
  }
  return undefined;
}

/** Why bytes are not {@link spelled}, and what helps: another key, or the same one written anew. */
export interface SpellingFault {
  readonly reason: string;
  readonly remedy: 'another key' | 'rewrite' | 'copy';
}

const ecKey = '2a8648ce3d0201';
const p256 = '2a8648ce3d030107';
const ed25519 = '2b6570';

/** Object identifiers, in hex, of what people have that is not used here. */
const names: Readonly<Record<string, string>> = {
  '2a864886f70d010101': 'RSA',
  '2a864886f70d01010a': 'RSA-PSS',
  '2a8648ce380401': 'DSA',
  '2a864886f70d010301': 'Diffie-Hellman',
  '2b656e': 'X25519',
  '2b656f': 'X448',
  '2b6571': 'Ed448',
  '2b81040021': 'ECDSA P-224',
  '2b81040022': 'ECDSA P-384',
  '2b81040023': 'ECDSA P-521',
  '2b8104000a': 'ECDSA secp256k1',
  '2a811ccf5501822d': 'SM2',
};

/**
 * Says what is wrong with a SubjectPublicKeyInfo that is not {@link spelled}, by its bytes alone: a hostile key can bring OpenSSL's
 * wrapper in Node to its knees (the curve of a point at infinity ends the process).
 */
export function spellingFault(spki: Buffer): SpellingFault {
  if (spki.length === 0) return { reason: 'the key is empty', remedy: 'copy' };
  const [info] = valuesIn(spki);
  const [head, key, ...more] = valuesIn(info?.content);
  const [algorithm, parameters, ...moreParameters] = valuesIn(head?.content);
  if (info?.tag !== 0x30 || head?.tag !== 0x30 || algorithm?.tag !== 0x06) return notDer;
  const kind = algorithm.content.toString('hex');
  if (kind !== ecKey && kind !== ed25519) return notUsed(names[kind] ?? dotted(algorithm.content));
  if (kind === ecKey && parameters?.tag === 0x30) {
    return {
      reason: 'it is spelled with explicit curve parameters, expected the name of the curve',
      remedy: 'rewrite',
    };
  }
  if (kind === ecKey && parameters?.tag !== 0x06) return { reason: 'it names no curve', remedy: 'copy' };
  const curve = parameters?.content.toString('hex') ?? '';
  if (kind === ecKey && curve !== p256) return notUsed(names[curve] ?? `EC ${dotted(parameters?.content)}`);
  if (moreParameters.length > 0 || (kind === ed25519 && parameters !== undefined)) {
    return { reason: 'it has algorithm parameters that do not belong there', remedy: 'copy' };
  }
  const rest = spki.length - info.size;
  if (rest > 0) {
    const bytes = rest === 1 ? '1 byte stands' : `${rest} bytes stand`;
    return { reason: `${bytes} behind the key`, remedy: 'copy' };
  }
  if (key?.tag !== 0x03 || more.length > 0) return notDer;
  if (key.content[0] !== 0) return { reason: 'its point has unused bits', remedy: 'copy' };
  return kind === ecKey ? pointFault(key.content.subarray(1)) : lengthFault(key.content.length - 1, 32);
}

function pointFault(point: Buffer): SpellingFault {
  const form = point[0] ?? 0;
  if (form === 0) return { reason: 'its point is the point at infinity', remedy: 'another key' };
  if (form === 2 || form === 3) {
    return { reason: 'its point is spelled compressed, expected uncompressed', remedy: 'rewrite' };
  }
  if (form === 6 || form === 7) {
    return { reason: 'its point is spelled in the hybrid form, expected uncompressed', remedy: 'rewrite' };
  }
  return lengthFault(point.length, 65);
}

const lengthFault = (found: number, expected: number): SpellingFault =>
  found === expected
    ? notDer
    : { reason: `its point has ${found} bytes, expected ${expected}`, remedy: 'copy' };

const notDer: SpellingFault = {
  reason: 'it is not in DER, which has one spelling for a key',
  remedy: 'copy',
};

const notUsed = (name: string): SpellingFault => ({
  reason: `${name} keys are not used, expected ECDSA P-256 or Ed25519`,
  remedy: 'another key',
});

interface Value {
  readonly tag: number;
  readonly content: Buffer;
  /** Bytes of the whole value. */
  readonly size: number;
}

/** The values that stand one behind the other, up to the first that is none. Lengths as BER allows them. */
function valuesIn(bytes: Buffer | undefined): readonly Value[] {
  const found: Value[] = [];
  for (let at = 0; bytes !== undefined && at + 2 <= bytes.length;) {
    const first = bytes[at + 1] ?? 0;
    const more = first < 0x80 ? 0 : first - 0x80;
    if (first === 0x80 || more > 3 || at + 2 + more > bytes.length) break;
    const length = more === 0 ? first : bytes.readUIntBE(at + 2, more);
    const start = at + 2 + more;
    if (start + length > bytes.length) break;
    found.push({
      tag: bytes[at] ?? 0,
      content: bytes.subarray(start, start + length),
      size: start + length - at,
    });
    at = start + length;
  }
  return found;
}

/** An object identifier as people write it. */
function dotted(content: Buffer = Buffer.alloc(0)): string {
  if (content.length > 32) return 'unknown';
  const arcs: bigint[] = [];
  let arc = 0n;
  for (const byte of content) {
    arc = arc * 128n + BigInt(byte & 0x7f);
    if (byte < 0x80) {
      arcs.push(arc);
      arc = 0n;
    }
  }
  const [first = 0n, ...rest] = arcs;
  const root = first < 80n ? first / 40n : 2n;
  return [root, first - root * 40n, ...rest].join('.');
}

/** ECDSA on P-256 with SHA-256, which every OpenSSL since 1.0.2 checks, or Ed25519, for OpenSSL 3 and later. */
export type KeyAlgorithm = 'ecdsa-p256' | 'ed25519';
