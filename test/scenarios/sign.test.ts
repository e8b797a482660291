import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, readFile, realpath, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { openBundleFile } from '../../src/bundle/open-file.js';
import { convertBundle } from '../../src/operations/convert.js';
import { isPlugferryError } from '../../src/errors.js';
import { exportBundle } from '../../src/operations/export.js';
import { importBundle } from '../../src/operations/import.js';
import { inspectBundle } from '../../src/operations/inspect.js';
import { signFile, type SignOptions } from '../../src/operations/sign.js';
import { signerWithCommand, signerWithFile } from '../../src/trust/external-signer.js';
import { verifyBundle } from '../../src/operations/verify.js';
import { bundleParts, put, tarGz } from '../helpers/bundle.js';
import { testKey, type TestKey } from '../helpers/keys.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { oneOfEach, putStore, storeIn, testKeys } from '../helpers/trust.js';

let dev: TestKey;
let qa: TestKey;
beforeAll(async () => {
  ({ dev, qa } = await testKeys('dev', 'qa'));
});

const codeOf = async (action: Promise<unknown>): Promise<string> =>
  action.then(
    () => 'accepted',
    (error: unknown) => (isPlugferryError(error) ? error.code : `not ours: ${String(error)}`),
  );

/** A bundle that dev signed, of two modules of which one stands under two versions. */
async function bundle(name = 'edge.tar.gz'): Promise<{ directory: string; file: string }> {
  const directory = await tempDir();
  await tinyTree(directory, { 'key-auth@1.0.0': 'a', 'waf@1.0.0': 'b', 'waf@2.0.0': 'b' });
  const file = join(directory, name);
  await exportBundle({ source: directory, output: file, set: 'edge', signer: dev });
  return { directory, file };
}

const trusting = (...keys: readonly TestKey[]) => ({ publicKeys: keys.map(({ trusted }) => trusted) });
const openssl = (...args: string[]): Buffer => execFileSync('openssl', args);

/** Name and bytes of every payload entry, as GNU tar sees them. */
function payloadOf(file: string): Record<string, string> {
  const tar = (...args: string[]): Buffer => execFileSync('tar', args);
  const names = tar('tzf', file).toString().trim().split('\n');
  const payload = names.filter((name) => !name.startsWith('signatures/'));
  return Object.fromEntries(payload.map((name) => [name, tar('xzOf', file, name).toString('base64')]));
}

