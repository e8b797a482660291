import { createPrivateKey, createPublicKey } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type KeyPair, makeKeyPair } from '../../src/trust/keypair.js';
import { parsePublicKey, type TrustedKey } from '../../src/trust/key.js';
import type { KeyAlgorithm } from '../../src/trust/spki.js';
import type { SigningKey } from '../../src/trust/private-key.js';
import { sign } from '../../src/trust/signature.js';
import type { KeySigner } from '../../src/trust/key-files.js';
import { secretKey } from './secrets.js';

/** A key pair for tests, in every shape that a test may want. */
export interface TestKey extends KeyPair, KeySigner {
  readonly trusted: TrustedKey;
  readonly signing: SigningKey;
  /** Writes `<name>.key` (not encrypted) and `<name>.pub` into a directory and returns their paths. */
  writeTo(directory: string): Promise<{ readonly key: string; readonly pub: string }>;
}

export async function testKey(name = 'ada', algorithm: KeyAlgorithm = 'ecdsa-p256'): Promise<TestKey> {
  const pair = await makeKeyPair(algorithm, undefined);
  secretKey(pair.privatePem);
  const key = createPrivateKey(pair.privatePem);
  const signing = { keyId: pair.keyId, algorithm, key, publicKey: createPublicKey(key) };
  return {
    ...pair,
    signing,
    trusted: await parsePublicKey(Buffer.from(pair.publicPem), `${name}.pub`),
    sign: (bytes) => sign(bytes, signing),
    async writeTo(directory) {
      const files = { key: join(directory, `${name}.key`), pub: join(directory, `${name}.pub`) };
      await writeFile(files.key, pair.privatePem, { mode: 0o600 });
      await writeFile(files.pub, pair.publicPem);
      return files;
    },
  };
}
