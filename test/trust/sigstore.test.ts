import { createPublicKey } from 'node:crypto';
import { join } from 'node:path';
import { readFile } from 'node:fs/promises';
import { bundleFromJSON } from '@sigstore/bundle';
import { toSignedEntity, Verifier } from '@sigstore/verify';
import { describe, expect, test } from 'vitest';
import { signFile } from '../../src/operations/sign.js';
import { sigstoreBundle } from '../../src/trust/sigstore.js';
import { bundleParts, put, tarGz } from '../helpers/bundle.js';
import { testKey, type TestKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';

/** Sigstore's own verifier, knowing one key by the hint under which cosign knows it, and asking for no log. */
function sigstoreAccepts(file: unknown, bytes: Buffer, key: TestKey): boolean {
  const hint = Buffer.from(key.keyId, 'hex').toString('base64');
  const verifier = new Verifier(
    {
      certificateAuthorities: [],
      timestampAuthorities: [],
      tlogs: [],
      ctlogs: [],
      publicKey: (asked) => {
        if (asked !== hint) throw new Error(`no key ${asked}`);
        return { publicKey: createPublicKey(key.publicPem), validFor: () => true };
      },
    },
    { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 },
  );
  try {
    verifier.verify(toSignedEntity(bundleFromJSON(file), bytes));
    return true;
  } catch {
    return false;
  }
}

describe('a Sigstore bundle', () => {
  test('that sign writes is accepted by @sigstore/verify for the manifest, and for nothing else', async () => {
    const directory = await tempDir();
    const [dev, qa] = [await testKey('dev'), await testKey('qa')];
    const parts = bundleParts([dev]);
    const file = await put(directory, 'edge.tar.gz', tarGz(parts.entries));
    const sigstoreFile = join(directory, 'edge.sigstore.json');
    await signFile({ file, signer: qa, sigstoreFile });
    const written: unknown = JSON.parse(await readFile(sigstoreFile, 'utf8'));
    expect(sigstoreAccepts(written, parts.manifestBytes, qa)).toBe(true);
    expect(sigstoreAccepts(written, parts.manifestBytes, dev)).toBe(false);
    expect(sigstoreAccepts(written, Buffer.from('another manifest'), qa)).toBe(false);
  });

  test('has the fields that cosign writes for a key', async () => {
    const key = await testKey();
    const bytes = Buffer.from('signed');
    const signature = key.sign(bytes);
    const bundle: unknown = JSON.parse(sigstoreBundle({ keyId: key.keyId, signature, bytes }).toString());
    expect(bundle).toEqual({
      mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      verificationMaterial: { publicKey: { hint: Buffer.from(key.keyId, 'hex').toString('base64') } },
      messageSignature: {
        // SHA-256 of "signed", in base64: printf signed | openssl dgst -sha256 -binary | base64
        messageDigest: { algorithm: 'SHA2_256', digest: 'Sjzfrm8pHI9UTa6ltykFz550we1CfYMa0NfKAMc8eU0=' },
        signature: signature.toString('base64'),
      },
    });
  });
});
