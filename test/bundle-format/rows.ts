import { gzipSync } from 'node:zlib';
import { checksumText } from '../../src/bundle/checksums.js';
import type { ErrorCode } from '../../src/errors.js';
import { digestOf } from '../../src/stream/digest.js';
import type { Manifest, ManifestFile } from '../../src/schema/manifest.js';
import {
  bundleParts,
  headEntries,
  resourceBundle,
  somePlugins,
  tarGz,
  type BundlePlugin,
} from '../helpers/bundle.js';
import type { TestKey } from '../helpers/keys.js';
import { rawTar, type RawEntry } from '../helpers/tar.js';
import { tinyModule } from '../helpers/wasm.js';

/** One rule of `schemas/README.md`, and a bundle that breaks it, or just keeps it. All of it is signed. */
export interface Row {
  /** Section, and the rule in words. */
  readonly rule: string;
  readonly build: (key: TestKey) => Buffer;
  /** What the reader of this program says. */
  readonly node: ErrorCode | 'accepted';
  /** With which code `install.sh` ends. */
  readonly shell: number;
}

type Edit = (manifest: Manifest) => void;
type Entries = (entries: readonly RawEntry[], key: TestKey) => readonly RawEntry[];
type Change = (entries: readonly RawEntry[]) => readonly RawEntry[];

/** An honest bundle whose manifest was edited before it was signed; entries as they were. */
const withManifest =
  (edit: Edit, plugins: readonly BundlePlugin[] = somePlugins, entries: Entries = (found) => found) =>
  (key: TestKey): Buffer => {
    const parts = bundleParts([key], plugins, (manifest) => {
      edit(manifest);
      return manifest;
    });
    return tarGz(entries(parts.entries, key));
  };

const withEntries =
  (edit: Entries) =>
  (key: TestKey): Buffer =>
    tarGz(edit(bundleParts([key]).entries, key));

/** The text of the manifest is another, and signed. */
const withText =
  (edit: (text: string) => string) =>
  (key: TestKey): Buffer => {
    const { manifestBytes, entries } = bundleParts([key]);
    const text = edit(manifestBytes.toString());
    if (text === manifestBytes.toString()) throw new Error('the edit changes nothing');
    return tarGz([...headEntries(Buffer.from(text), [key]), ...entries.slice(2)]);
  };

/** The same values with the keys of each object in another order, where `order` says so. */
const inOrder =
  (order: (keys: readonly string[]) => readonly string[]) =>
  (text: string): string => {
    const turn = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(turn);
      if (typeof value !== 'object' || value === null) return value;
      const object = value as Record<string, unknown>;
      return Object.fromEntries(order(Object.keys(object)).map((key) => [key, turn(object[key])]));
    };
    return `${JSON.stringify(turn(JSON.parse(text)), null, 2)}\n`;
  };

/** One bundle of these plugins, whose list of files was edited, with checksum files and a total that fit. */
const withFiles =
  (plugins: readonly BundlePlugin[], edit: (files: ManifestFile[]) => void, bodies: readonly Buffer[] = []) =>
  (key: TestKey): Buffer => {
    const texts: Buffer[] = [];
    const parts = bundleParts([key], plugins, (manifest) => {
      edit(manifest.files);
      const payload = manifest.files.slice(2);
      for (const [at, algorithm] of (['md5', 'sha256'] as const).entries()) {
        texts.push(Buffer.from(checksumText(payload, algorithm)));
        Object.assign(manifest.files[at]!, digestOf(texts[at]!));
      }
      manifest.totalSize = manifest.files.reduce((sum, { size }) => sum + size, 0);
      return manifest;
    });
    const payload = parts.entries.slice(4).map((entry, at): RawEntry => {
      const file = parts.manifest.files[at + 2];
      const { name, prefix } = entry;
      const rest = { ...(name === undefined ? {} : { name }), ...(prefix === undefined ? {} : { prefix }) };
      if (file?.sameAs !== undefined)
        return { ...rest, body: Buffer.alloc(0), type: '1', linkName: file.sameAs };
      return { ...rest, body: bodies[at] ?? entry.body ?? plugins[Math.floor(at / 2)]!.wasm! };
    });
    const checksums = ['checksums.md5', 'checksums.sha256'].map((name, at) => ({ name, body: texts[at]! }));
    return tarGz([...parts.entries.slice(0, 2), ...checksums, ...payload]);
  };

const waf = Buffer.from(tinyModule('waf', 3000));
const other = Buffer.from(tinyModule('other', 3000));
const plugin = (name: string, version: string, more: Partial<BundlePlugin> = {}): BundlePlugin => ({
  name,
  version,
  wasm: waf,
  ...more,
});

