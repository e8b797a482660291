import { gzipSync } from 'node:zlib';
import { checksumText } from '../../src/bundle/checksums.js';
import { digestOf } from '../../src/stream/digest.js';
import type { Manifest, ManifestFile } from '../../src/schema/manifest.js';
import { documentBytes } from '../../src/schema/parse.js';
import { bundleParts, headEntries, splitName, tarGz, type BundlePlugin } from '../helpers/bundle.js';
import type { CorpusCase, Lab } from '../helpers/corpus.js';
import { rawTar, type RawEntry } from '../helpers/tar.js';
import { noise, tinyModule, wasmHeader } from '../helpers/wasm.js';

/** A bundle of which everything is signed, whatever the manifest says. */
function signed({ key }: Lab, manifest: Buffer | string, payload?: readonly RawEntry[]): Buffer {
  const bytes = Buffer.from(manifest);
  const honest = bundleParts([key]).entries.slice(2);
  return tarGz([...headEntries(bytes, [key]), ...(payload ?? honest)]);
}

/** A manifest that has every field there is. */
function fullManifest({ key }: Lab): Manifest {
  return bundleParts([key], undefined, (manifest) => ({
    ...withoutFiles(manifest),
    audience: ['prod'],
    createdAt: manifest.createdAt,
    expiresAt: '2036-01-01T00:00:00Z',
    tool: manifest.tool,
    totalSize: manifest.totalSize,
    plugins: manifest.plugins.map((plugin) => ({
      ...plugin,
      wasm: {
        abi: ['proxy_abi_version_0_2_1'],
        start: ['_initialize'],
        toolchain: 'TinyGo 0.34.0',
        imports: [{ module: 'env', names: ['proxy_log'] }],
        exports: ['memory'],
      },
    })),
    files: manifest.files,
  })).manifest;
}

const withoutFiles = ({
  type,
  set,
  epoch,
  sequence,
}: Manifest): Pick<Manifest, 'type' | 'set' | 'epoch' | 'sequence'> => ({
  type,
  set,
  epoch,
  sequence,
});

/** The text of an honest manifest under each of `edits`, signed. An edit that changes nothing would be a mistake. */
const texts =
  (...edits: readonly ((text: string) => Buffer | string)[]) =>
  (lab: Lab): Buffer[] =>
    edits.map((edit, index) => {
      const honest = documentBytes(fullManifest(lab));
      const changed = Buffer.from(edit(honest.toString()));
      if (changed.equals(honest)) throw new Error(`edit ${index} changes nothing`);
      return signed(lab, changed);
    });

/** Each change to an honest manifest, written in canonical form and signed. */
const changed =
  (...changes: readonly ((manifest: Manifest) => void)[]) =>
  (lab: Lab): Buffer[] =>
    changes.map((change) => {
      const manifest = structuredClone(fullManifest(lab));
      change(manifest);
      return signed(lab, documentBytes(manifest));
    });

/** Whole bundles of plugins that have these names and versions, consistent in themselves. */
const plugins =
  (...lists: readonly (readonly BundlePlugin[])[]) =>
  ({ key }: Lab): Buffer[] =>
    lists.map((list) => tarGz(bundleParts([key], list).entries));

const name = (text: string): BundlePlugin[] => [{ name: text, version: '1.0.0' }];
const version = (text: string): BundlePlugin[] => [{ name: 'waf', version: text }];

/** Recomputes what follows from the list of files: total, and what the checksum files hold. */
function consistent(manifest: Manifest): Manifest {
  const payload = manifest.files.slice(2);
  for (const [file, algorithm] of [
    [manifest.files[0]!, 'md5'],
    [manifest.files[1]!, 'sha256'],
  ] as const) {
    Object.assign(file, digestOf(Buffer.from(checksumText(payload, algorithm))));
  }
  manifest.totalSize = manifest.files.reduce((sum, { size }) => sum + size, 0);
  return manifest;
}

