import { createHash } from 'node:crypto';

/** What a Sigstore bundle with a bare key says it is: https://docs.sigstore.dev/about/bundle/. */
const mediaType = 'application/vnd.dev.sigstore.bundle.v0.3+json';
/** 0.1 and 0.2 wrote the version as a parameter. */
const readable = /^application\/vnd\.dev\.sigstore\.bundle(?:\.v0\.3\+json|\+json;version=0\.[123])$/;

/** One signature over `bytes`, and whose it is. */
export interface Signed {
  /** Lower-case hex SHA-256 of the signer's SubjectPublicKeyInfo. */
  readonly keyId: string;
  /** As {@link sign} makes it. */
  readonly signature: Uint8Array;
  readonly bytes: Uint8Array;
}

/**
 * The signature as a Sigstore bundle v0.3, for `cosign verify-blob --bundle` and Sigstore's libraries. The hint is how cosign
 * names a key: SHA-256 of its SubjectPublicKeyInfo, in base64.
 */
export function sigstoreBundle({ keyId, signature, bytes }: Signed): Buffer {
  const bundle = {
    mediaType,
    verificationMaterial: { publicKey: { hint: Buffer.from(keyId, 'hex').toString('base64') } },
    messageSignature: {
      messageDigest: { algorithm: 'SHA2_256', digest: createHash('sha256').update(bytes).digest('base64') },
      signature: Buffer.from(signature).toString('base64'),
    },
  };
  return Buffer.from(`${JSON.stringify(bundle, null, 2)}\n`);
}

/**
 * The signature that a Sigstore bundle carries, or undefined when `text` is none. Everything else in it (digest, hint, log
 * entries) only repeats or decorates: whether the signature fits is for the caller to check.
 */
export function signatureOfSigstoreBundle(text: string): Buffer | undefined {
  const bundle = parsed(text);
  const type = member(bundle, 'mediaType');
  const signature = member(member(bundle, 'messageSignature'), 'signature');
  if (typeof type !== 'string' || !readable.test(type) || typeof signature !== 'string') return undefined;
  return Buffer.from(signature, 'base64');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