/** A metadata.txt of {@link waf} as Plugferry writes it, with an edit. */
const metadata =
  (edit: (text: string) => Buffer | string, plugins = [plugin('waf', '1.0.0')]) =>
  (key: TestKey): Buffer => {
    const { size, md5 } = digestOf(waf);
    const time = '1980-01-01T00:00:00';
    const text = `Plugin Name: waf\nSize: ${size} bytes\nLast Modified: ${time}\nCreated: ${time}\nMD5: ${md5}\n`;
    const [first, ...rest] = plugins;
    const bytes = Buffer.from(edit(text) as string);
    return tarGz(bundleParts([key], [{ ...first!, metadata: bytes }, ...rest]).entries);
  };

const signatureEntry = (keyId: string, body: Buffer): RawEntry => ({ name: `signatures/${keyId}.sig`, body });
const behindManifest = (entries: readonly RawEntry[], ...more: readonly RawEntry[]): RawEntry[] => [
  entries[0]!,
  ...[...more, entries[1]!].sort((a, b) => (a.name! < b.name! ? -1 : 1)),
  ...entries.slice(2),
];
/** Changes the entry at a place; -1 is the last one that is no link. */
const at =
  (place: number, change: Partial<RawEntry>): Change =>
  (entries) =>
    entries.map((entry, index) => (index === place ? { ...entry, ...change } : entry));
const patched = (place: number, offset: number, text: string): Change =>
  at(place, { patch: (header) => void header.write(text, offset, 'latin1') });

const head = Buffer.from('1f8b0800000000000003', 'hex');
const behind = (bytes: Buffer) => (key: TestKey) => Buffer.concat([tarGz(bundleParts([key]).entries), bytes]);
const gzipHead = (offset: number, value: number) => (key: TestKey) => {
  const bytes = Buffer.from(tarGz(bundleParts([key]).entries));
  head.copy(bytes);
  bytes[offset] = value;
  return bytes;
};

const long = 'n'.repeat(63);
const longVersions = ['1', '2'].map((digit) => plugin(long, digit.repeat(30)));
const resourceText = Buffer.from(
  'apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: waf}\nspec: {}\n',
);
const resource = (name: string, variables: string[] = []) => ({ name, variables, text: resourceText });
const withResources =
  (resources: readonly ReturnType<typeof resource>[], edit: (manifest: Manifest) => void = () => undefined) =>
  (key: TestKey): Buffer => {
    const { manifest, entries } = resourceBundle([key], resources);
    edit(manifest);
    const bytes = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
    return tarGz([...headEntries(bytes, [key]), ...entries.slice(2)]);
  };
const inTenYears = (): number => Math.floor(Date.now() / 1000) + 10 * 31_557_600;

const good = (rule: string, build: Row['build']): Row => ({ rule, build, node: 'accepted', shell: 0 });
const refused =
  (shell: number) =>
  (rule: string, node: ErrorCode, build: Row['build']): Row => ({ rule, build, node, shell });
/** Damaged. */
const bad = refused(3);
/** Out of date, or not to be believed. */
const untimely = refused(4);
/** Of another version of the format. */
const foreign = refused(5);
/** What only a reader of modules can see. */
const unseen = refused(0);

export const entryRows: readonly Row[] = [
  good(
    'an honest bundle',
    withEntries((entries) => entries),
  ),
  bad(
    'the manifest comes first',
    'E_CONTAINER',
    withEntries(([manifest, ...rest]) => [rest[0]!, manifest!, ...rest.slice(1)]),
  ),
  bad(
    'a manifest has at most 4 MiB',
    'E_LIMIT',
    withText((text) => text.padEnd(4 * 1024 * 1024 + 1, '\n')),
  ),
  good(
    '16 signatures',
    withEntries((entries) => behindManifest(entries, ...sigs(15))),
  ),
  bad(
    'at most 16 signatures',
    'E_LIMIT',
    withEntries((entries) => behindManifest(entries, ...sigs(16))),
  ),
  bad(
    'signatures ascend',
    'E_CONTAINER',
    withEntries((entries) => {
      const [manifest, one, two, ...rest] = behindManifest(entries, ...sigs(1));
      return [manifest!, two!, one!, ...rest];
    }),
  ),
  bad(
    'a signature stands once',
    'E_CONTAINER',
    withEntries((entries) => [...entries.slice(0, 2), ...entries.slice(1)]),
  ),
  good(
    'a signature of 128 bytes',
    withEntries((entries) => behindManifest(entries, signatureEntry('0'.repeat(64), Buffer.alloc(128)))),
  ),
  bad(
    'a signature has at most 128 bytes',
    'E_LIMIT',
    withEntries((entries) => behindManifest(entries, signatureEntry('0'.repeat(64), Buffer.alloc(129)))),
  ),
  bad(
    'a signature is named after a key id in lower case',
    'E_CONTAINER',
    withEntries((entries) => behindManifest(entries, signatureEntry('A'.repeat(64), Buffer.alloc(64)))),
  ),
  untimely(
    'a signature ends with its DER',
    'E_SIGNATURE_INVALID',
    withEntries((entries) => at(1, { body: Buffer.concat([entries[1]!.body!, Buffer.alloc(1)]) })(entries)),
  ),
  untimely(
    'a signature ends with its DER, also behind what openssl reads',
    'E_SIGNATURE_INVALID',
    withEntries((entries) =>
      at(1, { body: Buffer.concat([entries[1]!.body!, Buffer.alloc(73 - entries[1]!.body!.length)]) })(
        entries,
      ),
    ),
  ),
  bad(
    'metadata stands in front of its module',
    'E_CONTAINER',
    withEntries((entries) => [...entries.slice(0, 4), entries[5]!, entries[4]!, ...entries.slice(6)]),
  ),
  bad(
    'nothing else stands between',
    'E_CONTAINER',
    withEntries((entries) => [
      ...entries.slice(0, 4),
      { name: 'README', body: Buffer.from('x') },
      ...entries.slice(4),
    ]),
  ),
  bad(
    'nothing is missing',
    'E_CONTAINER',
    withEntries((entries) => entries.slice(0, -1)),
  ),
  bad(
    'plugins ascend',
    'E_MANIFEST',
    withManifest((manifest) => void manifest.plugins.reverse()),
  ),
];

