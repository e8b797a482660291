import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Manifest } from '../../src/schema/manifest.js';
import { documentBytes } from '../../src/schema/parse.js';
import { bundleParts, headEntries, resourceBundle, somePlugins, tarGz } from '../helpers/bundle.js';
import { testKey, type TestKey } from '../helpers/keys.js';
import {
  digestLine,
  expectAsSigned,
  expectRefused,
  receiver,
  type Receiver,
  type ReceiverOptions,
} from '../helpers/receiver.js';
import { rawTar, type RawEntry } from '../helpers/tar.js';
import { boxes, wantedBoxes, type Toolbox } from '../helpers/toolbox.js';

let dev: TestKey;
let qa: TestKey;
beforeAll(async () => {
  dev = await testKey('dev');
  qa = await testKey('qa', 'ed25519');
});

const at = (box: Toolbox, bundle: Buffer, options: Partial<ReceiverOptions> = {}): Promise<Receiver> =>
  receiver(box, bundle, { signer: dev, ...options });

/** A bundle whose manifest says something else, signed. */
function changed(change: (manifest: Manifest) => Manifest): Buffer {
  const { entries, manifestBytes } = bundleParts([dev], somePlugins, change);
  return tarGz([...headEntries(manifestBytes, [dev]), ...entries.slice(2)]);
}

/** A bundle whose manifest has these bytes, signed. */
function spelt(change: (text: string) => string, encoding: 'utf8' | 'latin1' = 'utf8'): Buffer {
  const { entries, manifestBytes } = bundleParts([dev]);
  const bytes = Buffer.from(change(manifestBytes.toString('utf8')), encoding);
  return tarGz([...headEntries(bytes, [dev]), ...entries.slice(2)]);
}

const withSparse = (entries: readonly RawEntry[], index: number): RawEntry[] =>
  entries.map((entry, place) =>
    place === index
      ? {
          ...entry,
          type: 'S',
          magic: Buffer.from('ustar  \0', 'latin1'),
          patch: (header) => {
            // The real size of an old GNU sparse file, here 64 GiB, in base 256.
            Buffer.from([0x80, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0]).copy(header, 483);
          },
        }
      : entry,
  );

