import { join } from 'node:path';
import { bundleParts, tarGz } from '../helpers/bundle.js';
import type { CorpusCase, Lab } from '../helpers/corpus.js';
import { rawTar, type RawEntry } from '../helpers/tar.js';

/** A row of which every archive is an honest bundle but for its tar. */
type TarCase = readonly [
  id: string,
  title: string,
  build: (honest: readonly RawEntry[], lab: Lab) => readonly (readonly RawEntry[] | Buffer)[],
];

const evil = Buffer.from('evil');
const target = 'plugins/waf/1.0.0/plugin.wasm';
const unlisted = 'plugins/x/1.0.0/plugin.wasm';

/** Puts `extra` before every entry of an honest bundle in turn, and behind the last. */
const anywhere = (honest: readonly RawEntry[], ...extra: readonly RawEntry[]): RawEntry[][] =>
  Array.from({ length: honest.length + 1 }, (_, at) => [
    ...honest.slice(0, at),
    ...extra,
    ...honest.slice(at),
  ]);

/** Changes each entry of an honest bundle in turn; `change` returns undefined for those it does not apply to. */
const each = (
  honest: readonly RawEntry[],
  change: (entry: RawEntry) => readonly RawEntry[] | undefined,
): RawEntry[][] =>
  honest.flatMap((entry, at) => {
    const changed = change(entry);
    return changed === undefined ? [] : [[...honest.slice(0, at), ...changed, ...honest.slice(at + 1)]];
  });

/** Changes the entry of one plugin file. */
const inPlaceOf = (honest: readonly RawEntry[], change: (entry: RawEntry) => readonly RawEntry[]) =>
  each(honest, (entry) => (entry.name === target ? change(entry) : undefined));

/** The name of one entry becomes each of `names`, or an entry with that name is added. */
const named = (honest: readonly RawEntry[], ...names: readonly string[]): RawEntry[][] =>
  names.flatMap((name) => [
    ...inPlaceOf(honest, (entry) => [{ ...entry, name }]),
    [...honest, { name, body: evil }],
    [...honest.slice(0, -1), { name, body: evil }, ...honest.slice(-1)],
  ]);

/** One header is changed: of the manifest, a signature, a module, and the link that comes last. */
const header = (honest: readonly RawEntry[], change: (entry: RawEntry) => Partial<RawEntry>): RawEntry[][] =>
  [0, 1, 5, honest.length - 1].map((at) => honest.with(at, { ...honest[at]!, ...change(honest[at]!) }));

/** A record of a PAX extended header: its own length, key and value. */
function pax(key: string, value: string | Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value), Buffer.from('\n')]);
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}
const paxHeader = (...records: readonly Buffer[]): RawEntry => ({
  name: 'PaxHeaders/x',
  type: 'x',
  body: Buffer.concat(records),
});

const octal = (value: bigint): Buffer => Buffer.from(value.toString(8).padStart(11, '0'));
const base256 = (hex: string): Buffer =>
  Buffer.from(hex.padStart(24, hex.startsWith('f') ? 'f' : '0'), 'hex');
const positive256 = (value: bigint): Buffer => {
  const field = base256(value.toString(16));
  field[0] = 0x80;
  return field;
};

const bytesOf = (entries: readonly RawEntry[], end?: Buffer): Buffer => tarGz(entries, end);
const block = (count: number): Buffer => Buffer.alloc(512 * count);
/** An honest bundle with another end. */
const ending = (honest: readonly RawEntry[], end: Buffer): Buffer => bytesOf(honest, end);

const swapped = (entries: readonly RawEntry[], at: number): RawEntry[] =>
  entries.with(at, entries[at + 1]!).with(at + 1, entries[at]!);

