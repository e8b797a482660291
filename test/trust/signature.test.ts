import { execFileSync, spawnSync } from 'node:child_process';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isPlugferryError } from '../../src/errors.js';
import { generateKeys, readSigner, readPublicKeys } from '../../src/trust/key-files.js';
import { checkSignatures } from '../../src/trust/check.js';
import { parsePublicKey } from '../../src/trust/key.js';
import { parsePrivateKey, type SigningKey } from '../../src/trust/private-key.js';
import { sign, verifies } from '../../src/trust/signature.js';
import { secret } from '../helpers/secrets.js';
import { tempDir } from '../helpers/temp.js';
import { testKey } from '../helpers/keys.js';
import { malleated } from '../helpers/malleate.js';

const message = Buffer.from('{\n  "type": "plugferry.bundle/v1"\n}\n');
const passphrase = Buffer.from(secret('correct horse battery staple'));
const openssl = (...args: string[]): Buffer => execFileSync('openssl', args);

const codeOf = async (action: () => unknown): Promise<string> => {
  try {
    await action();
  } catch (error) {
    return isPlugferryError(error) ? error.code : `not ours: ${String(error)}`;
  }
  return 'accepted';
};

describe('signatures', () => {
  test('deterministic ECDSA follows RFC 6979, appendix A.2.5 (P-256, SHA-256)', () => {
    const d = Buffer.from('C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721', 'hex');
    const point = {
      x: Buffer.from('60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6', 'hex'),
      y: Buffer.from('7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299', 'hex'),
    };
    const jwk = {
      kty: 'EC',
      crv: 'P-256',
      d: d.toString('base64url'),
      x: point.x.toString('base64url'),
      y: point.y.toString('base64url'),
    };
    const key = createPrivateKey({ key: jwk, format: 'jwk' });
    const signing: SigningKey = { keyId: '', algorithm: 'ecdsa-p256', key, publicKey: createPublicKey(key) };
    const r = 'efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716';
    const s = 'f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8';
    expect(sign(Buffer.from('sample'), signing).toString('hex')).toBe(`3046022100${r}022100${s}`);
  });

  test.each(['ecdsa-p256', 'ed25519'] as const)(
    '%s: signing twice gives the same bytes, and they verify',
    async (algorithm) => {
      const key = await testKey('ada', algorithm);
      const signature = key.sign(message);
      expect(key.sign(message)).toEqual(signature);
      expect(verifies(message, signature, key.trusted)).toBe(true);
      for (let at = 0; at < message.length; at += 1) {
        const changed = Buffer.from(message);
        changed[at] = (changed[at] ?? 0) ^ 1;
        expect(verifies(changed, signature, key.trusted)).toBe(false);
      }
    },
  );

  test.each([
    ['empty', () => Buffer.alloc(0)],
    ['a byte too long', (good: Buffer) => Buffer.concat([good, Buffer.from([0])])],
    ['cut', (good: Buffer) => good.subarray(0, -1)],
    ['zeros', (good: Buffer) => Buffer.alloc(good.length)],
    ['64 KiB', () => Buffer.alloc(65_536, 1)],
  ])('a signature that is %s does not verify', async (_what, change) => {
    const key = await testKey();
    expect(verifies(message, change(key.sign(message)), key.trusted)).toBe(false);
  });

  test('openssl checks our signature and we check that of openssl', async () => {
    const directory = await tempDir();
    const key = await testKey();
    const files = await key.writeTo(directory);
    const paths = {
      message: join(directory, 'm'),
      ours: join(directory, 'ours.sig'),
      theirs: join(directory, 'theirs.sig'),
    };
    writeFileSync(paths.message, message);
    writeFileSync(paths.ours, key.sign(message));
    const checked = openssl('dgst', '-sha256', '-verify', files.pub, '-signature', paths.ours, paths.message);
    expect(checked.toString()).toBe('Verified OK\n');
    openssl('dgst', '-sha256', '-sign', files.key, '-out', paths.theirs, paths.message);
    expect(verifies(message, readFileSync(paths.theirs), key.trusted)).toBe(true);
    writeFileSync(paths.message, 'changed');
    const refused = spawnSync('openssl', [
      'dgst',
      '-sha256',
      '-verify',
      files.pub,
      '-signature',
      paths.ours,
      paths.message,
    ]);
    expect(refused.status).not.toBe(0);
  });
});