function sigs(count: number): RawEntry[] {
  return Array.from({ length: count }, (_, i) =>
    signatureEntry(i.toString(16).padStart(64, '0'), Buffer.alloc(64, 1)),
  );
}

export const gzipRows: readonly Row[] = [
  good('several members follow one another', (key) => {
    const tar = rawTar(bundleParts([key]).entries);
    return Buffer.concat([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))]);
  }),
  good('an empty member is one', behind(gzipSync(Buffer.alloc(0)))),
  bad('no flags', 'E_GZIP', gzipHead(3, 1)),
  bad('no time', 'E_GZIP', gzipHead(4, 1)),
  bad('no extra flags', 'E_GZIP', gzipHead(8, 2)),
  bad('OS 3', 'E_GZIP', gzipHead(9, 255)),
  bad('behind the last member the file ends: text', 'E_GZIP', behind(Buffer.from('more'))),
  bad('behind the last member the file ends: one zero', 'E_GZIP', behind(Buffer.alloc(1))),
  bad('behind the last member the file ends: a block of zeros', 'E_GZIP', behind(Buffer.alloc(512))),
  bad(
    'behind the last member the file ends: zeros and a member',
    'E_GZIP',
    behind(Buffer.concat([Buffer.alloc(8), gzipSync(Buffer.alloc(0))])),
  ),
  bad('a member has its end', 'E_GZIP', (key) => tarGz(bundleParts([key]).entries).subarray(0, -1)),
];

