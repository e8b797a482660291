import { crc32, deflateRawSync } from 'node:zlib';
import { bundleParts } from '../helpers/bundle.js';
import type { CorpusCase, CorpusClass, Lab } from '../helpers/corpus.js';
import {
  central,
  descriptor,
  local,
  rawZip,
  zipEntries,
  type RawZipEntry,
  type RawZipFrame,
} from '../helpers/zip.js';

/** A row of which every archive is an honest bundle but for its zip: other entries, another frame, or other bytes. */
type ZipCase = readonly [
  id: string,
  title: string,
  expect: CorpusClass,
  build: (honest: readonly RawZipEntry[], lab: Lab) => readonly (readonly RawZipEntry[] | Buffer)[],
];

const evil = Buffer.from('evil');
const target = 'plugins/waf/1.0.0/plugin.wasm';
const unlisted = 'plugins/x/1.0.0/plugin.wasm';

/** Puts `extra` before every entry of an honest bundle in turn, and behind the last. */
const anywhere = (honest: readonly RawZipEntry[], extra: RawZipEntry): RawZipEntry[][] =>
  Array.from({ length: honest.length + 1 }, (_, at) => [...honest.slice(0, at), extra, ...honest.slice(at)]);

/** Changes each entry of an honest bundle in turn. */
const each = (
  honest: readonly RawZipEntry[],
  change: (entry: RawZipEntry) => Partial<RawZipEntry>,
): RawZipEntry[][] => honest.map((entry, at) => honest.with(at, { ...entry, ...change(entry) }));

/** Changes the entry of one plugin module. */
const inPlace = (
  honest: readonly RawZipEntry[],
  ...changes: readonly ((entry: RawZipEntry) => Partial<RawZipEntry>)[]
): RawZipEntry[][] =>
  changes.map((change) =>
    honest.map((entry) => (entry.name === target ? { ...entry, ...change(entry) } : entry)),
  );

/** The name of one entry becomes each of `names`, or an entry with that name is added. */
const named = (honest: readonly RawZipEntry[], ...names: readonly string[]): RawZipEntry[][] =>
  names.flatMap((name) => [
    ...inPlace(honest, () => ({ name: Buffer.from(name, 'latin1') })),
    [...honest, { name: Buffer.from(name, 'latin1'), body: evil }],
    [...honest.slice(0, -1), { name: Buffer.from(name, 'latin1'), body: evil }, ...honest.slice(-1)],
  ]);

const framed = (honest: readonly RawZipEntry[], ...frames: readonly RawZipFrame[]): Buffer[] =>
  frames.map((frame) => rawZip(honest, frame));

const word = (field: number, value: number) => (record: Buffer) => record.writeUInt16LE(value, field);
const long = (field: number, value: number) => (record: Buffer) => record.writeUInt32LE(value, field);
const both = (field: 'flags' | 'method' | 'version', value: number): Partial<RawZipEntry> => ({
  local: word(local[field], value),
  central: word(central[field], value),
});

/** An end record that claims this many entries. */
const counting = (entries: number): RawZipFrame => ({
  end: (record) => {
    for (const field of [8, 10]) record.writeUInt16LE(entries, field);
  },
});

const addTo = (record: Buffer, field: number, value: number): void => {
  record.writeUInt32LE(record.readUInt32LE(field) + value, field);
};

/** A size in all places where the format has one. */
const sizeEverywhere = (size: number): Partial<RawZipEntry> => ({
  central: long(central.size, size),
  descriptor: long(descriptor.size, size),
});
const storedSize = (size: number): Partial<RawZipEntry> => ({
  method: 0,
  central: long(central.size, size),
  local: long(local.size, size),
});

const flipped = (body: Buffer): Buffer => {
  const changed = Buffer.from(body);
  changed[changed.length - 1]! ^= 1;
  return changed;
};

const unixMode = (mode: number): { attributes: number } => ({ attributes: (mode << 16) >>> 0 });