describe.each(wantedBoxes)('%s', (_name, box) => {
  if (box === undefined) return;

  test.each<[string, (bundle: Buffer) => Partial<ReceiverOptions>, number]>([
    ['no digest file', () => ({ fileSigner: undefined }), 4],
    ['a digest signed by another', () => ({ fileSigner: qa }), 4],
    ['an empty signature', () => ({ digestSignature: Buffer.alloc(0) }), 4],
    ['a signature that is far too long', () => ({ digestSignature: Buffer.alloc(1_000_000) }), 3],
    ['the digest of another file', () => ({ digestFile: digestLine(Buffer.from('other')) }), 3],
    ['the digest under another name', (bundle) => ({ digestFile: digestLine(bundle, 'more.tar.gz') }), 3],
    ['a path in the digest file', (bundle) => ({ digestFile: digestLine(bundle, './edge.tar.gz') }), 3],
    [
      'a second line',
      (bundle) => ({ digestFile: Buffer.concat([digestLine(bundle), digestLine(bundle, '/etc/passwd')]) }),
      3,
    ],
    ['no line feed', (bundle) => ({ digestFile: digestLine(bundle).subarray(0, -1) }), 3],
    ['a NUL', (bundle) => ({ digestFile: Buffer.concat([digestLine(bundle), Buffer.from([0])]) }), 3],
    ['upper case', (bundle) => ({ digestFile: Buffer.from(String(digestLine(bundle)).toUpperCase()) }), 3],
    ['an empty digest file', () => ({ digestFile: Buffer.alloc(0) }), 3],
  ])('nothing is decompressed with %s', async (_what, options, code) => {
    const bundle = tarGz(bundleParts([dev]).entries);
    const there = await at(box, bundle, options(bundle));
    await expectRefused(there, there.install, code);
  });

  test('a file that is not the one that was signed is refused, whatever is in it', async () => {
    const bundle = tarGz(bundleParts([dev]).entries);
    const bombs = [gzipSync(gzipSync(Buffer.alloc(50_000_000))), Buffer.concat([bundle, Buffer.from('x')])];
    for (const bomb of bombs) {
      const there = await at(box, bomb, { digestFile: digestLine(bundle) });
      expect(await expectRefused(there, there.install, 3)).toContain('edge.tar.gz.sha256 is of');
    }
  });

  test('sha256sum --binary and the key of who wrote the file last are taken', async () => {
    const bundle = tarGz(bundleParts([dev]).entries);
    const digestFile = Buffer.from(String(digestLine(bundle)).replace('  ', ' *'));
    const there = await at(box, bundle, { fileSigner: qa, digestFile });
    await writeFile(join(there.here, 'qa.pub'), qa.publicPem);
    await expectRefused(there, there.install, 4);
    const args = ['edge.tar.gz', '--public-key', 'dev.pub', '--to', 'out', '--file-key', 'qa.pub'];
    expect(there.run(...args)).toMatchObject({ code: 0, stderr: '' });
    await expectAsSigned(join(there.here, 'out'), dev);
  });

  test.each<[string, () => Buffer]>([
    ['an archive that is compressed twice', () => gzipSync(tarGz(bundleParts([dev]).entries))],
    [
      'a manifest of zeros, compressed twice',
      () => gzipSync(gzipSync(rawTar([{ name: 'manifest.json', body: Buffer.alloc(20_000_000) }]))),
    ],
    ['a sparse manifest', () => tarGz(withSparse(bundleParts([dev]).entries, 0))],
    ['a sparse payload', () => tarGz(withSparse(bundleParts([dev]).entries, 4))],
    [
      'a global header of PAX',
      () => tarGz([...bundleParts([dev]).entries, { name: 'g', type: 'g', body: Buffer.from('9 a=bcd\n') }]),
    ],
    [
      'a second bundle behind it',
      () => Buffer.concat([tarGz(bundleParts([dev]).entries), tarGz(bundleParts([dev]).entries)]),
    ],
    ['a block more of zeros than 10 KiB', () => tarGz(bundleParts([dev]).entries, Buffer.alloc(20_480))],
    ['one zero block at the end', () => tarGz(bundleParts([dev]).entries, Buffer.alloc(512))],
    [
      'a contiguous file',
      () => tarGz(bundleParts([dev]).entries.map((entry, i) => (i === 4 ? { ...entry, type: '7' } : entry))),
    ],
    [
      'an owner',
      () =>
        tarGz(
          bundleParts([dev]).entries.map((entry, i) => (i === 4 ? { ...entry, userName: 'a b' } : entry)),
        ),
    ],
    [
      'a header with a wrong checksum',
      () =>
        tarGz(
          bundleParts([dev]).entries.map((entry, i) =>
            i === 4 ? { ...entry, checksum: '000000\0 ' } : entry,
          ),
        ),
    ],
    [
      'right bytes under a name that climbs out',
      () =>
        tarGz(
          bundleParts([dev]).entries.map((entry, i) => (i === 4 ? { ...entry, name: '../canary' } : entry)),
        ),
    ],
    [
      'padding that is not zero',
      () =>
        tarGz(
          bundleParts([dev]).entries.map((entry, i) =>
            i === 4 ? { ...entry, padding: Buffer.from('x') } : entry,
          ),
        ),
    ],
    [
      'a name in the head of gzip',
      () => {
        const plain = tarGz(bundleParts([dev]).entries);
        const head = Buffer.from(plain.subarray(0, 10));
        head[3] = 8;
        return Buffer.concat([head, Buffer.from('evil\0'), plain.subarray(10)]);
      },
    ],
  ])('even with a signed digest, %s is refused', async (_what, build) => {
    const there = await at(box, build());
    await expectRefused(there, there.install, 3);
  });

  test.each<[string, () => Buffer, number]>([
    ['a set with ESC', () => spelt((text) => text.replace('"edge"', '"ed\u001b[31mge"')), 3],
    ['a set with U+009B', () => spelt((text) => text.replace('"edge"', '"ed\u009bge"')), 3],
    ['a set with DEL', () => spelt((text) => text.replace('"edge"', '"ed\u007fge"')), 3],
    ['a set with U+202E', () => spelt((text) => text.replace('"edge"', '"ed\u202ege"')), 3],
    [
      'a line with ESC that nobody knows',
      () => spelt((text) => text.replace('  "set"', '  "\u001b[2J": "",\n  "set"')),
      3,
    ],
    ['a NUL', () => spelt((text) => text.replace('"edge"', '"ed\0ge"')), 3],
    ['a carriage return', () => spelt((text) => text.replaceAll('\n', '\r\n')), 3],
    ['no JSON', () => spelt((text) => text.replace('{\n', '{\nnonsense\n')), 3],
    ['a comma less', () => spelt((text) => text.replace('"epoch": 1,', '"epoch": 1')), 3],
    [
      'a comma more',
      () => spelt((text) => text.replace('"totalSize"', '"totalSize": 1,,\n  "totalSize"')),
      3,
    ],
    ['JSON on one line', () => spelt((text) => `${JSON.stringify(JSON.parse(text))}\n`), 3],
    ['no line feed at the end', () => spelt((text) => text.slice(0, -1)), 3],
    ['something behind the end', () => spelt((text) => `${text}{\n}\n`), 3],
    ['a key twice', () => spelt((text) => text.replace('  "epoch": 1,', '  "epoch": 1,\n  "epoch": 1,')), 3],
    [
      'two expiries',
      () =>
        spelt((text) =>
          text.replace(
            '  "tool"',
            '  "expiresAt": "2001-01-01T00:00:00Z",\n  "expiresAt": "2096-01-01T00:00:00Z",\n  "tool"',
          ),
        ),
      3,
    ],
    [
      'a key that the format does not have',
      () => spelt((text) => text.replace('  "tool"', '  "hook": "x",\n  "tool"')),
      3,
    ],
    ['a key less', () => spelt((text) => text.replace(/ {2}"epoch": 1,\n/, '')), 3],
    [
      'a number with a leading zero',
      () => spelt((text) => text.replace('"sequence": 7', '"sequence": 07')),
      3,
    ],
    [
      'a number that is none',
      () => spelt((text) => text.replace('"sequence": 7', '"sequence": "$(touch pwned)"')),
      3,
    ],
    ['a list in place of a text', () => spelt((text) => text.replace('"edge"', '[]')), 3],
    ['the year 0088', () => changed((manifest) => ({ ...manifest, expiresAt: '0088-01-01T08:09:08Z' })), 4],
    ['30 February', () => changed((manifest) => ({ ...manifest, expiresAt: '2096-02-30T00:00:00Z' })), 3],
    ['the hour 24', () => changed((manifest) => ({ ...manifest, expiresAt: '2096-02-01T24:00:00Z' })), 3],
    ['another version of the format', () => spelt((text) => text.replace('bundle/v1', 'bundle/v2')), 5],
    ['another format', () => spelt((text) => text.replace('plugferry.bundle/v1', 'evil')), 3],
    [
      'a totalSize that is not the sum',
      () => changed((manifest) => ({ ...manifest, totalSize: manifest.totalSize + 1 })),
      3,
    ],
    [
      'a manifest of 64 lines too long',
      () => spelt((text) => text.replace('"tool": "', `"tool": "${'x'.repeat(5000)}`)),
      3,
    ],
    [
      'checksums that lie',
      () =>
        changed((manifest) => ({
          ...manifest,
          files: manifest.files.map((file, i) => (i === 4 ? { ...file, md5: 'a'.repeat(32) } : file)),
        })),
      3,
    ],
    [
      'a file and a directory of one name',
      () => {
        const { manifest } = bundleParts([dev]);
        const [md5, sha256, ...rest] = manifest.files as [
          Manifest['files'][0],
          Manifest['files'][0],
          ...Manifest['files'],
        ];
        const extra = ['resources/a', 'resources/a/b'].map((path) => ({ ...md5, path }));
        const bytes = documentBytes({ ...manifest, files: [md5, sha256, ...extra, ...rest] });
        return tarGz(headEntries(bytes, [dev]));
      },
      3,
    ],
  ])(
    'a signed manifest with %s is refused, and nothing of it reaches the terminal',
    async (_what, build, code) => {
      const there = await at(box, build());
      await expectRefused(there, there.install, code);
    },
  );

  test('--audience takes what is meant for it, and nothing else', async () => {
    const bundle = changed((manifest) => ({ ...manifest, audience: ['prod', 'qa'] }));
    const there = await at(box, bundle);
    const run = (name: string) =>
      there.run('edge.tar.gz', '--public-key', 'dev.pub', '--to', 'out', '--audience', name);
    expect(await expectRefused(there, () => run('dev'), 4)).toContain('prod qa');
    await expectRefused(there, () => run('prod qa'), 2);
    expect(run('prod')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('meant for prod qa') as string,
    });
  });

  test('two keys in one file, a cut key, a compressed point and a key of small order are no keys', async () => {
    const there = await at(box, tarGz(bundleParts([dev]).entries));
    const small = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.alloc(32)]);
    const one = Buffer.from(small);
    one[12] = 1;
    const point = dev.trusted.key.export({ format: 'jwk' });
    const x = Buffer.from(point.x ?? '', 'base64url');
    const prefix = Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex');
    const even = (Buffer.from(point.y ?? '', 'base64url')[31] ?? 0) % 2 === 0;
    const compressed = Buffer.concat([prefix, Buffer.from([even ? 2 : 3]), x]);
    const pem = (der: Buffer): string =>
      `-----BEGIN PUBLIC KEY-----\n${der.toString('base64')}\n-----END PUBLIC KEY-----\n`;
    const texts = [
      dev.publicPem + qa.publicPem,
      qa.publicPem + dev.publicPem,
      dev.publicPem.replace('-----END PUBLIC KEY-----\n', ''),
      dev.publicPem.replace(/\n.{10}/, '\n'),
      pem(small),
      pem(one),
      pem(compressed),
      dev.privatePem,
      '',
    ];
    for (const text of texts) {
      await writeFile(join(there.here, 'other.pub'), text);
      const args = ['edge.tar.gz', '--public-key', 'other.pub', '--to', 'out'];
      await expectRefused(there, () => there.run(...args), 2);
      await expectRefused(
        there,
        () =>
          there.run(
            ...args.map((each) => (each === 'other.pub' ? 'dev.pub' : each)),
            '--file-key',
            'other.pub',
          ),
        2,
      );
    }
  });

  test('a name with control characters is not printed as it is, and is no bundle', async () => {
    const bundle = tarGz(bundleParts([dev]).entries);
    const there = await at(box, bundle);
    const name = 'ed\u001b]0;pwned\u0007ge.tar.gz';
    await writeFile(join(there.here, name), bundle);
    await expectRefused(there, () => there.run(name, '--public-key', 'dev.pub', '--to', 'out'), 2);
  });

  test('a directory or a pipe in place of a file beside the bundle does not hang', async () => {
    const there = await at(box, tarGz(bundleParts([dev]).entries));
    for (const suffix of ['.sha256', '.sha256.sig']) {
      const path = join(there.here, `edge.tar.gz${suffix}`);
      const bytes = await readFile(path);
      await rm(path);
      await mkdir(path);
      await expectRefused(there, there.install, 4);
      await rm(path, { recursive: true });
      await writeFile(path, bytes);
    }
    expect(there.install()).toMatchObject({ code: 0 });
  });
});

