import { PlugferryError } from '../errors.js';

/** What the central directory says of an entry, under rules so narrow that every program reads it alike. */
export interface ZipEntry {
  readonly name: string;
  /** Bytes of the body. */
  readonly size: number;
  /** Bytes that the body takes up in the archive. */
  readonly packedSize: number;
  readonly crc32: number;
  /** 0 stored, 8 deflated. */
  readonly method: number;
  readonly flags: number;
  /** Where the local header begins. */
  readonly offset: number;
  /** The bytes that must stand in front of the body: the local header. */
  readonly front: Buffer;
  /** The bytes that must stand behind it: a data descriptor, or nothing. */
  readonly back: Buffer;
}

/** The end of central directory record, which is all there is behind the directory. */
export interface ZipEnd {
  readonly entries: number;
  readonly directoryOffset: number;
  readonly directorySize: number;
}

export const endSize = 22;
const centralSize = 46;
const localSize = 30;
/** Longest entry name in bytes: more than any path of a bundle has. */
const maxNameLength = 255;
export const maxCentralSize = centralSize + maxNameLength;

const signature = {
  local: 0x04034b50,
  descriptor: 0x08074b50,
  central: 0x02014b50,
  end: 0x06054b50,
} as const;
const descriptorFlag = 0x0008;
const utf8Flag = 0x0800;
/** APPNOTE 4.4.3: deflate and directories; later versions stand for features that no bundle uses. */
const maxVersionNeeded = 20;

/**
 * Reads the record that ends a zip of `total` bytes.
 *
 * @throws PlugferryError `E_CONTAINER` unless it describes one whole archive without comment, 64-bit extension or parts.
 */
export function readZipEnd(record: Buffer, total: number): ZipEnd {
  if (record.readUInt32LE(0) !== signature.end) throw refusedZip('does not end with its directory');
  const entries = record.readUInt16LE(10);
  const [directorySize, directoryOffset] = [record.readUInt32LE(12), record.readUInt32LE(16)];
  if (record.readUInt16LE(20) !== 0) throw refusedZip('has a comment');
  if (entries === 0xffff || directorySize === 0xffff_ffff || directoryOffset === 0xffff_ffff) {
    throw refusedZip('uses the 64-bit extension');
  }
  if (record.readUInt32LE(4) !== 0 || record.readUInt16LE(8) !== entries)
    throw refusedZip('is one of several parts');
  if (directoryOffset + directorySize + endSize !== total) throw refusedZip('has bytes around its directory');
  return { entries, directoryOffset, directorySize };
}

/**
 * Reads a whole central directory.
 *
 * @throws PlugferryError `E_CONTAINER` unless it holds exactly `count` entries, each a plain file.
 */
export function readZipDirectory(directory: Buffer, count: number): ZipEntry[] {
  const entries: ZipEntry[] = [];
  let rest = directory;
  while (entries.length < count) {
    if (rest.length < centralSize) throw refusedZip('has fewer entries than it says');
    const nameLength = rest.readUInt16LE(28);
    const size = centralSize + nameLength;
    if (nameLength > maxNameLength || rest.length < size)
      throw refusedZip('has an entry name that is too long');
    entries.push(readCentral(rest.subarray(0, size)));
    rest = rest.subarray(size);
  }
  if (rest.length > 0) throw refusedZip('has more entries than it says');
  return entries;
}

function readCentral(record: Buffer): ZipEntry {
  if (record.readUInt32LE(0) !== signature.central) throw refusedZip('has a damaged directory');
  // latin1 keeps every byte apart, where UTF-8 would fold all malformed ones into one character.
  const name = record.toString('latin1', centralSize);
  const entry = {
    name,
    flags: record.readUInt16LE(8),
    method: record.readUInt16LE(10),
    crc32: record.readUInt32LE(16),
    packedSize: record.readUInt32LE(20),
    size: record.readUInt32LE(24),
    offset: record.readUInt32LE(42),
  };
  checkAttributes(record, name);
  checkPacking(entry);
  return { ...entry, front: localHeader(record), back: descriptor(record) };
}

/** One kind of entry: a regular file of this archive, without any of the side channels of the format. */
function checkAttributes(record: Buffer, name: string): void {
  const system = record.readUInt8(5);
  if (system !== 0 && system !== 3) throw refusedZip('has an entry made on a foreign system', name);
  if (record.readUInt16LE(6) > maxVersionNeeded)
    throw refusedZip('has an entry of a later zip version', name);
  if (record.readUInt16LE(30) !== 0) throw refusedZip('has an entry with an extra field', name);
  if (record.readUInt16LE(32) !== 0) throw refusedZip('has an entry with a comment', name);
  if (record.readUInt16LE(34) !== 0) throw refusedZip('has an entry in another part', name);
  const attributes = record.readUInt32LE(38);
  const mode = attributes >>> 16;
  const regular = mode === 0 || (mode & 0o170000) === 0o100000;
  // DOS attributes: 0x08 is a volume label, 0x10 a directory.
  if (!regular || (attributes & 0x18) !== 0)
    throw refusedZip('has an entry that is not a regular file', name);
}

type Packing = Omit<ZipEntry, 'front' | 'back'>;

function checkPacking({ name, flags, method, size, packedSize }: Packing): void {
  if ((flags & ~(descriptorFlag | utf8Flag)) !== 0) throw refusedZip('has an entry with unusual flags', name);
  if (method !== 0 && method !== 8) throw refusedZip(`has an entry of compression method ${method}`, name);
  if (method === 0 && size !== packedSize) throw refusedZip('has a stored entry of two sizes', name);
  // Who reads such an entry from front to back cannot know where it ends.
  if (method === 0 && usesDescriptor(flags))
    throw refusedZip('has a stored entry that tells its size too late', name);
}

const usesDescriptor = (flags: number): boolean => (flags & descriptorFlag) !== 0;

/** The local header that says the same as a central record. */
function localHeader(record: Buffer): Buffer {
  const header = Buffer.alloc(localSize + record.length - centralSize);
  header.writeUInt32LE(signature.local, 0);
  // Version needed, flags, method, time and date; then CRC-32 and sizes, unless the data descriptor has them.
  record.copy(header, 4, 6, 16);
  if (!usesDescriptor(record.readUInt16LE(8))) record.copy(header, 14, 16, 28);
  record.copy(header, 26, 28, 30);
  record.copy(header, localSize, centralSize);
  return header;
}

function descriptor(record: Buffer): Buffer {
  if (!usesDescriptor(record.readUInt16LE(8))) return Buffer.alloc(0);
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(signature.descriptor, 0);
  record.copy(bytes, 4, 16, 28);
  return bytes;
}

/** A zip that breaks the rules. */
export function refusedZip(found: string, file?: string, cause?: unknown): PlugferryError {
  const where = file === undefined ? '' : ` ("${file}")`;
  return new PlugferryError('E_CONTAINER', `the zip bundle ${found}${where}`, {
    hint: 'The file was damaged or not made by Plugferry. Copy it again from where it was made.',
    details: { found, ...(file === undefined ? {} : { file }) },
    cause,
  });
}