/** The body of an extra field that tells readers to use another name (APPNOTE 4.6.9). */
function unicodePath(name: string, other: string): Buffer {
  const header = Buffer.alloc(9);
  header.writeUInt16LE(0x7075, 0);
  header.writeUInt16LE(5 + Buffer.byteLength(other), 2);
  header.writeUInt8(1, 4);
  header.writeUInt32LE(crc32(name), 5);
  return Buffer.concat([header, Buffer.from(other)]);
}

/** The 64-bit end record and its locator, and the end record that points to them. */
function zip64End(records: bigint, at: number): Buffer {
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(0x06064b50, 0);
  end64.writeBigUInt64LE(44n, 4);
  for (const field of [24, 32]) end64.writeBigUInt64LE(records, field);
  end64.writeBigUInt64LE(records * 46n, 40);
  end64.writeBigUInt64LE(BigInt(at), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(at), 8);
  locator.writeUInt32LE(1, 16);
  const end = Buffer.alloc(22, 0xff);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(0, 4);
  end.writeUInt16LE(0, 20);
  return Buffer.concat([end64, locator, end]);
}

/** An archive without its directory and end, and those two. */
function taken(bytes: Buffer): { entries: Buffer; directory: Buffer } {
  const at = bytes.readUInt32LE(bytes.length - 6);
  return { entries: bytes.subarray(0, at), directory: bytes.subarray(at, -22) };
}