export const tarRows: readonly Row[] = [
  bad('magic of POSIX', 'E_CONTAINER', withEntries(at(4, { magic: Buffer.from('ustar  \0', 'latin1') }))),
  bad('the version 00', 'E_CONTAINER', withEntries(at(0, { magic: Buffer.from('ustar\x0001', 'latin1') }))),
  ...(
    [
      ['mode', 100],
      ['uid', 108],
      ['gid', 116],
      ['devmajor', 329],
      ['devminor', 337],
    ] as const
  ).flatMap(([field, offset]) => [
    good(`${field}: 7 digits and a NUL`, withEntries(patched(4, offset, '0000644\0'))),
    good(`${field}: 6 digits, a NUL and a blank`, withEntries(patched(4, offset, '000644\0 '))),
    bad(`${field} is octal`, 'E_CONTAINER', withEntries(patched(4, offset, '000648 \0'))),
    bad(`${field} is not empty`, 'E_CONTAINER', withEntries(patched(4, offset, '\0\0\0\0\0\0\0\0'))),
    bad(`${field} has no blanks in front`, 'E_CONTAINER', withEntries(patched(4, offset, '   644 \0'))),
  ]),
  good(
    'size: 10 digits and two blanks',
    withEntries((entries) =>
      entries.map((entry) => ({
        ...entry,
        size: Buffer.from(`${(entry.body?.length ?? 0).toString(8).padStart(10, '0')}  `),
      })),
    ),
  ),
  good('mtime: 10 digits, a NUL and a blank', withEntries(at(0, { mtime: '0000000000\0 ' }))),
  bad(
    'size is octal',
    'E_CONTAINER',
    withEntries(at(4, { size: Buffer.from('\x80\0\0\0\0\0\0\0\0\0\0\x7f', 'latin1') })),
  ),
  bad('mtime is octal', 'E_CONTAINER', withEntries(at(0, { mtime: '          \0 ' }))),
  bad('the checksum is right', 'E_CONTAINER', withEntries(at(1, { checksum: '000001\0 ' }))),
  good('mode 07777', withEntries(at(4, { mode: '007777 \0' }))),
  bad('mode is at most 07777', 'E_CONTAINER', withEntries(at(4, { mode: '010000 \0' }))),
  bad('typeflag is 0: not NUL', 'E_CONTAINER', withEntries(at(4, { type: '\0' }))),
  bad('typeflag is 0: not 7', 'E_CONTAINER', withEntries(at(0, { type: '7' }))),
  bad(
    'a link where the manifest says sameAs',
    'E_CONTAINER',
    withEntries(at(7, { type: '1', body: Buffer.alloc(0), linkName: 'plugins/key-auth/1.0.0/plugin.wasm' })),
  ),
  bad(
    'a file where the manifest says sameAs',
    'E_CONTAINER',
    withEntries(at(9, { type: '0', linkName: '', body: waf })),
  ),
  bad(
    'a link to another path',
    'E_CONTAINER',
    withEntries(at(9, { linkName: 'plugins/key-auth/1.0.0/plugin.wasm' })),
  ),
  bad('the size of a link is 0', 'E_CONTAINER', withEntries(at(9, { body: Buffer.alloc(512) }))),
  bad('linkname of a file is zero', 'E_CONTAINER', withEntries(at(4, { linkName: 'x' }))),
  bad('uname is zero', 'E_CONTAINER', withEntries(at(4, { userName: 'root' }))),
  bad('gname is zero', 'E_CONTAINER', withEntries(patched(4, 297, 'root'))),
  bad('bytes 500-511 are zero', 'E_CONTAINER', withEntries(patched(0, 511, 'x'))),
  bad('nothing follows the first NUL of a name', 'E_CONTAINER', withEntries(patched(4, 90, 'x'))),
  bad(
    'nothing follows the first NUL of the name of the manifest',
    'E_CONTAINER',
    withEntries(patched(0, 90, 'x')),
  ),
  bad('nothing follows the first NUL of a linkname', 'E_CONTAINER', withEntries(patched(9, 250, 'x'))),
  good(
    'the name of a file is split',
    withEntries(at(4, { name: 'metadata.txt', prefix: 'plugins/key-auth/1.0.0' })),
  ),
  good(
    'the name of a signature is split',
    withEntries((entries, key) => at(1, { name: `${key.keyId}.sig`, prefix: 'signatures' })(entries)),
  ),
  bad(
    'name and size are those of the next entry: name',
    'E_CONTAINER',
    withEntries(at(4, { name: 'plugins/key-auth/1.0.0/metadata.txu' })),
  ),
  bad(
    'name and size are those of the next entry: size',
    'E_CONTAINER',
    withEntries((entries) => at(4, { body: Buffer.concat([entries[4]!.body!, Buffer.from('x')]) })(entries)),
  ),
  bad('padding is zero', 'E_CONTAINER', withEntries(at(1, { padding: Buffer.from('x') }))),
  bad('two zero blocks end the archive', 'E_CONTAINER', (key) =>
    tarGz(bundleParts([key]).entries, Buffer.alloc(512)),
  ),
  good('zero blocks up to 10 KiB', (key) => {
    const { entries } = bundleParts([key]);
    const size = rawTar(entries, Buffer.alloc(0)).length;
    return tarGz(entries, Buffer.alloc(((10_240 - ((size + 1024) % 10_240)) % 10_240) + 1024));
  }),
  bad('then nothing', 'E_CONTAINER', (key) => tarGz(bundleParts([key]).entries, Buffer.alloc(20_992))),
  bad('then nothing, not half a block', 'E_CONTAINER', (key) =>
    tarGz(bundleParts([key]).entries, Buffer.alloc(1025)),
  ),
  bad('only zero blocks', 'E_CONTAINER', (key) =>
    tarGz(
      bundleParts([key]).entries,
      Buffer.concat([Buffer.alloc(1024), Buffer.from('x'.padEnd(512, '\0'))]),
    ),
  ),
  bad(
    'no directory entries',
    'E_CONTAINER',
    withEntries((entries) => [...entries.slice(0, 4), { name: 'plugins/', type: '5' }, ...entries.slice(4)]),
  ),
  bad(
    'no PAX extensions',
    'E_CONTAINER',
    withEntries((entries) => [
      ...entries.slice(0, 4),
      { name: 'x', type: 'x', body: Buffer.from('9 a=bcd\n') },
      ...entries.slice(4),
    ]),
  ),
  bad(
    'no GNU extensions',
    'E_CONTAINER',
    withEntries((entries) => [
      ...entries.slice(0, 4),
      { name: '././@LongLink', type: 'L', body: Buffer.from('x\0') },
      ...entries.slice(4),
    ]),
  ),
];