describe('signing a bundle', () => {
  test.each(['edge.tar.gz', 'edge.zip'])(
    '%s: adds the signature and leaves every other byte',
    async (name) => {
      const { directory, file } = await bundle(name);
      const before = await readFile(file);
      const unpacked = name.endsWith('.gz') ? payloadOf(file) : undefined;
      const { manifestSha256 } = await inspectBundle({ bundle: file });
      const result = await signFile({ file, signer: qa, trust: trusting(dev) });
      expect(result).toMatchObject({ file, keyId: qa.keyId, signedSha256: manifestSha256 });
      expect([...result.signatures].sort()).toEqual([dev.keyId, qa.keyId].sort());
      if (unpacked !== undefined) expect(payloadOf(file)).toEqual(unpacked);
      for (const key of [dev, qa]) await verifyBundle({ bundle: file, trust: trusting(key) });
      // As if it had been exported with both signatures: nothing but them is new.
      const stripped = join(directory, `again-${name}`);
      await resigned(file, stripped);
      expect(await readFile(stripped)).toEqual(before);
      expect(
        Object.keys(Object.fromEntries(await treeOf(directory))).filter((path) =>
          /partial|plugferry-/.test(path),
        ),
      ).toEqual([]);
    },
  );

  test('the new bundle takes the place of the old one in one step, through a link, with its mode', async () => {
    const { directory, file } = await bundle();
    await chmod(file, 0o640);
    const link = join(directory, 'link.tar.gz');
    await symlink('edge.tar.gz', link);
    await signFile({ file: link, signer: qa });
    expect(await realpath(link)).toBe(await realpath(file));
    expect((await stat(file)).mode & 0o777).toBe(0o640);
    expect((await inspectBundle({ bundle: file })).claimedSigners).toHaveLength(2);
  });

  test('to another file, of another kind, leaves the first alone', async () => {
    const { directory, file } = await bundle();
    const before = await readFile(file);
    const output = join(directory, 'edge.zip');
    await signFile({ file, signer: qa, output });
    expect(await readFile(file)).toEqual(before);
    await verifyBundle({ bundle: output, trust: trusting(qa) });
    expect(await codeOf(signFile({ file, signer: qa, output }))).toBe('E_EXISTS');
    await signFile({ file, signer: qa, output, force: true });
  });

  test('signing again with the same key changes nothing', async () => {
    const { file } = await bundle();
    const before = await readFile(file);
    const { signatures } = await signFile({ file, signer: dev });
    expect(signatures).toEqual([dev.keyId]);
    expect(await readFile(file)).toEqual(before);
  });

  test('a bundle holds 16 signatures and no 17th', async () => {
    const { directory } = await bundle();
    const keys = await Promise.all(Array.from({ length: 16 }, (_, index) => testKey(`k${index}`)));
    const file = await put(directory, 'full.tar.gz', tarGz(bundleParts(keys).entries));
    const before = await readFile(file);
    expect(await codeOf(signFile({ file, signer: qa }))).toBe('E_LIMIT');
    expect(await readFile(file)).toEqual(before);
    expect((await signFile({ file, signer: keys[3]! })).signatures).toHaveLength(16);
  });

  test('nobody signs what is not what the manifest says', async () => {
    const { directory } = await bundle();
    const { entries } = bundleParts([dev]);
    const changed = entries.map((entry) =>
      entry.name?.endsWith('waf/1.0.0/plugin.wasm') === true
        ? {
            ...entry,
            body: Buffer.concat([(entry.body ?? Buffer.alloc(0)).subarray(0, -1), Buffer.from('!')]),
          }
        : entry,
    );
    const file = await put(directory, 'bad.tar.gz', tarGz(changed));
    const before = await treeOf(directory);
    let asked = 0;
    const signer = { keyId: qa.keyId, sign: (bytes: Uint8Array) => ((asked += 1), qa.sign(bytes)) };
    for (const options of [{}, { detached: true }, { output: join(directory, 'out.tar.gz') }]) {
      expect(await codeOf(signFile({ file, signer, ...options }))).toBe('E_DIGEST');
    }
    expect(asked).toBe(0);
    expect(await treeOf(directory)).toEqual(before);
  });

  test.each([
    ['by a stranger', 'E_SIGNER_UNKNOWN', (): SignOptions['trust'] => trusting(qa)],
    ['by a revoked key', 'E_KEY_REVOKED', 'revoked' as const],
    ['by a known key', 'accepted', (): SignOptions['trust'] => trusting(qa, dev)],
  ])('a bundle signed %s, under expectations: %s', async (_what, code, expectation) => {
    const { directory, file } = await bundle();
    const trust =
      typeof expectation === 'function'
        ? expectation()
        : { store: await storeIn(directory, { keys: [{ key: dev, role: 'dev', status: expectation }] }) };
    expect(await codeOf(signFile({ file, signer: qa, ...(trust === undefined ? {} : { trust }) }))).toBe(
      code,
    );
  });

  test.each(['edge.tar.gz', 'edge.zip'])(
    '%s that is replaced while somebody signs is not the one that gets the signature',
    async (name) => {
      const { directory, file } = await bundle(name);
      const other = tarGz(bundleParts([dev]).entries);
      const signer = {
        keyId: qa.keyId,
        sign: async (bytes: Uint8Array) => {
          await writeFile(file, other);
          return qa.sign(bytes);
        },
      };
      expect(await codeOf(signFile({ file, signer }))).toBe('E_SOURCE_CHANGED');
      expect(await readFile(file)).toEqual(other);
      expect([...(await treeOf(directory)).keys()].filter((name) => name.includes('partial'))).toEqual([]);
    },
  );

  test('an abort leaves the bundle as it was', async () => {
    const { directory, file } = await bundle();
    const before = await treeOf(directory);
    const controller = new AbortController();
    const options = { file, signer: qa, signal: controller.signal };
    const signing = signFile({
      ...options,
      notify: (message) => {
        if (message.startsWith('writing')) controller.abort();
      },
    });
    await expect(signing).rejects.toThrow();
    expect(await treeOf(directory)).toEqual(before);
  });
});