/** A whole bundle whose manifest says something of its files that is not so, and whose checksum files agree with it. */
function lying({ key }: Lab, list: readonly BundlePlugin[], lie: (files: ManifestFile[]) => void): Buffer {
  const parts = bundleParts([key], list, (manifest) => {
    lie(manifest.files);
    return consistent(manifest);
  });
  const [md5Text, sha256Text] = (['md5', 'sha256'] as const).map((algorithm) =>
    Buffer.from(checksumText(parts.manifest.files.slice(2), algorithm)),
  );
  const payload = parts.entries.slice(2);
  return signed({ key } as Lab, parts.manifestBytes, [
    { name: 'checksums.md5', body: md5Text! },
    { name: 'checksums.sha256', body: sha256Text! },
    ...payload.slice(2),
  ]);
}

const one: readonly BundlePlugin[] = [{ name: 'waf', version: '1.0.0', wasm: tinyModule('waf', 3000) }];
const withModule = (wasm: Buffer): BundlePlugin[] => [{ name: 'waf', version: '1.0.0', wasm }];

/** The pair of Wang, Feng, Lai and Yu (2004): same MD5, other SHA-256. */
const colliding = [
  'd131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f8955ad340609f4b30283e488832571415a' +
    '085125e8f7cdc99fd91dbdf280373c5bd8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0' +
    'e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70',
  'd131dd02c5e6eec4693d9a0698aff95c2fcab50712467eab4004583eb8fb7f8955ad340609f4b30283e4888325f1415a' +
    '085125e8f7cdc99fd91dbd7280373c5bd8823e3156348f5bae6dacd436c919c6dd53e23487da03fd02396306d248cda0' +
    'e99f33420f577ee8ce54b67080280d1ec69821bcb6a8839396f965ab6ff72a70',
].map((hex) => Buffer.from(hex, 'hex'));

/** Nesting in so many levels, as often as it fits into a manifest. */
function nested(levels: number): string {
  const one1 = '['.repeat(levels) + ']'.repeat(levels);
  const count = Math.floor((4 * 1024 * 1024 - 2) / (one1.length + 1));
  return `[${Array.from({ length: count }, () => one1).join(',')}]`;
}

const manyFiles = (manifest: Manifest, count: number): void => {
  const last = manifest.files.at(-1)!;
  while (manifest.files.length < count) manifest.files.push({ ...last });
};
const manyPlugins = (manifest: Manifest, count: number): void => {
  const plugin = { ...manifest.plugins[0]!, wasm: { abi: [], start: [], imports: [], exports: [] } };
  manifest.plugins = Array.from({ length: count }, () => plugin);
};

/** Everything that moves a cursor, starts a sequence, ends a line or turns text round. */
const harmful = '\u001b]0;owned\u0007\u001b[2J\r\n\u009b31m\u202e\u2028\u007f';

/** The manifest with `harmful` behind one of its texts, for each kind of text there is. */
function spoiled(manifest: Manifest): string[] {
  const kinds = new Set<string>();
  const found: string[] = [];
  const visit = (node: unknown, kind: string, put: (value: unknown) => void): void => {
    if (typeof node === 'string' && !kinds.has(kind)) {
      kinds.add(kind);
      put(node + harmful);
      found.push(documentBytes(manifest).toString());
      put(node);
    }
    if (typeof node !== 'object' || node === null) return;
    for (const [key, value] of Object.entries(node)) {
      const record = node as Record<string, unknown>;
      visit(value, Array.isArray(node) ? `${kind}[]` : `${kind}.${key}`, (next) => (record[key] = next));
    }
  };
  visit(manifest, '', () => undefined);
  return found;
}

/** The second of two equal modules says that it is the first, whose path no hard link could name. */
function sharedLong({ key }: Lab): Buffer {
  const wasm = tinyModule('waf');
  const list = ['1', '2'].map((digit) => ({ name: 'n'.repeat(63), version: digit.repeat(30), wasm }));
  const { entries } = bundleParts([key], list, (manifest) => {
    manifest.files.at(-1)!.sameAs = manifest.files[3]!.path;
    return manifest;
  });
  return tarGz(entries);
}