describe('a large bundle', () => {
  const [box] = boxes;

  test.skipIf(box === undefined)(
    'of 2000 resources is unpacked without a process that reads all of it for each',
    async () => {
      const text = Buffer.from('apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\n');
      const resources = Array.from({ length: 2000 }, (_, i) => ({
        name: `r${String(i).padStart(4, '0')}`,
        text,
        bytes: text,
        variables: [],
      }));
      const { entries } = resourceBundle([dev], resources);
      const there = await at(box!, tarGz(entries));
      expect(there.install()).toMatchObject({ code: 0, stderr: '' });
    },
  );

  test.skipIf(box === undefined)(
    'with a manifest of 500,000 lines is refused before the clock says so',
    async () => {
      const line = '  "x": "",\n';
      const lines = spelt((text) => text.replace('  "tool"', `${line.repeat(380_000)}  "tool"`));
      const there = await at(box!, lines);
      await expectRefused(there, there.install, 3);
      const names = changed((manifest) => ({
        ...manifest,
        plugins: manifest.plugins.map((plugin) => ({
          ...plugin,
          wasm: { ...plugin.wasm, exports: Array.from({ length: 4096 }, () => 'a'.repeat(300)) },
        })),
      }));
      const long = await at(box!, names);
      expect([0, 3]).toContain(long.install().code);
    },
  );
});