/** Writes a bundle again with the signature of dev alone. */
async function resigned(file: string, output: string): Promise<void> {
  const { repack } = await import('../../src/bundle/repack.js');
  const { containerFor } = await import('../../src/bundle/container.js');
  const { fileWriter } = await import('../../src/files/file-writer.js');
  const { open } = await import('node:fs/promises');
  const sealed = await openBundleFile(file);
  const opened = sealed.open(() => undefined);
  const signatures = new Map([...sealed.signatures].filter(([keyId]) => keyId === dev.keyId));
  const handle = await open(output, 'wx');
  await repack({ sealed, opened, signatures }, containerFor(output), {
    out: fileWriter(handle),
    scratch: join(output, '..'),
  });
  await handle.close();
  await sealed.close();
}

describe('promotion from dev over qa to prod', () => {
  test('dev alone is refused; countersigned it is taken, in either container, with the same bytes', async () => {
    const { directory, file } = await bundle();
    const keys = [
      { key: dev, role: 'dev', name: 'dev-2026' },
      { key: qa, role: 'qa', name: 'qa-2026' },
    ];
    const store = await storeIn(directory, { keys, sets: { edge: oneOfEach('dev', 'qa') } });
    const to = join(directory, 'volume');
    const attempt = (bundleFile: string) => importBundle({ bundle: bundleFile, to, trust: { store } });
    const refusal = await attempt(file).catch((error: unknown) => error);
    expect(refusal).toMatchObject({
      code: 'E_POLICY',
      message: expect.stringContaining('needs 1 signature of role qa'),
    });
    expect((refusal as { hint: string }).hint).toContain('qa-2026');
    // Refused before the volume was so much as made.
    await expect(stat(to)).rejects.toThrow();
    const before = payloadOf(file);
    await signFile({ file, signer: qa, trust: { store } });
    expect(payloadOf(file)).toEqual(before);
    const { release, checks } = await attempt(file);
    expect(checks.filter(({ check }) => check.startsWith('role'))).toMatchObject([
      { check: 'role dev', result: 'passed', detail: expect.stringContaining('dev-2026') },
      { check: 'role qa', result: 'passed', detail: expect.stringContaining('qa-2026') },
    ]);
    const zip = join(directory, 'edge.zip');
    await convertBundle({ bundle: file, output: zip });
    expect(await attempt(zip)).toMatchObject({ release, outcome: 'unchanged' });
    const waf = gunzipSync(await readFile(file)).includes(
      await readFile(join(to, 'plugins/waf/1.0.0/plugin.wasm')),
    );
    expect(waf).toBe(true);
  });

  test('qa countersigns later: the release that is there takes the new signature as evidence', async () => {
    const { directory, file } = await bundle();
    const to = join(directory, 'volume');
    await importBundle({ bundle: file, to, trust: trusting(dev) });
    await signFile({ file, signer: qa });
    const { release, outcome } = await importBundle({ bundle: file, to, trust: trusting(dev, qa) });
    expect(outcome).toBe('unchanged');
    const files = [...(await treeOf(join(to, '.plugferry/releases', release))).keys()];
    expect(files.filter((path) => path.endsWith('.sig'))).toHaveLength(2);
  });
});