describe('keys', () => {
  test('the key id is what openssl and sha256sum compute', async () => {
    const directory = await tempDir();
    const key = await testKey();
    const { pub } = await key.writeTo(directory);
    const pipe = `openssl pkey -pubin -in '${pub}' -outform DER | sha256sum`;
    expect(execFileSync('sh', ['-c', pipe]).toString().slice(0, 64)).toBe(key.keyId);
  });

  test('an encrypted key is PBES2 with 600,000 rounds, opens with openssl, has mode 0600', async () => {
    const directory = await tempDir();
    const made = await generateKeys({ path: join(directory, 'dev'), passphrase });
    const { mode } = (await import('node:fs')).statSync(made.privateKeyFile);
    expect(mode & 0o777).toBe(0o600);
    const dump = openssl('asn1parse', '-in', made.privateKeyFile).toString();
    expect(dump).toContain('PBES2');
    expect(dump).toContain('hmacWithSHA256');
    expect(dump).toContain('aes-256-cbc');
    expect(dump).toContain(`INTEGER           :${(600_000).toString(16).padStart(6, '0').toUpperCase()}`);
    const opened = openssl(
      'pkey',
      '-in',
      made.privateKeyFile,
      '-passin',
      `pass:${passphrase.toString()}`,
      '-pubout',
    );
    expect(opened.toString()).toBe(readFileSync(made.publicKeyFile, 'utf8'));
    const signer = await readSigner(made.privateKeyFile, { passphrase: async () => passphrase });
    const [trusted] = await readPublicKeys([made.publicKeyFile, made.publicKeyFile]);
    expect(signer.keyId).toBe(made.keyId);
    expect(
      checkSignatures(message, new Map([[signer.keyId, signer.sign(message)]]), [trusted!]).signers,
    ).toHaveLength(1);
  });

  test('keys that openssl made are read: SEC 1, PKCS#8, encrypted, Ed25519', async () => {
    const directory = await tempDir();
    const sec1 = join(directory, 'sec1.key');
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', sec1);
    const encrypted = join(directory, 'enc.key');
    openssl(
      'pkcs8',
      '-topk8',
      '-v2',
      'aes-256-cbc',
      '-in',
      sec1,
      '-passout',
      'pass:secret',
      '-out',
      encrypted,
    );
    const ed = join(directory, 'ed.key');
    openssl('genpkey', '-algorithm', 'ed25519', '-out', ed);
    const read = (file: string) =>
      readSigner(file, { passphrase: async () => Buffer.from('secret'), allowPlainKey: true });
    expect((await read(encrypted)).keyId).toBe((await read(sec1)).keyId);
    expect((await read(ed)).sign(message)).toHaveLength(64);
  });

  test.each([
    ['an RSA key', () => openssl('genrsa', '2048'), 'E_KEY'],
    ['another curve', () => openssl('ecparam', '-name', 'secp384r1', '-genkey', '-noout'), 'E_KEY'],
    ['text', () => Buffer.from('hello'), 'E_KEY'],
    [
      'a broken PEM',
      () => Buffer.from('-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'),
      'E_KEY',
    ],
    ['nothing', () => Buffer.alloc(0), 'E_KEY'],
  ])('as a private key, %s is refused', async (_what, make, code) => {
    const options = { file: 'x.key', passphrase: async () => passphrase, allowPlain: true };
    expect(await codeOf(() => parsePrivateKey(make(), options))).toBe(code);
  });

  test('a plain private key needs leave, a wrong passphrase is said to be one', async () => {
    const directory = await tempDir();
    const { key } = await (await testKey()).writeTo(directory);
    expect(await codeOf(() => readSigner(key, { passphrase: async () => passphrase }))).toBe('E_KEY');
    const made = await generateKeys({ path: join(directory, 'dev'), passphrase });
    const wrong = { passphrase: async () => Buffer.from('something else entirely') };
    expect(await codeOf(() => readSigner(made.privateKeyFile, wrong))).toBe('E_PASSPHRASE');
  });

  test('a private key in place of a public one is refused by name', async () => {
    const key = await testKey();
    expect(await codeOf(() => parsePublicKey(Buffer.from(key.privatePem), 'dev.key'))).toBe('E_KEY');
    const rsa = openssl('genrsa', '2048');
    const rsaPublic = createPublicKey(createPrivateKey(rsa)).export({ type: 'spki', format: 'pem' });
    expect(await codeOf(() => parsePublicKey(Buffer.from(rsaPublic), 'rsa.pub'))).toBe('E_KEY');
  });

  test('keygen never replaces a key, and a short passphrase leaves no file', async () => {
    const directory = await tempDir();
    const path = join(directory, 'dev');
    expect(await codeOf(() => generateKeys({ path, passphrase: Buffer.from('short') }))).toBe('E_PASSPHRASE');
    writeFileSync(`${path}.pub`, 'precious');
    expect(await codeOf(() => generateKeys({ path, passphrase }))).toBe('E_EXISTS');
    expect(readFileSync(`${path}.pub`, 'utf8')).toBe('precious');
    expect((await import('node:fs')).readdirSync(directory)).toEqual(['dev.pub']);
  });
});