const table: readonly ZipCase[] = [
  [
    'Z01',
    'CD/LFH name mismatch',
    'C',
    (honest) => [
      ...each(honest, ({ name }) => ({ localName: `${String(name).slice(0, -1)}X` })),
      ...each(honest, () => ({ localName: '../../etc/passwd' })),
      ...each(honest, () => ({ central: (record) => (record[central.name]! ^= 1) })),
    ],
  ],
  [
    'Z02',
    'LFH method or flags differ',
    'C',
    (honest) => [
      ...each(honest, () => ({ local: word(local.method, 0) })),
      ...each(honest, () => ({ local: word(local.flags, 0) })),
      ...each(honest, () => ({ local: word(local.flags, 0x0808) })),
      ...each(honest, () => ({ local: word(local.version, 10) })),
      ...each(honest, () => ({ local: word(local.time, 1) })),
      ...each(honest, () => ({ central: word(central.method, 0) })),
      ...each(honest, () => ({ central: word(central.flags, 0) })),
    ],
  ],
  [
    'Z03',
    'CD csize 0',
    'C',
    (honest) => [
      ...each(honest, () => ({ central: long(central.packedSize, 0) })),
      ...each(honest, () => ({ method: 0, central: long(central.packedSize, 0) })),
      ...each(honest, () => ({
        central: long(central.packedSize, 0),
        descriptor: long(descriptor.packedSize, 0),
      })),
    ],
  ],
  [
    'Z04',
    'sizes lie (stored)',
    'C',
    (honest) => [
      ...each(honest, () => storedSize(5)),
      ...each(honest, ({ body }) => storedSize(body!.length + 1)),
      ...each(honest, ({ body }) => ({ method: 0, packed: Buffer.concat([body!, evil]) })),
      ...each(honest, ({ body }) => ({ method: 0, packed: body!.subarray(1) })),
    ],
  ],
  [
    'Z04',
    'sizes lie (deflated)',
    'C',
    (honest) => [
      ...each(honest, () => sizeEverywhere(5)),
      ...each(honest, ({ body }) => sizeEverywhere(body!.length - 1)),
      ...each(honest, ({ body }) => sizeEverywhere(body!.length + 1)),
      // The headers say what the manifest says, but there is more, or less, to inflate.
      ...each(honest, ({ body }) => ({
        packed: deflateRawSync(Buffer.concat([body!, Buffer.alloc(1024 * 1024)])),
      })),
      ...each(honest, ({ body }) => ({ packed: deflateRawSync(body!.subarray(0, -1)) })),
    ],
  ],
  [
    'Z05',
    'LFH-only entry',
    'C',
    (honest) => [
      ...anywhere(honest, { name: unlisted, body: evil, only: 'local' }),
      ...anywhere(honest, { name: target, body: evil, only: 'local', method: 0 }),
      ...each(honest, () => ({ central: long(0, 0x04034b50) })),
      // Behind the end of a deflate stream, where only those who read from the front find it.
      ...each(honest, ({ body }) => ({
        packed: Buffer.concat([
          deflateRawSync(body!),
          taken(rawZip([{ name: unlisted, body: evil }])).entries,
        ]),
      })),
    ],
  ],
  [
    'Z06',
    'EOCD count too small',
    'C',
    (honest) => [
      ...framed(
        honest,
        ...[honest.length - 1, 1, 0].map(counting),
        { end: word(8, honest.length - 1) },
        { end: word(10, honest.length - 1) },
      ),
      // The same without a trace: an entry of the payload is not there.
      ...honest.map((_, at) => honest.toSpliced(at, 1)).slice(2),
    ],
  ],
  [
    'Z07',
    'EOCD count too big',
    'C',
    (honest) =>
      framed(
        honest,
        counting(honest.length + 1),
        counting(10_000),
        { end: word(8, honest.length + 1) },
        { end: word(10, honest.length + 1) },
      ),
  ],
  [
    'Z08',
    'duplicate names',
    'C',
    (honest) => [
      ...anywhere(honest, { name: target, body: evil }),
      ...honest.map((entry, at) => honest.toSpliced(at, 0, entry)),
      ...honest.map((entry, at) => honest.toSpliced(at + 1, 0, { ...entry, body: evil })),
    ],
  ],
  ['Z09', 'extra entry', 'C', (honest) => anywhere(honest, { name: unlisted, body: evil })],
  [
    'Z10',
    '../',
    'C',
    (honest) =>
      named(honest, '../x', '../../outside/canary', 'plugins/../../../canary', `./${target}`, '..', ''),
  ],
  [
    'Z11',
    'absolute',
    'C',
    (honest, { outside }) =>
      named(honest, '/etc/passwd', '//etc/passwd', `${outside}/canary`, `/${target}`, 'C:/x', 'C:x'),
  ],
  [
    'Z12',
    'backslash',
    'C',
    (honest) => named(honest, '..\\..\\canary', target.replaceAll('/', '\\'), '\\\\server\\share\\x'),
  ],
  [
    'Z13',
    'NUL in name',
    'C',
    (honest) => named(honest, `${target}\0`, '\u00ff', `${target}\0.txt`, '\0', `${target}\u001b[2J\r\n`),
  ],
  [
    'Z14',
    'symlink mode, device mode',
    'C',
    (honest) => [
      ...[0o120777, 0o020666, 0o060666, 0o010644, 0o140644, 0o040755, 0o000644].flatMap((mode) => [
        ...each(honest, () => unixMode(mode)),
        ...anywhere(honest, { name: unlisted, body: Buffer.from('../../../canary'), ...unixMode(mode) }),
      ]),
      ...each(honest, () => ({ attributes: 0x10 })),
      ...each(honest, () => ({ attributes: 0x08 })),
      ...each(honest, () => ({ central: word(central.madeBy, 0x0a14) })),
    ],
  ],
  [
    'Z15',
    'encrypted flag / method 99, 12',
    'C',
    (honest) => [
      ...[0x0001, 0x0009, 0x0041, 0x2008, 0x0028, 0x000a, 0x8008].flatMap((flags) =>
        each(honest, () => both('flags', flags)),
      ),
      ...[99, 12, 14, 93, 95, 9, 1].flatMap((method) => [
        ...each(honest, () => ({ method })),
        ...each(honest, () => both('method', method)),
      ]),
      ...each(honest, () => both('version', 45)),
      // A stored entry whose size stands behind it.
      ...each(honest, ({ body }) => ({ packed: body!, ...both('method', 0) })),
    ],
  ],
  [
    'Z16',
    'overlapping entries (Fifield)',
    'C',
    (honest) => {
      const last = honest.at(-1)!;
      const offsets = honest.map((_, at) => taken(rawZip(honest.slice(0, at))).entries.length);
      return [
        // One local header for two entries of the directory, under either name.
        ...offsets.map((offset) => [
          ...honest.slice(0, -1),
          { ...last, only: 'central' as const, central: long(central.offset, offset) },
        ]),
        ...offsets.map((offset) => [
          ...honest,
          { ...last, only: 'central' as const, central: long(central.offset, offset) },
        ]),
        // The body of one reaches over the next.
        ...each(honest, ({ body }) => ({
          method: 0,
          central: (record) => {
            [central.packedSize, central.size].forEach((field) => long(field, body!.length + 200)(record));
          },
        })),
      ];
    },
  ],
  [
    'Z17',
    'fake EOCD inside comment',
    'C',
    (honest) => {
      const bytes = rawZip(honest);
      const forged = rawZip([...honest, { name: unlisted, body: evil }]);
      const { directory } = taken(forged);
      return [
        ...framed(
          honest,
          { comment: bytes.subarray(-22) },
          { comment: forged.subarray(-22) },
          { comment: Buffer.concat([directory, forged.subarray(-22)]) },
          { comment: Buffer.concat([bytes.subarray(-22), Buffer.alloc(40)]) },
        ),
        // The outer end record claims that the inner one is its comment, and the other way round.
        ...framed(honest, { behindDirectory: bytes.subarray(-22) }, { tail: bytes.subarray(-22) }),
      ];
    },
  ],
  [
    'Z18',
    '100-byte comment',
    'C',
    (honest) =>
      framed(honest, ...[100, 1, 22, 65_535].map((length) => ({ comment: Buffer.alloc(length, 0x20) })), {
        end: word(20, 100),
      }),
  ],
  [
    'Z19',
    'prepended SFX',
    'C',
    (honest) => {
      const bytes = rawZip(honest);
      const fronts = [Buffer.from('#!/bin/sh\nexit\n'), Buffer.from('MZ'), bytes.subarray(0, 100), bytes];
      // Offsets moved along, as a self-extractor has them, and not.
      return fronts.flatMap((front) => [rawZip(honest, { front }), Buffer.concat([front, bytes])]);
    },
  ],
  [
    'Z20',
    'zip64 50M records (98 bytes)',
    'C',
    (honest) => {
      const { entries, directory } = taken(rawZip(honest));
      return [
        zip64End(50_000_000n, 0),
        Buffer.concat([entries, zip64End(50_000_000n, entries.length)]),
        Buffer.concat([entries, directory, zip64End(BigInt(honest.length), entries.length)]),
        ...framed(honest, counting(0xffff)),
        ...framed(honest, { end: long(12, 0xffffffff) }, { end: long(16, 0xffffffff) }),
      ];
    },
  ],
  ['Z20', '65,534 records in a small file', 'L', (honest) => framed(honest, counting(0xfffe))],
  [
    'Z21',
    'trailing garbage',
    'C',
    (honest) => [
      ...framed(
        honest,
        ...[Buffer.alloc(1), Buffer.alloc(22), evil, rawZip(honest)].map((tail) => ({ tail })),
      ),
      // Cut is the same from the other side.
      ...[1, 21, 22, 23, 100].map((length) => rawZip(honest).subarray(0, -length)),
    ],
  ],
  [
    'Z22',
    'Unicode-path extra 0x7075',
    'C',
    (honest) => [
      ...each(honest, ({ name }) => ({ extra: unicodePath(String(name), '../../../canary') })),
      ...each(honest, () => ({ extra: Buffer.from('55540500030000000000', 'hex') })),
      ...each(honest, () => ({ extra: Buffer.from('0100100000000000000000000000000000000000', 'hex') })),
      ...each(honest, () => ({ comment: Buffer.from('see also') })),
      // A length without the field, and the field without its length.
      ...each(honest, () => ({ central: word(central.extraLength, 4) })),
      ...each(honest, () => ({ central: word(central.commentLength, 4) })),
      ...each(honest, () => ({ extra: evil, central: word(central.extraLength, 0) })),
      ...each(honest, () => ({ comment: evil, central: word(central.commentLength, 0) })),
    ],
  ],
  [
    'Z23',
    'directory with data',
    'C',
    (honest) => [
      ...anywhere(honest, { name: 'plugins/', body: evil, method: 0 }),
      ...anywhere(honest, { name: 'plugins/waf/', body: evil, attributes: 0x41ed0010 }),
      ...anywhere(honest, { name: 'plugins/waf/', method: 0, attributes: 0x41ed0010 }),
      ...inPlace(honest, () => ({ name: `${target}/` })),
    ],
  ],
  [
    'Z24',
    'multi-disk',
    'C',
    (honest) => [
      ...each(honest, () => ({ central: word(central.disk, 1) })),
      ...framed(
        honest,
        { end: word(4, 1) },
        { end: word(6, 1) },
        {
          end: (record) => {
            [4, 6].forEach((field) => word(field, 1)(record));
          },
        },
        { front: Buffer.from('504b0708', 'hex') },
        { front: Buffer.from('504b3030', 'hex') },
      ),
    ],
  ],
  [
    'Z25',
    'data between entries',
    'C',
    (honest) => [
      ...[Buffer.alloc(1), Buffer.alloc(100), Buffer.from('504b0304', 'hex'), evil].flatMap((before) => [
        ...each(honest, () => ({ before })),
        ...framed(honest, { beforeDirectory: before }, { behindDirectory: before }),
        // The same, counted as part of the directory.
        ...framed(
          honest,
          {
            behindDirectory: before,
            end: (record) => {
              addTo(record, 12, before.length);
            },
          },
          {
            beforeDirectory: before,
            end: (record) => {
              addTo(record, 12, before.length);
              addTo(record, 16, -before.length);
            },
          },
        ),
      ]),
      // Bytes that an entry holds but that nobody inflates.
      ...each(honest, ({ body }) => ({ packed: Buffer.concat([deflateRawSync(body!), Buffer.alloc(1)]) })),
    ],
  ],
  [
    'Z26',
    'bad CRC, right sha256',
    'C',
    (honest) => [
      ...each(honest, ({ body }) => ({ crc32: (crc32(body!) ^ 1) >>> 0 })),
      ...each(honest, ({ body }) => ({ method: 0, crc32: (crc32(body!) ^ 0x80000000) >>> 0 })),
      ...each(honest, () => ({ crc32: 0 })),
    ],
  ],
  [
    'Z27',
    'right CRC, wrong sha256',
    'D',
    (honest) => [
      // Manifest and signatures are somebody else's business: their case is a wrong signature.
      ...each(honest, ({ body }) => ({ body: flipped(body!) })).slice(2),
      ...each(honest, ({ body }) => ({ body: flipped(body!), method: 0 })).slice(2),
    ],
  ],
  [
    'Z28',
    'data descriptor with wrong values',
    'C',
    (honest) => [
      ...(['crc32', 'packedSize', 'size'] as const).flatMap((field) => [
        ...each(honest, () => ({ descriptor: long(descriptor[field], 7) })),
        ...each(honest, () => ({ descriptor: long(descriptor[field], 0) })),
      ]),
      ...each(honest, () => ({ descriptor: long(0, 0x04034b50) })),
      // Values in the local header, where the descriptor alone should have them.
      ...each(honest, ({ body }) => ({ local: long(local.crc32, crc32(body!)) })),
      ...each(honest, ({ body }) => ({ local: long(local.size, body!.length) })),
    ],
  ],
];

/** Z01 to Z28: every one holds an otherwise valid bundle that `lab.key` signed. */
export const cases: readonly CorpusCase[] = table.map(([id, title, expect, build]) => ({
  id,
  title,
  expect,
  build: (lab) =>
    build(zipEntries(bundleParts([lab.key]).entries), lab).map((each) =>
      Buffer.isBuffer(each) ? each : rawZip(each),
    ),
}));