export const manifestRows: readonly Row[] = [
  good(
    'keys stand in any order behind type',
    withText(
      inOrder((keys) => keys.toSorted((a, b) => (a === 'type' ? -1 : b === 'type' ? 1 : a < b ? 1 : -1))),
    ),
  ),
  good(
    'keys stand in any order behind type, ascending',
    withText(
      inOrder((keys) =>
        ['type', ...keys.toSorted()].filter((key, i, all) => keys.includes(key) && all.indexOf(key) === i),
      ),
    ),
  ),
  bad(
    'type is the first key',
    'E_MANIFEST',
    withText(inOrder((keys) => [...keys.slice(1), ...keys.slice(0, 1)])),
  ),
  bad(
    'type is the first key, not the second',
    'E_MANIFEST',
    withText(inOrder((keys) => (keys[0] === 'type' ? [keys[1]!, keys[0], ...keys.slice(2)] : keys))),
  ),
  foreign(
    'type of another version',
    'E_FORMAT_VERSION',
    withText((text) => text.replace('bundle/v1', 'bundle/v2')),
  ),
  bad(
    'type of something else',
    'E_MANIFEST',
    withText((text) => text.replace('plugferry.bundle/v1', 'plugferry.release/v1')),
  ),
  bad(
    'unknown keys are refused',
    'E_MANIFEST',
    withText((text) => text.replace('"set"', '"hook": "",\n  "set"')),
  ),
  bad(
    'no duplicate keys',
    'E_MANIFEST',
    withText((text) => text.replace('"set": "edge"', '"set": "edge",\n  "set": "edge"')),
  ),
  bad(
    'no other spelling of a number',
    'E_MANIFEST',
    withText((text) => text.replace('"sequence": 7', '"sequence": 7.0')),
  ),
  bad(
    'no byte order mark',
    'E_MANIFEST',
    withText((text) => `\ufeff${text}`),
  ),
  bad(
    'no trailing data',
    'E_MANIFEST',
    withText((text) => `${text}\n`),
  ),
  bad(
    'strings are ASCII',
    'E_MANIFEST',
    withText((text) => text.replace('plugferry/test', 'pl\u00fcgferry')),
  ),
  bad(
    'strings are printable',
    'E_MANIFEST',
    withText((text) => text.replace('plugferry/test', '\\u007f')),
  ),
  good(
    'a text with every printable character',
    withManifest(
      (manifest) => (manifest.tool = String.fromCharCode(...Array.from({ length: 95 }, (_, i) => i + 32))),
    ),
  ),
  good(
    'a text of 1024 quotes',
    withManifest((manifest) => (manifest.tool = '"'.repeat(1024))),
  ),
  bad(
    'a text has at most 1024 characters',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.tool = 'x'.repeat(1025))),
  ),
  good(
    'a set of 63 characters',
    withManifest((manifest) => (manifest.set = `a${'._-'.repeat(20)}.0`)),
  ),
  bad(
    'a set has at most 63 characters',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.set = 'a'.repeat(64))),
  ),
  bad(
    'a set begins with a letter or digit',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.set = '.edge')),
  ),
  bad(
    'a set ends with a letter or digit',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.set = 'edge.')),
  ),
  bad(
    'a set has no upper case',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.set = 'Edge')),
  ),
  bad(
    'sequences are whole',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.sequence = 1.5)),
  ),
  bad(
    'sequences are not negative',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.sequence = -1)),
  ),
  bad(
    'sequences are below 2^53',
    'E_LIMIT',
    withManifest((manifest) => (manifest.sequence = 2 ** 53)),
  ),
  good(
    'a sequence of today',
    withManifest((manifest) => (manifest.sequence = Math.floor(Date.now() / 1000))),
  ),
  good(
    'a sequence nearly ten years ahead (3.1)',
    withManifest((manifest) => (manifest.sequence = inTenYears() - 3600)),
  ),
  untimely(
    'a sequence is at most ten years ahead (3.1)',
    'E_SEQUENCE',
    withManifest((manifest) => (manifest.sequence = inTenYears() + 3600)),
  ),
  untimely(
    'a sequence is at most ten years ahead (3.1): 2^53 - 1',
    'E_SEQUENCE',
    withManifest((manifest) => (manifest.sequence = 2 ** 53 - 1)),
  ),
  good(
    'epoch 0',
    withManifest((manifest) => (manifest.epoch = 0)),
  ),
  good(
    'epoch 10,000 (3.1)',
    withManifest((manifest) => (manifest.epoch = 10_000)),
  ),
  untimely(
    'an epoch is at most 10,000 (3.1)',
    'E_EPOCH',
    withManifest((manifest) => (manifest.epoch = 10_001)),
  ),
  untimely(
    'an epoch is at most 10,000 (3.1): 2^53 - 1',
    'E_EPOCH',
    withManifest((manifest) => (manifest.epoch = 2 ** 53 - 1)),
  ),
  good(
    '32 environments',
    withManifest((manifest) => (manifest.audience = Array.from({ length: 32 }, (_, i) => `e${i}`))),
  ),
  bad(
    'at most 32 environments',
    'E_LIMIT',
    withManifest((manifest) => (manifest.audience = Array.from({ length: 33 }, (_, i) => `e${i}`))),
  ),
  bad(
    'an environment once',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.audience = ['prod', 'prod'])),
  ),
  bad(
    'the name of an environment',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.audience = ['Prod'])),
  ),
  bad(
    'createdAt is a time that there is',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.createdAt = '2026-02-30T00:00:00Z')),
  ),
  bad(
    'createdAt has no fraction',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.createdAt = '2026-01-02T03:04:05.0Z')),
  ),
  bad(
    'createdAt is in UTC',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.createdAt = '2026-01-02T03:04:05+00:00')),
  ),
  good(
    'createdAt on 29 February of a leap year',
    withManifest((manifest) => (manifest.createdAt = '2024-02-29T23:59:59Z')),
  ),
  bad(
    'there is no second 60',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.createdAt = '2016-12-31T23:59:60Z')),
  ),
  untimely(
    'createdAt is not in the future',
    'E_CLOCK',
    withManifest(
      (manifest) => (manifest.createdAt = `${new Date(Date.now() + 90_000_000).toISOString().slice(0, 19)}Z`),
    ),
  ),
  bad(
    'expiresAt is a time that there is',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.expiresAt = '2096-01-01T24:00:00Z')),
  ),
  untimely(
    'expiresAt is not over',
    'E_EXPIRED',
    withManifest((manifest) => (manifest.expiresAt = '2026-01-03T00:00:00Z')),
  ),
  bad(
    'totalSize is the sum',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.totalSize -= 1)),
  ),
  bad(
    'totalSize is at most 1 TiB',
    'E_LIMIT',
    withManifest((manifest) => (manifest.totalSize = 2 ** 40 + 1)),
  ),
  bad(
    'a file has at most 256 MiB',
    'E_LIMIT',
    withManifest((manifest) => (manifest.files[3]!.size = 2 ** 28 + 1)),
  ),
  bad(
    'resources[] is absent where there are none',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.resources = [])),
  ),
  bad(
    'files[] follows from plugins[]',
    'E_MANIFEST',
    withManifest((manifest) => void manifest.files.splice(2, 1)),
  ),
  bad(
    'checksum files list what the manifest does',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.files[3]!.md5 = '0'.repeat(32))),
  ),
  bad(
    'digests are in lower case',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.files[3]!.sha256 = manifest.files[3]!.sha256.toUpperCase())),
  ),
  bad(
    'no two paths are equal without regard to case',
    'E_MANIFEST',
    withManifest(() => undefined, [plugin('waf', '1-RC'), plugin('waf', '1-rc')]),
  ),
  ...['a..b', '-waf', 'waf.', 'Waf', 'nul', 'com1.x', 'a'.repeat(64), ''].map((name) =>
    bad(
      `no plugin name: "${name}"`,
      'E_MANIFEST',
      withManifest(() => undefined, [plugin(name, '1')]),
    ),
  ),
  ...['1..2', '.1', '-1', '1.', 'NUL', 'con.1', '1'.repeat(65), '1/2', ''].map((version) =>
    bad(
      `no version: "${version}"`,
      'E_MANIFEST',
      withManifest(() => undefined, [plugin('waf', version)]),
    ),
  ),
  good(
    'a name and a version that are as odd as they may be',
    withManifest(
      () => undefined,
      [plugin(`0${'._-'.repeat(20)}.0`.replace('..', '._'), `_${'.+-'.repeat(21)}`), plugin('a-b', '1-')],
    ),
  ),
  bad(
    'source.digest is one',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.plugins[0]!.source.digest = 'sha256:0')),
  ),
  bad(
    'source names a kind',
    'E_MANIFEST',
    withText((text) => text.replace(/\n +"kind": "[^"]*",/, '')),
  ),
  unseen(
    'wasm says what the module exports',
    'E_MANIFEST',
    withManifest((manifest) => manifest.plugins[0]!.wasm.exports.push('zzz')),
  ),
  bad(
    'exports ascend',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.plugins[0]!.wasm.exports = ['b', 'a'])),
  ),
  bad(
    'imports ascend',
    'E_MANIFEST',
    withManifest(
      (manifest) =>
        (manifest.plugins[0]!.wasm.imports = [
          { module: 'wasi', names: ['a'] },
          { module: 'env', names: ['a'] },
        ]),
    ),
  ),
  bad(
    'imports are grouped by module',
    'E_MANIFEST',
    withManifest(
      (manifest) =>
        (manifest.plugins[0]!.wasm.imports = [
          { module: 'env', names: ['a'] },
          { module: 'env', names: ['b'] },
        ]),
    ),
  ),
  bad(
    'names of imports ascend',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.plugins[0]!.wasm.imports = [{ module: 'env', names: ['b', 'a'] }])),
  ),
  bad(
    'abi ascends',
    'E_MANIFEST',
    withManifest(
      (manifest) => (manifest.plugins[0]!.wasm.abi = ['proxy_abi_version_0_2_1', 'proxy_abi_version_0_1_0']),
    ),
  ),
  bad(
    'start ascends',
    'E_MANIFEST',
    withManifest((manifest) => (manifest.plugins[0]!.wasm.start = ['_start', '_initialize'])),
  ),
];