/** A metadata.txt of the module in {@link one}, with one line changed. */
const metadata = (edit: (text: string) => string): BundlePlugin[] => {
  const [{ wasm }] = one as [BundlePlugin];
  const { size, md5 } = digestOf(wasm!);
  const time = '1980-01-01T00:00:00';
  const text = `Plugin Name: waf\nSize: ${size} bytes\nLast Modified: ${time}\nCreated: ${time}\nMD5: ${md5}\n`;
  return [{ ...one[0]!, metadata: Buffer.from(edit(text)) }];
};

/** Changes the first byte, one in the middle and the last of every file of the payload, in turn. */
function flippedBodies({ key }: Lab): Buffer[] {
  const { entries } = bundleParts([key]);
  return entries.flatMap((entry, at) => {
    const body = entry.body ?? Buffer.alloc(0);
    if (at < 2 || body.length === 0) return [];
    return [0, Math.floor(body.length / 2), body.length - 1].map((place) => {
      const other = Buffer.from(body);
      other.writeUInt8(other.readUInt8(place) ^ 0x20, place);
      return tarGz(entries.with(at, { ...entry, body: other }));
    });
  });
}

/** Each file of the payload, in turn, without its last byte. */
const shortBodies =
  (shorten: (entry: RawEntry, body: Buffer) => RawEntry) =>
  ({ key }: Lab): Buffer[] => {
    const { entries } = bundleParts([key]);
    return entries.flatMap((entry, at) => {
      const { body } = entry;
      if (at < 2 || body === undefined || body.length === 0) return [];
      return [tarGz(entries.with(at, shorten(entry, body.subarray(0, -1))))];
    });
  };

/** A flipped byte in the head of a module is found before its digest is known. */
const isModuleHead = ({ key }: Lab, bundle: Buffer): boolean => {
  const { entries } = bundleParts([key]);
  return entries.some((entry, at) => {
    if (entry.body === undefined || !entry.name!.endsWith('plugin.wasm')) return false;
    const other = Buffer.from(entry.body);
    other.writeUInt8(other.readUInt8(0) ^ 0x20, 0);
    return tarGz(entries.with(at, { ...entry, body: other })).equals(bundle);
  });
};