const table: readonly TarCase[] = [
  [
    'T01',
    'symlink',
    (honest, { outside }) => [
      ...anywhere(honest, { name: unlisted, type: '2', linkName: '../../etc' }),
      ...anywhere(honest, { name: 'plugins/x', type: '2', linkName: outside }),
      ...inPlaceOf(honest, ({ name }) => [{ name: name!, type: '2', linkName: '../../../../canary' }]),
    ],
  ],
  [
    'T02',
    'symlink-then-file',
    (honest, { outside }) =>
      anywhere(
        honest,
        { name: 'plugins/a', type: '2', linkName: outside },
        { name: 'plugins/a/1.0.0/plugin.wasm', body: evil },
      ),
  ],
  [
    'T03',
    'hardlink',
    (honest, { outside }) => [
      ...anywhere(honest, { name: unlisted, type: '1', linkName: '/etc/passwd' }),
      ...anywhere(honest, { name: unlisted, type: '1', linkName: join(outside, 'canary') }),
      ...inPlaceOf(honest, ({ name }) => [{ name: name!, type: '1', linkName: '../../etc/passwd' }]),
      // The one link that the manifest lists, to another path.
      ...each(honest, (entry) => (entry.type === '1' ? [{ ...entry, linkName: unlisted }] : undefined)),
      ...each(honest, (entry) => (entry.type === '1' ? [{ ...entry, linkName: '/etc/passwd' }] : undefined)),
      // The manifest and a signature as links.
      ...honest
        .slice(0, 2)
        .map((entry, at) => honest.with(at, { name: entry.name!, type: '1', linkName: 'x' })),
    ],
  ],
  [
    'T04',
    'hardlink-chain',
    (honest, { outside }) =>
      anywhere(
        honest,
        { name: 'plugins/a', type: '2', linkName: outside },
        { name: 'plugins/b', type: '1', linkName: 'plugins/a/canary' },
        { name: 'plugins/b', body: evil },
      ),
  ],
  ['T05', 'chardev', (honest) => anywhere(honest, { name: unlisted, type: '3', devMajor: '000001 ' })],
  ['T06', 'blockdev', (honest) => anywhere(honest, { name: unlisted, type: '4', devMajor: '000010 ' })],
  [
    'T07',
    'fifo',
    (honest) => [
      ...anywhere(honest, { name: unlisted, type: '6' }),
      ...inPlaceOf(honest, (entry) => [{ ...entry, type: '6' }]),
    ],
  ],
  [
    'T08',
    'dir entry',
    (honest) => [
      ...anywhere(honest, { name: 'plugins/', type: '5', mode: '000755 ' }),
      ...anywhere(honest, { name: 'plugins/waf/1.0.0/plugin.wasm', type: '5' }),
      // POSIX: an old regular file whose name ends in a slash is a directory.
      ...anywhere(honest, { name: 'plugins/', type: '0' }),
    ],
  ],
  [
    'T09',
    'contiguous or unknown type',
    (honest) =>
      ['7', 'Z', '\0', '8', 'A', 'g', 'K', 'V', 'M', 'N', 'D'].flatMap((type) =>
        inPlaceOf(honest, (entry) => [{ ...entry, type }]),
      ),
  ],
  [
    'T10',
    'extra entry',
    (honest) => [
      ...anywhere(honest, { name: unlisted, body: evil }),
      ...anywhere(honest, { name: 'signatures/README', body: evil }),
      ...anywhere(honest, { name: unlisted }),
    ],
  ],
  [
    'T11',
    'missing last',
    (honest) => [
      honest.slice(0, -1),
      ...each(honest.slice(2), () => []).map((rest) => [...honest.slice(0, 2), ...rest]),
    ],
  ],
  [
    'T12',
    'duplicate name',
    (honest) => [
      ...each(honest, (entry) => [entry, { ...entry, body: evil }]),
      ...each(honest, (entry) => [{ ...entry, body: evil }, entry]),
      ...each(honest, (entry) => [entry, entry]),
      ...honest.map((entry) => [...honest, { ...entry, body: evil }]),
    ],
  ],
  [
    'T13',
    'reordered; manifest not first',
    (honest) => [
      swapped(honest, 0),
      ...Array.from({ length: honest.length - 3 }, (_, at) => swapped(honest, at + 2)),
      [...honest.slice(1), honest[0]!],
      [...honest.slice(2), ...honest.slice(0, 2)],
    ],
  ],
  [
    'T14',
    'dotdot in name',
    (honest) =>
      named(
        honest,
        '../x',
        '..',
        '../../canary',
        'plugins/../../canary',
        'plugins/waf/1.0.0/../../../../canary',
        'plugins/waf/../waf/1.0.0/plugin.wasm',
        './plugins/waf/1.0.0/plugin.wasm',
        'plugins/./waf/1.0.0/plugin.wasm',
        'plugins//waf/1.0.0/plugin.wasm',
        'plugins/waf/1.0.0/plugin.wasm/',
      ),
  ],
  [
    'T15',
    'dotdot in prefix',
    (honest) => [
      ...anywhere(honest, { prefix: '..', name: 'etc/x', body: evil }),
      ...inPlaceOf(honest, (entry) => [{ ...entry, prefix: '..' }]),
      ...inPlaceOf(honest, (entry) => [{ ...entry, prefix: 'plugins/..' }]),
      ...inPlaceOf(honest, (entry) => [{ ...entry, prefix: '.' }]),
      ...inPlaceOf(honest, (entry) => [{ ...entry, prefix: '/' }]),
    ],
  ],
  [
    'T16',
    'absolute',
    (honest, { outside }) => [
      ...named(honest, '/etc/x', join(outside, 'absolute'), '/plugins/waf/1.0.0/plugin.wasm'),
      ...anywhere(honest, { prefix: outside, name: 'absolute', body: evil }),
    ],
  ],
  [
    'T17',
    '////abs',
    (honest, { outside }) => named(honest, '////abs', `///${join(outside, 'absolute')}`, '//'),
  ],
  [
    'T18',
    'drive-relative',
    (honest) => named(honest, 'C:x', 'C:../x', 'c:plugins/waf/1.0.0/plugin.wasm', 'C:/x'),
  ],
  [
    'T19',
    'backslash',
    (honest) => named(honest, '..\\..\\x', 'plugins\\waf\\1.0.0\\plugin.wasm', '\\\\host\\share\\x', '\\x'),
  ],
  [
    'T20',
    'PAX path',
    (honest) => [
      ...each(honest, (entry) => [paxHeader(pax('path', '../../canary')), entry]),
      ...inPlaceOf(honest, (entry) => [paxHeader(pax('path', target)), { ...entry, name: 'other' }]),
      ...inPlaceOf(honest, (entry) => [paxHeader(pax('linkpath', '/etc/passwd')), entry]),
      // Empty: every reader agrees that it changes nothing, and still it has no place here.
      ...each(honest, (entry) => [paxHeader(), entry]),
    ],
  ],
  [
    'T21',
    'PAX size',
    (honest) => [
      ...each(honest, (entry) => [paxHeader(pax('size', '1')), entry]),
      ...inPlaceOf(honest, (entry) => [paxHeader(pax('size', '1')), { ...entry, body: Buffer.alloc(600) }]),
      ...inPlaceOf(honest, (entry) => [paxHeader(pax('size', '-1')), entry]),
    ],
  ],
  [
    'T22',
    'PAX global',
    (honest) => anywhere(honest, { name: 'pax_global_header', type: 'g', body: pax('path', '../../canary') }),
  ],
  [
    'T23',
    'GNU long name',
    (honest) => [
      ...each(honest, (entry) => [longName('../../canary'), entry]),
      ...inPlaceOf(honest, (entry) => [longName(target), { ...entry, name: 'other' }]),
      ...inPlaceOf(honest, (entry) => [{ ...longName('/etc/passwd'), type: 'K' }, entry]),
    ],
  ],
  [
    'T24',
    'PAX and long-name size smuggle',
    (honest) =>
      each(honest, (entry) => [
        paxHeader(pax('size', '2048')),
        longName('a'),
        { name: 'plugins/y', body: evil },
        entry,
      ]),
  ],
  [
    'T25',
    'TARmageddon',
    (honest) => {
      const hidden = rawTar([{ name: unlisted, body: evil }], Buffer.alloc(0));
      return each(honest, (entry) => [
        paxHeader(pax('size', String(hidden.length))),
        { name: 'plugins/inner', size: 0 },
        { name: unlisted, body: evil },
        entry,
      ]);
    },
  ],
  [
    'T26',
    'old sparse',
    (honest) =>
      inPlaceOf(honest, (entry) => [
        {
          ...entry,
          type: 'S',
          magic: Buffer.from('ustar  \0'),
          patch: (block512) => {
            block512.write('00000000000\0' + '00000001000\0', 386, 'latin1');
            block512.write('00000010000\0', 483, 'latin1');
          },
        },
      ]).concat(inPlaceOf(honest, (entry) => [{ ...entry, type: 'S' }])),
  ],
  [
    'T27',
    'PAX sparse 1.0',
    (honest) =>
      inPlaceOf(honest, (entry) => [
        paxHeader(
          pax('GNU.sparse.major', '1'),
          pax('GNU.sparse.minor', '0'),
          pax('GNU.sparse.name', '../../canary'),
          pax('GNU.sparse.realsize', '4'),
        ),
        { ...entry, name: 'GNUSparseFile.0/plugin.wasm' },
      ]),
  ],
  [
    'T28',
    'NUL in PAX path',
    (honest) => inPlaceOf(honest, (entry) => [paxHeader(pax('path', `${target}\0b`)), entry]),
  ],
  [
    'T29',
    'junk after NUL in a name',
    (honest) => [
      ...each(honest, ({ name, ...entry }) => [{ ...entry, name: `${name!}\0junk` }]),
      ...each(honest, (entry) => [{ ...entry, patch: (block512) => block512.writeUInt8(0x41, 99) }]),
      ...each(honest, (entry) => [{ ...entry, patch: (block512) => block512.writeUInt8(0x41, 499) }]),
      ...each(honest, (entry) => [{ ...entry, patch: (block512) => block512.writeUInt8(0x41, 256) }]),
      ...each(honest, (entry) => [{ ...entry, prefix: '\0plugins' }]),
      ...each(honest, (entry) => [{ ...entry, linkName: `${entry.linkName ?? ''}\0x` }]),
    ],
  ],
  [
    'T30',
    'bad UTF-8',
    (honest) =>
      named(honest, 'plugins/\xff/1.0.0/plugin.wasm', 'plugins/waf\xc0\xaf/plugin.wasm', '\xff\xfe'),
  ],
  [
    'T31',
    'NFC and NFD twins, case twins',
    (honest) => [
      ...anywhere(
        honest,
        { name: utf8('plugins/caf\u00e9/p'), body: evil },
        { name: utf8('plugins/cafe\u0301/p') },
      ),
      ...anywhere(honest, { name: target.toUpperCase(), body: evil }),
      ...anywhere(honest, { name: 'plugins/WAF/1.0.0/plugin.wasm', body: evil }),
      ...anywhere(honest, { name: 'Manifest.json', body: evil }),
      ...inPlaceOf(honest, (entry) => [{ ...entry, name: 'plugins/Waf/1.0.0/plugin.wasm' }]),
    ],
  ],
  [
    'T32',
    'size field tricks',
    (honest) =>
      [
        base256('ff'.repeat(12)),
        base256(`ff${'00'.repeat(11)}`),
        positive256(1n << 63n),
        positive256(600n),
        positive256(1n << 80n),
        octal(1n << 33n),
        Buffer.from('00000000009 '),
        Buffer.from('-0000000001 '),
        Buffer.from('        644 '),
        Buffer.from('0x000000644 '),
        Buffer.from('777777777777'),
        Buffer.alloc(12),
        Buffer.from('644\0' + '\0'.repeat(8)),
        Buffer.from('00000 00644 '),
        Buffer.from('+0000000644 '),
      ].flatMap((size) => header(honest, () => ({ size }))),
  ],
  [
    'T33',
    'wrong checksum',
    (honest) => [
      ...header(honest, () => ({ checksum: '000001\0 ' })),
      ...header(honest, () => ({ checksum: '        ' })),
      ...header(honest, () => ({ checksum: '0000000\0' })),
      ...header(honest, () => ({ checksum: '-07777\0 ' })),
    ],
  ],
  ['T34', 'v7 header', (honest) => header(honest, () => ({ magic: Buffer.alloc(8) }))],
  [
    'T35',
    'GNU magic',
    (honest) => [
      ...header(honest, () => ({ magic: Buffer.from('ustar  \0') })),
      ...header(honest, () => ({ magic: Buffer.from('ustar\x0001') })),
      ...header(honest, () => ({ magic: Buffer.from('USTAR\x0000') })),
    ],
  ],
  [
    'T36',
    'entry after EOF blocks',
    (honest) => [
      ending(honest, Buffer.concat([block(2), rawTar([{ name: unlisted, body: evil }])])),
      ending(honest, Buffer.concat([block(18), rawTar([{ name: unlisted, body: evil }])])),
      ...each(honest, (entry) => [entry]).map((_, at) =>
        bytesOf(honest.slice(0, at), Buffer.concat([block(2), rawTar(honest.slice(at))])),
      ),
    ],
  ],
  [
    'T37',
    'single zero block',
    (honest) => [
      ending(honest, block(1)),
      ending(honest, Buffer.concat([block(1), rawTar([{ name: unlisted, body: evil }])])),
      ...honest.map((_, at) =>
        bytesOf(honest.slice(0, at), Buffer.concat([block(1), rawTar(honest.slice(at))])),
      ),
    ],
  ],
  [
    'T38',
    'no EOF',
    (honest) => [
      ending(honest, Buffer.alloc(0)),
      ...honest.map((_, at) => bytesOf(honest.slice(0, at), Buffer.alloc(0))),
    ],
  ],
  [
    'T39',
    'partial trailing block',
    (honest) => [1, 511, 513, 1023, 1025, 1500].map((length) => ending(honest, Buffer.alloc(length))),
  ],
  [
    'T40',
    '1 MiB zero tail',
    (honest) => [
      ending(honest, Buffer.alloc(1024 * 1024)),
      ending(honest, block(21)),
      ending(honest, block(20_000)),
    ],
  ],
  [
    'T41',
    'nonzero padding',
    (honest) => [
      ...each(honest, (entry) => padded(entry, Buffer.from('x'))),
      ...each(honest, (entry) => padded(entry, lastByte(entry))),
    ],
  ],
  [
    'T43',
    'malformed numeric field, owner name or tail',
    (honest) => [
      ...['9', '644', '-00644 ', '0000644x', 'abcdef ', '\0\0\0\0\0\0\0\0', '        ', '0064 4 '].flatMap(
        (mode) => header(honest, () => ({ mode: mode.padEnd(8, '\0') })),
      ),
      ...header(honest, () => ({ mode: Buffer.from('80000000000001a4', 'hex') })),
      // The type of a file, as stat() gives it, where only permissions belong.
      ...['0100644 ', '0020444 ', '0120777 ', '0040755 ', '7777777 '].flatMap((mode) =>
        header(honest, () => ({ mode })),
      ),
      ...header(honest, () => ({ mtime: '          9 ' })),
      ...header(honest, () => ({ mtime: base256('ff'.repeat(12)) })),
      ...header(honest, () => ({ mtime: positive256(1n << 40n) })),
      ...header(honest, () => ({ uid: 'root\0\0\0\0' })),
      ...header(honest, () => ({ devMajor: '\0'.repeat(8) })),
      ...header(honest, () => ({ devMajor: '8888888 ' })),
      ...header(honest, () => ({ userName: 'root' })),
      ...header(honest, ({ type }) => ({ linkName: type === '1' ? '' : 'manifest.json' })),
      ...[265, 296, 297, 328, 500, 511].flatMap((at) =>
        header(honest, () => ({ patch: (block512) => block512.writeUInt8(0x31, at) })),
      ),
    ],
  ],
];