const two = [plugin('waf', '1.0.0'), plugin('waf', '2.0.0')];
const three = [...two, plugin('waf', '3.0.0')];
const first = 'plugins/waf/1.0.0/plugin.wasm';
const second = 'plugins/waf/2.0.0/plugin.wasm';

export const sameRows: readonly Row[] = [
  bad(
    'a module whose bytes equal those of an earlier one has sameAs',
    'E_MANIFEST',
    withFiles(two, (files) => delete files[5]!.sameAs),
  ),
  bad(
    'also where one between has it',
    'E_MANIFEST',
    withFiles(three, (files) => delete files[7]!.sameAs),
  ),
  bad(
    'also where they belong to different plugins',
    'E_MANIFEST',
    withFiles([plugin('cors', '1'), plugin('waf', '1')], (files) => delete files[5]!.sameAs),
  ),
  bad(
    'sameAs points to no link',
    'E_MANIFEST',
    withFiles(three, (files) => (files[7]!.sameAs = second)),
  ),
  bad(
    'sameAs does not point forward',
    'E_MANIFEST',
    withFiles(two, (files) => {
      delete files[5]!.sameAs;
      files[3]!.sameAs = second;
    }),
  ),
  bad(
    'sameAs does not point to itself',
    'E_MANIFEST',
    withFiles([plugin('waf', '1.0.0')], (files) => (files[3]!.sameAs = first)),
  ),
  bad(
    'sameAs points to equal bytes',
    'E_MANIFEST',
    withFiles([two[0]!, plugin('waf', '2.0.0', { wasm: other })], (files) => (files[5]!.sameAs = first)),
  ),
  bad(
    'sameAs points to a file of equal size',
    'E_MANIFEST',
    withFiles(two, (files) => (files[5]!.size -= 1)),
  ),
  bad(
    'sameAs points to a file of equal MD5',
    'E_MANIFEST',
    withFiles(two, (files) => (files[5]!.md5 = '0'.repeat(32))),
  ),
  bad(
    'sameAs points to a file of the bundle',
    'E_MANIFEST',
    withFiles(two, (files) => (files[5]!.sameAs = 'plugins/x/1/plugin.wasm')),
  ),
  bad(
    'sameAs is for modules: not metadata',
    'E_MANIFEST',
    withFiles(two, (files) => (files[4]!.sameAs = files[2]!.path)),
  ),
  good(
    'under a path of more than 100 characters the bytes stand again',
    withFiles(longVersions, () => undefined),
  ),
  bad(
    'a path of more than 100 characters is no sameAs',
    'E_MANIFEST',
    withFiles(longVersions, (files) => (files[5]!.sameAs = files[3]!.path)),
  ),
  good(
    'behind a long path, the first short one is pointed to',
    withFiles([...longVersions, plugin('waf', '1'), plugin('waf', '2')], () => undefined),
  ),
  bad(
    'also behind a long path',
    'E_MANIFEST',
    withFiles([...longVersions, plugin('waf', '1'), plugin('waf', '2')], (files) => delete files[9]!.sameAs),
  ),
];