describe('detached signatures', () => {
  test('openssl checks ours, as it stands, against the manifest that tar unpacks', async () => {
    const { directory, file } = await bundle();
    const before = await readFile(file);
    const { pub } = await qa.writeTo(directory);
    const { file: written } = await signFile({ file, signer: qa, detached: true });
    expect(written).toBe(`${file}.sig`);
    expect(await readFile(file)).toEqual(before);
    const manifest = join(directory, 'manifest.json');
    await writeFile(manifest, execFileSync('tar', ['xzOf', file, 'manifest.json']));
    const args = ['dgst', '-sha256', '-verify', pub, '-signature', written, manifest];
    expect(openssl(...args).toString()).toBe('Verified OK\n');
    await writeFile(manifest, 'changed');
    expect(spawnSync('openssl', args).status).not.toBe(0);
    expect(await codeOf(signFile({ file, signer: qa, detached: true }))).toBe('E_EXISTS');
  });

  test.each([
    ['raw', (raw: Buffer) => raw],
    [
      'base64 with line breaks',
      (raw: Buffer) =>
        Buffer.from(`${raw.toString('base64').slice(0, 64)}\n${raw.toString('base64').slice(64)}\n`),
    ],
    ['a Sigstore bundle', (raw: Buffer) => Buffer.from(JSON.stringify(sigstoreOf(raw)))],
  ])('one that openssl made is attached: %s', async (_what, form) => {
    const { directory, file } = await bundle();
    const { key, pub } = await qa.writeTo(directory);
    const manifest = join(directory, 'manifest.json');
    await writeFile(manifest, execFileSync('tar', ['xzOf', file, 'manifest.json']));
    const raw = openssl('dgst', '-sha256', '-sign', key, manifest);
    const signature = await put(directory, 'qa.sig', form(raw));
    await signFile({ file, signer: await signerWithFile(signature, pub) });
    const stored = execFileSync('tar', ['xzOf', file, `signatures/${qa.keyId}.sig`]);
    expect(stored).toEqual(raw);
    await verifyBundle({ bundle: file, trust: trusting(qa) });
  });

  test.each([
    ['of another key', (manifest: Buffer) => dev.sign(manifest)],
    ['of another manifest', () => qa.sign(Buffer.from('another'))],
    ['cut off', (manifest: Buffer) => qa.sign(manifest).subarray(0, -1)],
    ['with bytes behind it', (manifest: Buffer) => Buffer.concat([qa.sign(manifest), Buffer.from('\0')])],
    ['that is empty', () => Buffer.alloc(0)],
    ['that is some JSON', () => Buffer.from('{"messageSignature":{"signature":"AAAA"}}')],
    ['that is broken JSON', () => Buffer.from('{"messageSignature"')],
    [
      'in a Sigstore bundle of another kind',
      (manifest: Buffer) =>
        Buffer.from(JSON.stringify({ ...sigstoreOf(qa.sign(manifest)), mediaType: 'text/plain' })),
    ],
  ])('one %s is not stored', async (_what, make) => {
    const { directory, file } = await bundle();
    const { pub } = await qa.writeTo(directory);
    const manifest = execFileSync('tar', ['xzOf', file, 'manifest.json']);
    const signature = await put(directory, 'qa.sig', make(manifest));
    const before = await treeOf(directory);
    const signer = await signerWithFile(signature, pub);
    expect(await codeOf(signFile({ file, signer }))).toBe('E_SIGNATURE_INVALID');
    expect(await treeOf(directory)).toEqual(before);
  });

  test('an Ed25519 signature of 64 raw bytes is attached, too', async () => {
    const { directory, file } = await bundle();
    const ed = await testKey('ed', 'ed25519');
    const { pub } = await ed.writeTo(directory);
    const manifest = execFileSync('tar', ['xzOf', file, 'manifest.json']);
    const signature = await put(directory, 'ed.sig', ed.sign(manifest));
    await signFile({ file, signer: await signerWithFile(signature, pub) });
    await verifyBundle({ bundle: file, trust: trusting(ed) });
  });

  test('a file that is far too large is not read as a signature', async () => {
    const { directory } = await bundle();
    const { pub } = await qa.writeTo(directory);
    const signature = await put(directory, 'huge.sig', Buffer.alloc(65_537));
    expect(await codeOf(signerWithFile(signature, pub))).toBe('E_LIMIT');
  });
});

const sigstoreOf = (signature: Buffer) => ({
  mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
  verificationMaterial: { publicKey: { hint: 'anything' }, tlogEntries: [] },
  messageSignature: { signature: signature.toString('base64') },
});

