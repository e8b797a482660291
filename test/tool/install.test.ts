import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { exportBundle } from '../../src/index.js';
import type { Manifest } from '../../src/schema/manifest.js';
import { installScript, verifyText } from '../../src/tool/texts.js';
import { bundleParts, headEntries, somePlugins, tarGz } from '../helpers/bundle.js';
import { testKey, type TestKey } from '../helpers/keys.js';
import { rawTar, type RawEntry } from '../helpers/tar.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import {
  digestLine,
  expectAsSigned,
  expectRefused,
  installed,
  receiver,
  type Receiver,
} from '../helpers/receiver.js';
import { boxes, wantedBoxes, type Toolbox } from '../helpers/toolbox.js';
import { tinyTree } from '../helpers/tree.js';
import { cases as gzipCases } from '../corpus/gzip-cases.js';
import { cases as manifestCases } from '../corpus/manifest-cases.js';
import { cases as tarCases } from '../corpus/tar-cases.js';

const root = join(import.meta.dirname, '../..');

let dev: TestKey;
let qa: TestKey;
beforeAll(async () => {
  dev = await testKey('dev');
  qa = await testKey('qa', 'ed25519');
});

const machine = (box: Toolbox, bundle: Buffer, signer = dev): Promise<Receiver> =>
  receiver(box, bundle, { signer });

/** What a bundle of these entries unpacks to. */
function expectedTree(entries: readonly RawEntry[], manifest: Manifest): Map<string, string> {
  const bodies = new Map(
    entries.map(({ name = '', prefix, body }) => [prefix === undefined ? name : `${prefix}/${name}`, body]),
  );
  return new Map(
    manifest.files.map(({ path, sameAs }) => [path, (bodies.get(sameAs ?? path) ?? '').toString('latin1')]),
  );
}

const sorted = (map: Map<string, string>): Map<string, string> =>
  new Map([...map].sort(([a], [b]) => (a < b ? -1 : 1)));

test('the texts are those of install.sh and VERIFY.txt (else run: npm run gen)', async () => {
  const fresh = join(await tempDir(), 'texts.ts');
  execFileSync(process.execPath, [join(root, 'src/tool/generate.mjs'), fresh]);
  expect(await readFile(join(root, 'src/tool/texts.ts'), 'utf8')).toBe(await readFile(fresh, 'utf8'));
  expect(installScript).toBe(await readFile(join(root, 'src/tool/install.sh'), 'utf8'));
  expect(verifyText).toBe(await readFile(join(root, 'src/tool/VERIFY.txt'), 'utf8'));
});