export const fileRows: readonly Row[] = [
  bad('a module begins as one', 'E_WASM', (key) =>
    tarGz(bundleParts([key], [plugin('waf', '1', { wasm: Buffer.from('not a module') })]).entries),
  ),
  bad('a module is of version 1', 'E_WASM', (key) =>
    tarGz(bundleParts([key], [plugin('waf', '1', { wasm: Buffer.from('0061736d0d000100', 'hex') })]).entries),
  ),
  bad('a module has its first eight bytes', 'E_WASM', (key) =>
    tarGz(bundleParts([key], [plugin('waf', '1', { wasm: Buffer.from('0061736d010000', 'hex') })]).entries),
  ),
  bad('a module is not empty', 'E_WASM', (key) =>
    tarGz(bundleParts([key], [plugin('waf', '1', { wasm: Buffer.alloc(0) })]).entries),
  ),
  bad('a module begins with a NUL', 'E_WASM', (key) =>
    tarGz(
      bundleParts([key], [plugin('waf', '1', { wasm: Buffer.from('|asm\x01\0\0\0', 'latin1') })]).entries,
    ),
  ),
  good(
    'metadata.txt',
    metadata((text) => text),
  ),
  good(
    'metadata.txt in the other dialect',
    metadata((text) => text.replace('Plugin Name: waf', 'File: waf:1.0.0')),
  ),
  good(
    'metadata.txt with fractions of a second',
    metadata((text) => text.replaceAll('00:00:00', '00:00:00.123456')),
  ),
  good(
    'metadata.txt with Windows line ends',
    metadata((text) => text.replaceAll('\n', '\r\n')),
  ),
  good(
    'metadata.txt without the last line feed',
    metadata((text) => text.slice(0, -1)),
  ),
  bad(
    'metadata.txt names the plugin of its directory',
    'E_METADATA',
    metadata((text) => text.replace('waf', 'cors')),
  ),
  bad(
    'metadata.txt names the plugin of its directory, in the other dialect',
    'E_METADATA',
    metadata((text) => text.replace('Plugin Name: waf', 'File: cors:1.0.0')),
  ),
  bad(
    'metadata.txt names the version of its directory',
    'E_METADATA',
    metadata((text) => text.replace('Plugin Name: waf', 'File: waf:1.0.1')),
  ),
  bad(
    'metadata.txt says the size of its module',
    'E_METADATA',
    metadata((text) => text.replace('Size: ', 'Size: 1')),
  ),
  bad(
    'metadata.txt says the MD5 of its module',
    'E_METADATA',
    metadata((text) => text.replace(/MD5: .*/, `MD5: ${digestOf(other).md5}`)),
  ),
  bad(
    'metadata.txt says what belongs to a module that is a link, too',
    'E_METADATA',
    metadata(
      (text) => text.replace('Plugin Name: waf', 'File: waf:1.0.0'),
      [plugin('waf', '2.0.0'), plugin('waf', '3.0.0')],
    ),
  ),
  bad(
    'metadata.txt has a line for each',
    'E_METADATA',
    metadata((text) => text.replace(/Created.*\n/, '')),
  ),
  bad(
    'metadata.txt has no line more',
    'E_METADATA',
    metadata((text) => `${text}x\n`),
  ),
  bad(
    'metadata.txt has no empty line more',
    'E_METADATA',
    metadata((text) => `${text}\n`),
  ),
  bad(
    'metadata.txt is not empty',
    'E_METADATA',
    metadata(() => ''),
  ),
  bad(
    'metadata.txt keeps the order of its lines',
    'E_METADATA',
    metadata((text) => text.replace(/(Last.*\n)(Created.*\n)/, '$2$1')),
  ),
  bad(
    'metadata.txt has no byte order mark',
    'E_METADATA',
    metadata((text) => `\ufeff${text}`),
  ),
  bad(
    'metadata.txt has no NUL',
    'E_METADATA',
    metadata((text) => text.replace('waf\n', 'waf\0\n')),
  ),
  bad(
    'metadata.txt has no lone carriage return',
    'E_METADATA',
    metadata((text) => text.replace('waf\n', 'waf\r\r\n')),
  ),
  bad(
    'metadata.txt has no blank more',
    'E_METADATA',
    metadata((text) => text.replace('waf\n', 'waf \n')),
  ),
  bad(
    'metadata.txt has times',
    'E_METADATA',
    metadata((text) => text.replace('1980-01-01', '1980-13-01')),
  ),
  bad(
    'metadata.txt has at most 64 KiB',
    'E_LIMIT',
    metadata((text) => text.padEnd(64 * 1024 + 1, '\n')),
  ),
];