describe('checking signatures', () => {
  test('each way to be wrong has its own code', async () => {
    const [ada, bob] = [await testKey('ada'), await testKey('bob')];
    const check = (signatures: [string, Buffer][], trusted = [ada.trusted]) =>
      codeOf(() => checkSignatures(message, new Map(signatures), trusted));
    expect(await check([[ada.keyId, ada.sign(message)]], [])).toBe('E_TRUST_MISSING');
    expect(await check([])).toBe('E_UNSIGNED');
    expect(await check([[bob.keyId, bob.sign(message)]])).toBe('E_SIGNER_UNKNOWN');
    expect(await check([[ada.keyId, ada.sign(Buffer.from('other'))]])).toBe('E_SIGNATURE_INVALID');
    expect(await check([[ada.keyId, Buffer.alloc(0)]])).toBe('E_SIGNATURE_INVALID');
    // A good signature does not make up for a bad one of a trusted key.
    expect(
      await check(
        [
          [ada.keyId, ada.sign(Buffer.from('other'))],
          [bob.keyId, bob.sign(message)],
        ],
        [ada.trusted, bob.trusted],
      ),
    ).toBe('E_SIGNATURE_INVALID');
  });

  test('one key under two names counts once; unknown signatures are reported and count for nothing', async () => {
    const [ada, bob] = [await testKey('ada'), await testKey('bob')];
    const signature = ada.sign(message);
    const claims = new Map([
      [ada.keyId, signature],
      ['0'.repeat(64), signature],
      [bob.keyId, bob.sign(message)],
    ]);
    const { signers, unknown } = checkSignatures(message, claims, [ada.trusted]);
    expect(signers.map(({ keyId }) => keyId)).toEqual([ada.keyId]);
    expect(unknown).toEqual([bob.keyId]);
  });

  test('a malleated ECDSA signature is the same signer, not a second one', async () => {
    const ada = await testKey('ada');
    const twin = malleated(ada.sign(message));
    expect(twin).not.toEqual(ada.sign(message));
    expect(verifies(message, twin, ada.trusted)).toBe(true);
    const claims = new Map([
      [ada.keyId, ada.sign(message)],
      ['f'.repeat(64), twin],
    ]);
    expect(checkSignatures(message, claims, [ada.trusted]).signers).toHaveLength(1);
  });
});