export const cases: readonly CorpusCase[] = [
  {
    id: 'M19',
    title: 'duplicate key',
    expect: 'M',
    build: texts(
      (text) => text.replace('  "epoch": 1,', '  "epoch": 0,\n  "epoch": 1,'),
      (text) => text.replace('"set": "edge"', '"set": "edge",\n  "set": "edge"'),
      (text) => text.replace('{\n', '{\n  "type": "plugferry.bundle/v1",\n'),
      (text) =>
        text.replace('"path": "checksums.md5"', '"path": "../../canary",\n      "path": "checksums.md5"'),
    ),
  },
  {
    id: 'M19',
    title: '__proto__ and its relatives',
    expect: 'M',
    build: texts(
      (text) => text.replace('  "epoch"', '  "__proto__": {\n    "polluted": true\n  },\n  "epoch"'),
      (text) => text.replace('  "epoch"', '  "__proto__": null,\n  "epoch"'),
      (text) => text.replace('"kind"', '"__proto__": [],\n        "kind"'),
      (text) => text.replace('"path"', '"constructor": {\n        "prototype": {}\n      },\n      "path"'),
      (text) => text.replace('  "epoch"', '  "hasOwnProperty": 1,\n  "epoch"'),
      (text) => text.replace('  "epoch"', '  "toJSON": 1,\n  "epoch"'),
    ),
  },
  {
    id: 'M19',
    title: 'BOM, CRLF and other white space',
    expect: 'M',
    build: texts(
      (text) => `\ufeff${text}`,
      (text) => text.replaceAll('\n', '\r\n'),
      (text) => text.trimEnd(),
      (text) => `${text}\n`,
      (text) => `${text} `,
      (text) => ` ${text}`,
      (text) => text.replaceAll('  ', '\t'),
      (text) => JSON.stringify(JSON.parse(text)),
      (text) => `${text}{}`,
      (text) => `${text}\0`,
      (text) => Buffer.from(text, 'utf16le'),
    ),
  },
  {
    id: 'M19',
    title: '1e3, -0 and other spellings of a number',
    expect: 'M',
    build: texts(
      ...['1e3', '1000.0', '-0', '0x1', '01', '1E0', 'NaN', '1_000', '+1', '"1"', 'null', '1.5'].map(
        (number) => (text: string) => text.replace('"epoch": 1,', `"epoch": ${number},`),
      ),
    ),
  },
  {
    id: 'M19',
    title: 'lone surrogate, bad UTF-8, needless escape',
    expect: 'M',
    build: texts(
      (text) => text.replace('plugferry/test', '\\ud800'),
      (text) => text.replace('plugferry/test', '\\udc00\\ud800'),
      (text) => Buffer.from(text.replace('plugferry/test', '\xed\xa0\x80'), 'latin1'),
      (text) => Buffer.from(text.replace('plugferry/test', '\xff'), 'latin1'),
      (text) => Buffer.from(text.replace('plugferry/test', '\xc0\xaf'), 'latin1'),
      (text) => text.replace('plugferry', '\\u0070lugferry'),
      (text) => text.replace('plugferry/test', 'plugferry\\/test'),
      (text) => text.replace('plugferry/test', '\u00e9'),
    ),
  },
  {
    id: 'M19',
    title: 'nesting: 10^6 levels, and as deep as pays',
    expect: 'M',
    build: (lab) => [
      signed(lab, '['.repeat(1_000_000) + ']'.repeat(1_000_000)),
      signed(lab, '{"a":'.repeat(500_000) + '1' + '}'.repeat(500_000)),
      ...texts((text) =>
        text.replace('"audience": [', `"audience": [${'['.repeat(2000)}${']'.repeat(2000)},`),
      )(lab),
      // Not so deep that writing it again would fail: it would succeed, in gigabytes.
      signed(lab, nested(3000)),
    ],
  },
  {
    id: 'M19',
    title: 'not an object, keys in another order, unknown and missing keys',
    expect: 'M',
    build: (lab) => [
      ...['', '\n', 'null\n', '[]\n', '"x"\n', '0\n', '{}\n', 'true'].map((text) => signed(lab, text)),
      ...texts(
        (text) => text.replace('  "epoch"', '  "more": true,\n  "epoch"'),
        (text) => text.replace('  "epoch"', '  "1": true,\n  "epoch"'),
        (text) => text.replace('  "epoch": 1,\n', ''),
        (text) => text.replace('  "type": "plugferry.bundle/v1",\n', ''),
        (text) => text.replace('  "epoch"', `  "${'k'.repeat(3_000_000)}": 1,\n  "epoch"`),
        (text) => text.replace('"plugferry/test"', `"${'v'.repeat(3_000_000)}"`),
        (text) => text.replace('plugferry.bundle/v1', 'in-toto'),
      )(lab),
    ],
  },
  {
    id: 'M19',
    title: 'another version of the format',
    expect: 'M',
    code: 'E_FORMAT_VERSION',
    build: texts(
      (text) => text.replace('plugferry.bundle/v1', 'plugferry.bundle/v2'),
      (text) => text.replace('plugferry.bundle/v1', 'plugferry.bundle/v10'),
    ),
  },
  {
    id: 'M20',
    title: 'manifest paths: traversal',
    expect: 'M',
    build: plugins(
      ...[
        '..',
        '.',
        '',
        '../..',
        '../../../canary',
        'a/../b',
        '/etc',
        '/',
        '\\',
        '..\\x',
        'C:',
        'C:x',
        'a\0b',
        'a/b',
      ].flatMap((text) => [name(text), version(text)]),
    ),
  },
  {
    id: 'M20',
    title: 'manifest paths: upper case, Unicode, white space',
    expect: 'M',
    build: plugins(
      ...[
        'WAF',
        'Waf',
        'caf\u00e9',
        'cafe\u0301',
        '\u0430uth',
        'a\u200b',
        '\u202ea',
        'w af',
        ' waf',
        'waf ',
        'waf.',
        '-waf',
        'waf-',
      ].map(name),
      ...[
        '1.0.0\u0660',
        '1.0.0 ',
        '1.0.0.',
        '.1',
        '-1',
        '1.0.0\u00b9',
        '1:0',
        '1;0',
        '1*',
        '1?',
        '1%2e',
        '%2e%2e',
      ].map(version),
    ),
  },
  {
    id: 'M20',
    title: 'manifest paths: device names',
    expect: 'M',
    build: plugins(
      ...['con', 'nul', 'aux', 'prn', 'com1', 'lpt9', 'com0', 'nul.txt', 'con.x.y'].map(name),
      ...['CON', 'NUL', 'nul.1', 'COM1', 'Lpt1.0.0'].map(version),
    ),
  },
  {
    id: 'M20',
    title: 'manifest paths: longer than 100 characters',
    expect: 'M',
    build: (lab) => [
      ...plugins(name('a'.repeat(64)), name('a'.repeat(100)), version('1'.repeat(65)))(lab),
      ...changed(
        (manifest) => (manifest.files.at(-1)!.path = `plugins/waf/2.0.0/${'x'.repeat(200)}`),
        (manifest) => (manifest.files.at(-1)!.path = `plugins/${'x/'.repeat(300)}plugin.wasm`),
        (manifest) => (manifest.plugins[0]!.name = 'x'.repeat(1025)),
      )(lab),
    ],
  },
  {
    id: 'M20',
    title: 'manifest paths: case twins, twins, out of order',
    expect: 'M',
    build: (lab) => [
      ...plugins(
        [
          { name: 'waf', version: '1.0.0-RC' },
          { name: 'waf', version: '1.0.0-rc' },
        ],
        [
          { name: 'waf', version: 'A' },
          { name: 'waf', version: 'a' },
        ],
        [
          { name: 'waf', version: '1.0.0' },
          { name: 'waf', version: '1.0.0' },
        ],
      )(lab),
      ...changed(
        (manifest) => manifest.plugins.reverse(),
        (manifest) => manifest.files.reverse(),
        (manifest) => (manifest.files.at(-2)!.path = manifest.files.at(-1)!.path),
      )(lab),
    ],
  },
  {
    id: 'M20',
    title: 'manifest paths: other files, and too few or too many',
    expect: 'M',
    build: changed(
      (manifest) => (manifest.files.at(-1)!.path = '../../canary'),
      (manifest) => (manifest.files.at(-1)!.path = 'manifest.json'),
      (manifest) => (manifest.files.at(-1)!.path = `signatures/${'a'.repeat(64)}.sig`),
      (manifest) => (manifest.files[0]!.path = 'checksums.sha1'),
      (manifest) => manifest.files.pop(),
      (manifest) => manifest.files.push({ ...manifest.files[0]!, path: 'plugins/waf/2.0.0/.bashrc' }),
      (manifest) => manifest.plugins.pop(),
      (manifest) => (manifest.plugins = []),
      (manifest) => (manifest.totalSize += 1),
      (manifest) => (manifest.files[0]!.sha256 = 'a'.repeat(64)),
      (manifest) => (manifest.files[0]!.sha256 = manifest.files[0]!.sha256.toUpperCase()),
    ),
  },
  {
    id: 'M20',
    title: 'manifest paths: the same as something else',
    expect: 'M',
    build: (lab) => [
      sharedLong(lab),
      ...changed(
        ...[
          '../../etc/passwd',
          '/etc/passwd',
          'manifest.json',
          'checksums.md5',
          'plugins/key-auth/1.0.0/plugin.wasm',
          'plugins/waf/2.0.0/plugin.wasm',
          'plugins/x/1.0.0/plugin.wasm',
          '',
        ].map((path) => (manifest: Manifest) => (manifest.files.at(-1)!.sameAs = path)),
        (manifest) => (manifest.files.at(-2)!.sameAs = manifest.files.at(-4)!.path),
        (manifest) => (manifest.files[1]!.sameAs = manifest.files[0]!.path),
        (manifest) => (manifest.files.at(-3)!.sameAs = manifest.files.at(-1)!.path),
        (manifest) => (manifest.files.at(-1)!.md5 = 'a'.repeat(32)),
      )(lab),
    ],
  },
  {
    id: 'M20',
    title: 'times that are none',
    expect: 'M',
    build: changed(
      ...[
        '2026-02-30T00:00:00Z',
        '2026-13-01T00:00:00Z',
        '2026-01-01T24:00:00Z',
        '2026-01-01T00:00:60Z',
        '0',
      ].flatMap((time) => [
        (manifest: Manifest) => (manifest.createdAt = time),
        (manifest: Manifest) => (manifest.expiresAt = time),
      ]),
    ),
  },
  {
    id: 'M21',
    title: 'manifest of 5 MiB',
    expect: 'L',
    build: (lab) => [
      signed(
        lab,
        documentBytes(fullManifest(lab))
          .toString()
          .padEnd(5 * 1024 * 1024, '\n'),
      ),
      signed(lab, Buffer.alloc(4 * 1024 * 1024 + 1, ' ')),
    ],
  },
  {
    id: 'M22',
    title: '10 001 files, total 1 PiB',
    expect: 'L',
    build: changed(
      (manifest) => {
        manyFiles(manifest, 10_001);
        manifest.totalSize = 2 ** 50;
      },
      (manifest) => {
        manyFiles(manifest, 10_001);
      },
      (manifest) => (manifest.totalSize = 2 ** 50),
      (manifest) => {
        manyPlugins(manifest, 5001);
      },
      (manifest) => (manifest.files.at(-1)!.size = 256 * 1024 * 1024 + 1),
      (manifest) => (manifest.files.at(-1)!.size = Number.MAX_SAFE_INTEGER),
      (manifest) => (manifest.files.at(-1)!.size = 1e300),
      (manifest) => (manifest.sequence = 2 ** 53),
    ),
  },
  {
    id: 'M22',
    title: 'sizes that are none',
    expect: 'M',
    build: changed(
      (manifest) => (manifest.files.at(-1)!.size = -1),
      (manifest) => (manifest.files.at(-1)!.size = 0.5),
      (manifest) => (manifest.totalSize = -1),
    ),
  },
  {
    id: 'M23',
    title: 'MD5-colliding metadata.txt pair swapped',
    expect: 'D',
    build: ({ key }) => {
      const [listed, carried] = colliding as [Buffer, Buffer];
      const { entries } = bundleParts([key], [{ ...one[0]!, metadata: listed }]);
      return [
        tarGz(
          entries.map((entry) => (entry.body?.equals(listed) === true ? { ...entry, body: carried } : entry)),
        ),
      ];
    },
  },
  {
    id: 'M24',
    title: 'sha256 right, md5 wrong',
    expect: 'D',
    build: (lab) => [
      lying(lab, one, (files) => (files[2]!.md5 = 'a'.repeat(32))),
      lying(
        lab,
        [{ ...one[0]!, metadata: metadataOf('a'.repeat(32)) }],
        (files) => (files[3]!.md5 = 'a'.repeat(32)),
      ),
    ],
  },
  {
    id: 'M25',
    title: 'one body byte flipped',
    expect: 'D',
    build: (lab) => flippedBodies(lab).filter((bundle) => !isModuleHead(lab, bundle)),
  },
  {
    id: 'M25',
    title: 'one byte of the head of a module flipped',
    expect: 'M',
    code: 'E_WASM',
    build: (lab) => flippedBodies(lab).filter((bundle) => isModuleHead(lab, bundle)),
  },
  {
    id: 'M26',
    title: 'truncated body, with a header that says so',
    expect: 'C',
    build: shortBodies((entry, body) => ({ ...entry, body })),
  },
  {
    id: 'M26',
    title: 'truncated body, filled up with zeros',
    expect: 'D',
    build: shortBodies((entry, body) => ({ ...entry, body: Buffer.concat([body, Buffer.alloc(1)]) })),
  },
  {
    id: 'M26',
    title: 'truncated body, at the end of the file',
    expect: 'C',
    build: ({ key }) => {
      const { entries } = bundleParts([key]);
      const tar = rawTar(entries);
      let end = rawTar(entries.slice(0, 2), Buffer.alloc(0)).length;
      return entries.slice(2).flatMap((entry) => {
        const size = entry.body?.length ?? 0;
        const cuts = size === 0 ? [] : [512, 512 + 1, 512 + size - 1, 512 + size];
        const cut = cuts.map((length) => gzipSync(tar.subarray(0, end + length)));
        end += 512 + Math.ceil(size / 512) * 512;
        return cut;
      });
    },
  },
  {
    id: 'M27',
    title: 'plugin.wasm that is gzip, tar, empty, of another version',
    expect: 'M',
    code: 'E_WASM',
    build: plugins(
      ...[
        gzipSync(tinyModule('waf')),
        rawTar([{ name: 'plugin.wasm', body: tinyModule('waf') }]),
        Buffer.alloc(0),
        wasmHeader.subarray(0, 4),
        wasmHeader.subarray(0, 7),
        Buffer.from('0061736d02000000', 'hex'),
        Buffer.from('0061736d0d000100', 'hex'),
        Buffer.from('0161736d01000000', 'hex'),
        Buffer.from('6d736100 01000000'.replace(' ', ''), 'hex'),
        Buffer.from('<!DOCTYPE html><title>404</title>'),
        Buffer.from('(module)'),
        Buffer.concat([Buffer.alloc(1), tinyModule('waf')]),
        noise(3, 5000),
      ].map(withModule),
    ),
  },
  {
    id: 'M28',
    title: 'ESC and CR LF in every string field',
    expect: 'M',
    build: (lab) => spoiled(fullManifest(lab)).map((text) => signed(lab, text)),
  },
  {
    id: 'M28',
    title: 'ESC and CR LF in a key',
    expect: 'M',
    build: texts((text) => text.replace('  "epoch"', `  ${JSON.stringify(harmful)}: 1,\n  "epoch"`)),
  },
  {
    id: 'M28',
    title: 'ESC and CR LF in metadata.txt',
    expect: 'M',
    code: 'E_METADATA',
    build: plugins(
      metadata((text) => text.replace('waf', harmful)),
      metadata((text) => text.replace('MD5', `${harmful}MD5`)),
      metadata((text) => `${text}${harmful}\n`),
      metadata((text) => text.replace('Size: ', 'Size: 1')),
      metadata((text) => `\ufeff${text}`),
      metadata(() => ''),
      metadata((text) => text.padEnd(64 * 1024, '\n')),
      metadata((text) => Buffer.from(text, 'utf16le').toString('latin1')),
    ),
  },
  {
    id: 'M28',
    title: 'ESC and CR LF in the name of an entry',
    expect: 'C',
    build: ({ key }) => {
      const { entries } = bundleParts([key]);
      const names = [harmful, `plugins/${harmful}`, `signatures/${harmful}.sig`];
      return [
        ...names.map((text) => tarGz([...entries, { ...splitName(Buffer.from(text).toString('latin1')) }])),
        tarGz([...entries.slice(0, -1), { ...entries.at(-1)!, linkName: '\x1b[31m' }]),
        tarGz([{ name: '\x1b[31m\r\n' }, ...entries]),
      ];
    },
  },
];

/** A metadata.txt that gives this MD5 for the module in {@link one}. */
function metadataOf(md5: string): Buffer {
  return metadata((text) => text.replace(/MD5: .*/, `MD5: ${md5}`))[0]!.metadata!;
}