export const resourceRows: readonly Row[] = [
  good('resources', withResources([resource('a.b-c', ['A', 'B_1']), resource('waf')])),
  good('resources with keys in another order', (key) => {
    const { manifest, entries } = resourceBundle([key], [resource('a', ['A', 'Z']), resource('b', ['B'])]);
    manifest.resources = manifest.resources!.map(({ name, variables }) => ({ variables, name }));
    return tarGz([
      ...headEntries(Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`), [key]),
      ...entries.slice(2),
    ]);
  }),
  bad(
    'resources ascend',
    'E_MANIFEST',
    withResources([resource('a'), resource('b')], ({ resources }) => void resources!.reverse()),
  ),
  ...['A', 'a..b', '-a', 'a-', 'nul', 'a'.repeat(96), 'a_b', ''].map((name) =>
    bad(`no name of a resource: "${name}"`, 'E_MANIFEST', withResources([resource(name)])),
  ),
  bad(
    'variables ascend',
    'E_MANIFEST',
    withResources([resource('a', ['A', 'B'])], ({ resources }) => void resources![0]!.variables.reverse()),
  ),
  bad('a variable is in upper case', 'E_MANIFEST', withResources([resource('a', ['a'])])),
  bad(
    'a variable has at most 128 characters',
    'E_MANIFEST',
    withResources([resource('a', ['A'.repeat(129)])]),
  ),
  bad('a resource has at most 1 MiB', 'E_LIMIT', (key) =>
    tarGz(resourceBundle([key], [{ ...resource('a'), text: Buffer.alloc(2 ** 20 + 1, ' ') }]).entries),
  ),
];