/** A name in UTF-8, for the writer that takes one byte a character. */
const utf8 = (name: string): string => Buffer.from(name).toString('latin1');

function longName(name: string): RawEntry {
  return {
    name: '././@LongLink',
    type: 'L',
    magic: Buffer.from('ustar  \0'),
    body: Buffer.from(`${name}\0`),
  };
}

function padded(entry: RawEntry, padding: Buffer): readonly RawEntry[] | undefined {
  const length = entry.body?.length ?? 0;
  return length % 512 === 0 ? undefined : [{ ...entry, padding }];
}

function lastByte({ body = Buffer.alloc(0) }: RawEntry): Buffer {
  const padding = Buffer.alloc((512 - (body.length % 512)) % 512);
  padding[padding.length - 1] = 1;
  return padding;
}

const refused = table.map(([id, title, build]): CorpusCase => ({
  id,
  title,
  expect: 'C',
  build: (lab) =>
    build(bundleParts([lab.key]).entries, lab).map((archive) =>
      Buffer.isBuffer(archive) ? archive : bytesOf(archive),
    ),
}));

/** A signature that comes too late is none. */
const late: CorpusCase = {
  id: 'T13',
  title: 'reordered; signature behind the first file',
  expect: 'S',
  build: ({ key }) => [bytesOf(swapped(bundleParts([key]).entries, 1))],
};

/** What a header says of modes, owners and times is well formed here, and ignored. */
const ignored: CorpusCase = {
  id: 'T42',
  title: 'setuid mode 04755, uid 0, mtime 2^32',
  expect: 'OK',
  build: (lab) => {
    const { entries } = bundleParts([lab.key]);
    const strange = { mode: '004755 ', uid: '000000 ', mtime: `${octal(1n << 32n).toString()} ` };
    return [entries.map((entry) => ({ ...entry, ...strange }))].map((archive) => bytesOf(archive));
  },
};

export const cases: readonly CorpusCase[] = [...refused, late, ignored].sort((a, b) =>
  a.id < b.id ? -1 : 1,
);
