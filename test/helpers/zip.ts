import { crc32, deflateRawSync } from 'node:zlib';
import type { RawEntry } from './tar.js';

/** A zip writer that does as it is told, for archives that no honest program writes. */
export interface RawZipEntry {
  readonly name: string | Buffer;
  readonly body?: Buffer;
  /** 8 (deflate, with a data descriptor) or 0 (stored, without); any other number is written and stores. @default 8 */
  readonly method?: number;
  /** What stands in the archive for the body. */
  readonly packed?: Buffer;
  readonly crc32?: number;
  /** External attributes. @default a regular file, 0644 */
  readonly attributes?: number;
  readonly extra?: Buffer;
  readonly comment?: Buffer;
  /** Bytes in front of the local header. */
  readonly before?: Buffer;
  /** The name in the local header. @default `name` */
  readonly localName?: string;
  /** Where the entry is to be found. @default both */
  readonly only?: 'local' | 'central';
  /** Last words on the finished records. */
  readonly local?: (header: Buffer) => void;
  readonly central?: (record: Buffer) => void;
  readonly descriptor?: (bytes: Buffer) => void;
}

export interface RawZipFrame {
  readonly front?: Buffer;
  /** Bytes between the last entry and the directory. */
  readonly beforeDirectory?: Buffer;
  /** Bytes between the directory and its end record. */
  readonly behindDirectory?: Buffer;
  readonly comment?: Buffer;
  readonly tail?: Buffer;
  /** Last word on the end record. */
  readonly end?: (record: Buffer) => void;
}

/** The entries of a tar bundle as a zip holds them: with bytes in the place of links. */
export function zipEntries(entries: readonly RawEntry[]): RawZipEntry[] {
  const nameOf = ({ prefix, name = '' }: RawEntry): string =>
    prefix === undefined ? name : `${prefix}/${name}`;
  const bodies = new Map(entries.map((entry) => [nameOf(entry), entry.body]));
  return entries.map((entry) => ({
    name: nameOf(entry),
    body: entry.body ?? bodies.get(entry.linkName ?? '') ?? Buffer.alloc(0),
  }));
}

const regularFile = (0o100644 << 16) >>> 0;

export function rawZip(entries: readonly RawZipEntry[], frame: RawZipFrame = {}): Buffer {
  const front = frame.front ?? Buffer.alloc(0);
  const parts = [front];
  const directory: Buffer[] = [];
  let at = front.length;
  for (const entry of entries) {
    const bytes = Buffer.concat([entry.before ?? Buffer.alloc(0), ...localParts(entry)]);
    const offset = at + (entry.before?.length ?? 0);
    if (entry.only !== 'local') directory.push(centralRecord(entry, offset));
    if (entry.only === 'central') continue;
    parts.push(bytes);
    at += bytes.length;
  }
  parts.push(
    frame.beforeDirectory ?? Buffer.alloc(0),
    ...directory,
    frame.behindDirectory ?? Buffer.alloc(0),
  );
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  for (const field of [8, 10]) end.writeUInt16LE(directory.length, field);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(at + (frame.beforeDirectory?.length ?? 0), 16);
  end.writeUInt16LE(frame.comment?.length ?? 0, 20);
  frame.end?.(end);
  return Buffer.concat([...parts, end, frame.comment ?? Buffer.alloc(0), frame.tail ?? Buffer.alloc(0)]);
}

/** Offsets of the fields that both kinds of header have; a central record has them two bytes further on. */
export const local = {
  version: 4,
  flags: 6,
  method: 8,
  time: 10,
  crc32: 14,
  packedSize: 18,
  size: 22,
} as const;
export const central = {
  madeBy: 4,
  version: 6,
  flags: 8,
  method: 10,
  time: 12,
  crc32: 16,
  packedSize: 20,
  size: 24,
  extraLength: 30,
  commentLength: 32,
  disk: 34,
  attributes: 38,
  offset: 42,
  name: 46,
} as const;
export const descriptor = { crc32: 4, packedSize: 8, size: 12 } as const;

interface Finished {
  readonly name: Buffer;
  readonly packed: Buffer;
  readonly method: number;
  readonly late: boolean;
  readonly crc32: number;
  readonly size: number;
}

function finish({ name, body = Buffer.alloc(0), method = 8, ...entry }: RawZipEntry): Finished {
  return {
    name: Buffer.isBuffer(name) ? name : Buffer.from(name),
    packed: entry.packed ?? (method === 8 ? deflateRawSync(body) : body),
    method,
    late: method === 8,
    crc32: entry.crc32 ?? crc32(body),
    size: body.length,
  };
}

/** Version needed, flags, method, time, CRC-32 and sizes: the run of fields that both headers share. */
function sharedFields({ method, late, crc32: crc, packed, size }: Finished): Buffer {
  const fields = Buffer.alloc(24);
  fields.writeUInt16LE(20, 0);
  fields.writeUInt16LE(late ? 8 : 0, 2);
  fields.writeUInt16LE(method, 4);
  fields.writeUInt32LE(0x5c228000, 6);
  fields.writeUInt32LE(crc, 10);
  fields.writeUInt32LE(packed.length, 14);
  fields.writeUInt32LE(size, 18);
  return fields;
}

function localParts(entry: RawZipEntry): Buffer[] {
  const finished = finish(entry);
  const name = entry.localName === undefined ? finished.name : Buffer.from(entry.localName);
  const extra = entry.extra ?? Buffer.alloc(0);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  sharedFields(finished).copy(header, 4, 0, finished.late ? 10 : 22);
  header.writeUInt16LE(name.length, 26);
  header.writeUInt16LE(extra.length, 28);
  const complete = Buffer.concat([header, name, extra]);
  entry.local?.(complete);
  if (!finished.late) return [complete, finished.packed];
  const late = Buffer.alloc(16);
  late.writeUInt32LE(0x08074b50, 0);
  sharedFields(finished).copy(late, 4, 10, 22);
  entry.descriptor?.(late);
  return [complete, finished.packed, late];
}

function centralRecord(entry: RawZipEntry, offset: number): Buffer {
  const finished = finish(entry);
  const extra = entry.extra ?? Buffer.alloc(0);
  const comment = entry.comment ?? Buffer.alloc(0);
  const record = Buffer.alloc(46);
  record.writeUInt32LE(0x02014b50, 0);
  record.writeUInt16LE(0x0314, central.madeBy);
  sharedFields(finished).copy(record, central.version, 0, 22);
  record.writeUInt16LE(finished.name.length, 28);
  record.writeUInt16LE(extra.length, 30);
  record.writeUInt16LE(comment.length, 32);
  record.writeUInt32LE(entry.attributes ?? regularFile, central.attributes);
  record.writeUInt32LE(offset, central.offset);
  const complete = Buffer.concat([record, finished.name, extra, comment]);
  entry.central?.(complete);
  return complete;
}