describe.each(wantedBoxes)('%s', (name, box) => {
  if (box === undefined) {
    test.skip(`${name} is not installed: apt-get install dash bash busybox gawk mawk original-awk`, () =>
      undefined);
    return;
  }

  test('installs what an import would, of an ECDSA and of an Ed25519 key', async () => {
    for (const signer of [dev, qa]) {
      const { entries, manifest } = bundleParts([dev, qa]);
      const there = await machine(box, tarGz(entries), signer);
      const run = there.install();
      expect(run).toMatchObject({ code: 0, stderr: '' });
      expect(run.stdout).toContain(`signed by: ${signer.keyId}`);
      expect(run.stdout).toContain('set edge, sequence 7');
      const out = join(there.here, 'out');
      expect(await installed(out)).toEqual(sorted(expectedTree(entries, manifest)));
      expect((await readFile(join(out, 'manifest.json'))).equals(entries[0]!.body!)).toBe(true);
      expect(await readdir(join(out, 'signatures'))).toEqual([`${signer.keyId}.sig`]);
      expect((await readdir(there.here)).sort()).toEqual(
        [
          'dev.pub',
          'edge.tar.gz',
          'edge.tar.gz.sha256',
          'edge.tar.gz.sha256.sig',
          'install.sh',
          'out',
        ].sort(),
      );
      expect(await readdir(there.around)).toHaveLength(3);
    }
  });

  test('installs what export wrote, several members of gzip and modules of equal bytes included', async () => {
    const directory = await tempDir();
    const source = await tinyTree(directory, {
      'waf@1.0.0': 'a',
      'waf@2.0.0': 'a',
      'key-auth@1.0.0': 'b',
      [`a${'-'.repeat(61)}z@1${'.0'.repeat(31)}0`]: 'long',
    });
    const bundle = join(directory, 'edge.tar.gz');
    const resource =
      'apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: waf}\nspec: {}\n';
    await exportBundle({
      source,
      output: bundle,
      signer: dev,
      expiresAt: new Date(Date.now() + 1e8),
      resources: [{ file: 'waf.yaml', text: resource }],
    });
    const there = await machine(box, await readFile(bundle));
    expect(there.install()).toMatchObject({ code: 0, stderr: '' });
    for (const [path, content] of await treeOf(source)) {
      if (content === '(directory)') continue;
      const found = await readFile(join(there.here, 'out/plugins', path), 'latin1');
      expect(found === content, path).toBe(true);
    }
    expect(await readdir(join(there.here, 'out/resources/wasmplugins'))).toEqual(['waf.yaml']);
    execFileSync('sha256sum', ['-c', 'checksums.sha256'], { cwd: join(there.here, 'out') });
  });

  test('another key, no signature, an altered manifest: refused before anything is unpacked', async () => {
    const { entries, manifestBytes } = bundleParts([dev]);
    const altered = Buffer.from(manifestBytes.toString('latin1').replace('"sequence": 7', '"sequence": 8'));
    for (const bundle of [
      tarGz(bundleParts([]).entries),
      tarGz(bundleParts([qa]).entries),
      tarGz([{ name: 'manifest.json', body: altered }, ...entries.slice(1)]),
      // The signature of another key under the name of this one.
      tarGz([
        entries[0]!,
        { name: `signatures/${dev.keyId}.sig`, body: qa.sign(manifestBytes) },
        ...entries.slice(2),
      ]),
    ]) {
      const there = await machine(box, bundle);
      expect(await expectRefused(there, there.install, 4)).toContain(dev.keyId);
    }
  });

  test.each<[string, (entries: readonly RawEntry[]) => readonly RawEntry[]]>([
    ['an absolute name', (entries) => [...entries, { name: '/tmp/evil', body: Buffer.from('x') }]],
    ['a name that climbs out', (entries) => [...entries, { name: '../canary', body: Buffer.from('x') }]],
    ['a name with a line feed', (entries) => [...entries, { name: 'plugins/a\nb', body: Buffer.from('x') }]],
    ['a file more', (entries) => [...entries, { name: 'plugins/x/1/plugin.wasm', body: Buffer.from('x') }]],
    [
      'a directory',
      (entries) => [...entries.slice(0, 2), { name: 'plugins/', type: '5' }, ...entries.slice(2)],
    ],
    ['a device', (entries) => [...entries, { name: 'plugins/dev', type: '3' }]],
    [
      'a symbolic link and a file through it',
      (entries) => [
        ...entries.slice(0, 2),
        { name: 'plugins', type: '2', linkName: '..' },
        ...entries.slice(2),
        { name: 'plugins/canary', body: Buffer.from('x') },
      ],
    ],
    [
      'a symbolic link in place of a file',
      (entries) =>
        entries.map((entry) =>
          entry.name === 'plugins/waf/1.0.0/plugin.wasm'
            ? { name: entry.name, type: '2', linkName: '/etc/passwd' }
            : entry,
        ),
    ],
    [
      'a hard link to a file outside',
      (entries) =>
        entries.map((entry) =>
          entry.name === 'plugins/waf/1.0.0/plugin.wasm'
            ? { name: entry.name, type: '1', linkName: '../canary' }
            : entry,
        ),
    ],
    ['the same file twice', (entries) => [...entries, entries[4]!]],
    ['the manifest twice', (entries) => [...entries, entries[0]!]],
    ['another order', (entries) => [...entries.slice(0, 2), ...entries.slice(2).reverse()]],
    ['a file less', (entries) => entries.slice(0, -1)],
    [
      'a byte changed',
      (entries) =>
        entries.map((entry) =>
          entry.name === 'plugins/waf/1.0.0/plugin.wasm'
            ? { ...entry, body: Buffer.from(entry.body!.map((byte, at) => (at === 50 ? byte ^ 1 : byte))) }
            : entry,
        ),
    ],
  ])('%s is refused', async (_what, change) => {
    const there = await machine(box, tarGz(change(bundleParts([dev]).entries)));
    // What counts is the first thing that is not right; two manifests behind one another are not what was signed.
    await expectRefused(there, there.install, 3, 4);
  });

  test('a cut off, a changed and a blown-up archive are refused', async () => {
    const { entries } = bundleParts([dev]);
    const honest = tarGz(entries);
    const bomb = gzipSync(Buffer.concat([rawTar(entries, Buffer.alloc(0)), Buffer.alloc(300 * 1024 * 1024)]));
    const bloated = { name: 'manifest.json', body: Buffer.alloc(64 * 1024 * 1024, 0x20) };
    for (const bundle of [
      honest.subarray(0, honest.length - 9),
      Buffer.from('not a bundle'),
      Buffer.alloc(0),
      bomb,
      tarGz([bloated, ...entries.slice(1)]),
    ]) {
      const there = await machine(box, bundle);
      await expectRefused(there, there.install, 3, 4);
    }
  });

  test('what follows the archive is refused, whatever this gzip says of it', async () => {
    for (const tail of [Buffer.from('more'), Buffer.alloc(1), Buffer.alloc(512)]) {
      const bundle = Buffer.concat([tarGz(bundleParts([dev]).entries), tail]);
      const there = await machine(box, bundle);
      await expectRefused(there, there.install, 3);
    }
  });

  test.each<[string, (manifest: Manifest) => Manifest, number]>([
    ['a path that climbs out', (manifest) => withPath(manifest, 'plugins/waf/../../../canary'), 3],
    ['an absolute path', (manifest) => withPath(manifest, '/tmp/evil'), 3],
    ['a path elsewhere', (manifest) => withPath(manifest, 'bin/sh'), 3],
    ['a path with a blank', (manifest) => withPath(manifest, 'plugins/w af/1.0.0/plugin.wasm'), 3],
    ['a path that looks like an option', (manifest) => withPath(manifest, 'plugins/waf/-rf/plugin.wasm'), 3],
    ['a path in upper case', (manifest) => withPath(manifest, 'plugins/WAF/1.0.0/plugin.wasm'), 3],
    ['the name of a device', (manifest) => withPath(manifest, 'plugins/waf/NUL.1/plugin.wasm'), 3],
    ['a path twice', (manifest) => withPath(manifest, 'plugins/key-auth/1.0.0/metadata.txt'), 3],
    ['a day that is over', (manifest) => ({ ...manifest, expiresAt: '2026-01-03T00:00:00Z' }), 4],
    ['a day to come', (manifest) => ({ ...manifest, createdAt: '2096-01-03T00:00:00Z' }), 4],
  ])('even signed, %s is refused', async (_what, change, code) => {
    const { entries, manifestBytes } = bundleParts([dev], somePlugins, change);
    const there = await machine(box, tarGz([...headEntries(manifestBytes, [dev]), ...entries.slice(2)]));
    await expectRefused(there, there.install, code);
  });

  test('a directory that exists is left alone; so is a wrong call', async () => {
    const there = await machine(box, tarGz(bundleParts([dev]).entries));
    const args = ['edge.tar.gz', '--public-key', 'dev.pub', '--to'];
    await mkdir(join(there.here, 'full'));
    await symlink('nowhere', join(there.here, 'dangling'));
    await writeFile(join(there.here, 'a.key'), dev.privatePem, { mode: 0o600 });
    await expectRefused(there, () => there.run(...args, 'full/'), 6);
    await expectRefused(there, () => there.run(...args, 'dangling'), 6);
    await expectRefused(there, () => there.run(...args, 'none/out'), 7);
    await expectRefused(there, () => there.run(...args), 2);
    await expectRefused(there, () => there.run('edge.tar.gz', '--to', 'out'), 2);
    await expectRefused(there, () => there.run('--public-key', 'dev.pub', '--to', 'out'), 2);
    await expectRefused(there, () => there.run(...args, 'out', '--force'), 2);
    await expectRefused(there, () => there.run('none', '--public-key', 'dev.pub', '--to', 'out'), 2);
    await expectRefused(there, () => there.run('edge.tar.gz', '--public-key', 'a.key', '--to', 'out'), 2);
    await expectRefused(
      there,
      () => there.run('edge.tar.gz', '--public-key', 'edge.tar.gz', '--to', 'out'),
      2,
    );
  });

  test('strange names of the files that the receiver names do no harm', async () => {
    const there = await machine(box, tarGz(bundleParts([dev]).entries));
    const before = await readdir(there.here);
    const evil = "host:x y$(touch pwned)' *";
    const digest = digestLine(await readFile(join(there.here, 'edge.tar.gz')), evil);
    await copyFile(join(there.here, 'edge.tar.gz'), join(there.here, evil));
    await writeFile(join(there.here, `${evil}.sha256`), digest);
    await writeFile(join(there.here, `${evil}.sha256.sig`), dev.sign(digest));
    const out = `${evil}\n\u001b[31m\u009b\u202eout`;
    const run = there.run(`./${evil}`, '--public-key', 'dev.pub', '--to', out);
    expect(run).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^[ -~\n]+$/) as string });
    expect(run.stdout.split('\n')).toHaveLength(4);
    expect((await readdir(there.here)).sort()).toEqual(
      [...before, evil, `${evil}.sha256`, `${evil}.sha256.sig`, out].sort(),
    );
  });
});

const withPath = (manifest: Manifest, path: string): Manifest => ({
  ...manifest,
  files: manifest.files.map((file, at) => (at === 3 ? { ...file, path } : file)),
});

describe('the corpus of hostile bundles', () => {
  const [box] = boxes;
  const rows = [...tarCases, ...gzipCases, ...manifestCases].map(
    (row) => [`${row.id} ${row.title}`, row] as const,
  );
  if (box === undefined) return;

  test.each(rows)('%s: nothing but what was signed is ever installed', async (_name, row) => {
    const inbox = await tempDir();
    const variants = row.build({ key: dev, outside: inbox, volume: join(inbox, 'volume'), inbox });
    for (const bundle of new Set([variants[0]!, variants.at(-1)!])) {
      const there = await machine(box, bundle);
      const before = await treeOf(there.around);
      const { code } = there.install();
      if (code !== 0) {
        expect([2, 3, 4, 5]).toContain(code);
        expect(await treeOf(there.around)).toEqual(before);
        continue;
      }
      await expectAsSigned(join(there.here, 'out'), dev);
      await rm(join(there.here, 'out'), { recursive: true });
      expect(await treeOf(there.around)).toEqual(before);
    }
  });
});