describe('a signing command', () => {
  /** Signs with what the shell makes of `command`, in a directory with qa.key and qa.pub. */
  async function signWith(command: string, environment: Record<string, string> = {}) {
    const { directory, file } = await bundle();
    const { pub } = await qa.writeTo(directory);
    const path = { PATH: process.env['PATH'] ?? '', HERE: directory };
    const signer = await signerWithCommand({ command, environment: { ...path, ...environment } }, pub);
    return { directory, file, code: await codeOf(signFile({ file, signer })) };
  }

  test.each([
    ['that reads the bytes', 'openssl dgst -sha256 -sign "$HERE/qa.key"'],
    ['that prints base64', 'openssl dgst -sha256 -sign "$HERE/qa.key" | base64'],
    [
      'that has the digest only',
      'printf %s "$PLUGFERRY_DIGEST_SHA256" | tr a-f A-F | python3 -c "import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))" | openssl pkeyutl -sign -inkey "$HERE/qa.key"',
    ],
  ])('%s signs', async (_what, command) => {
    const { file, code } = await signWith(command);
    expect(code).toBe('accepted');
    await verifyBundle({ bundle: file, trust: trusting(qa) });
  });

  test.each([
    ['fails', 'exit 3', 'E_SIGN_COMMAND'],
    ['is not there', '/no/such/program 2>/dev/null', 'E_SIGN_COMMAND'],
    ['prints nothing', 'cat >/dev/null', 'E_SIGN_COMMAND'],
    ['never stops printing', 'yes 2>/dev/null', 'E_SIGN_COMMAND'],
    ['kills itself', 'kill -9 $$', 'E_SIGN_COMMAND'],
    [
      'prints a signature of another thing',
      'echo other | openssl dgst -sha256 -sign "$HERE/qa.key"',
      'E_SIGNATURE_INVALID',
    ],
    ['signs and fails all the same', 'openssl dgst -sha256 -sign "$HERE/qa.key"; exit 1', 'E_SIGN_COMMAND'],
  ])('that %s is refused, and the bundle stays', async (_what, command, expected) => {
    const { file, code } = await signWith(command);
    expect(code).toBe(expected);
    expect((await inspectBundle({ bundle: file })).claimedSigners).toEqual([dev.keyId]);
  });

  test('may hold a PIN, which no error repeats', async () => {
    const { directory, file } = await bundle();
    const { pub } = await qa.writeTo(directory);
    const command = { command: 'exit 1 # pin 271828', environment: { PATH: process.env['PATH'] ?? '' } };
    const refusal: unknown = await signFile({ file, signer: await signerWithCommand(command, pub) }).catch(
      (error: unknown) => error,
    );
    if (!isPlugferryError(refusal)) throw new Error('not refused');
    const { message, hint, details } = refusal;
    expect(JSON.stringify([message, hint, details])).not.toContain('271828');
  });

  test('is ended by an abort', async () => {
    const { directory, file } = await bundle();
    const { pub } = await qa.writeTo(directory);
    const controller = new AbortController();
    const environment = { PATH: process.env['PATH'] ?? '' };
    const command = { command: 'exec sleep 60', environment, signal: controller.signal };
    const signing = signFile({ file, signer: await signerWithCommand(command, pub) });
    setTimeout(() => {
      controller.abort(new Error('enough'));
    }, 200);
    await expect(signing).rejects.toThrow('enough');
  });
});

describe('signing a trust store', () => {
  test('writes the signature beside it, under the id of the key, over its exact bytes', async () => {
    const directory = await tempDir();
    await putStore(directory, { keys: [{ key: qa, role: 'root' }] });
    const { file, subject } = await signFile({ file: join(directory, 'trust.json'), signer: qa });
    expect(file).toBe(join(directory, `${qa.keyId}.sig`));
    expect(subject).toMatchObject({ kind: 'trust store', document: { version: 1 } });
    const { pub } = await qa.writeTo(directory);
    const checked = openssl(
      'dgst',
      '-sha256',
      '-verify',
      pub,
      '-signature',
      file,
      join(directory, 'trust.json'),
    );
    expect(checked.toString()).toBe('Verified OK\n');
  });

  test.each([
    ['JSON that is no trust store', '{"a": 1}\n'],
    ['a manifest', bundleParts([]).manifestBytes.toString()],
    ['an unfinished trust store', '{\n  "type": "plugferry.trust/v1"\n}\n'],
  ])('%s is not signed blindly', async (_what, text) => {
    const file = await put(await tempDir(), 'x.json', Buffer.from(text));
    expect(await codeOf(signFile({ file, signer: qa }))).toBe('E_TRUST_STORE');
  });
});
