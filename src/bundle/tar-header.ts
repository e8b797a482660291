import { PlugferryError } from '../errors.js';

/** What a strict ustar header says. Nothing else of it is believed or used. */
export interface TarEntry {
  readonly name: string;
  /** Bytes of the body. */
  readonly size: number;
  /** For a hard link entry the earlier path, else undefined. */
  readonly linkName: string | undefined;
}

/** Header fields by offset and length (POSIX.1-1988 ustar). */
const field = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkName: [157, 100],
  magic: [257, 8],
  names: [265, 64],
  devMajor: [329, 8],
  devMinor: [337, 8],
  prefix: [345, 155],
  rest: [500, 12],
} as const satisfies Record<string, readonly [number, number]>;

/**
 * Reads one 512-byte header under rules so narrow that no two tar programs can understand it differently: ustar magic,
 * plain octal numbers, right checksum, regular file or hard link, nothing behind a terminator, no owner names.
 *
 * @throws PlugferryError `E_CONTAINER`.
 */
export function readTarHeader(block: Buffer): TarEntry {
  const magic = bytes(block, 'magic').toString('latin1');
  if (magic !== 'ustar\x0000') throw refused('a header that is not plain ustar');
  checkChecksum(block);
  for (const name of ['uid', 'gid', 'mtime', 'devMajor', 'devMinor'] as const) octal(block, name);
  // libarchive believes a file type in here over the type field when the entry is a hard link.
  if (octal(block, 'mode') > 0o7777) throw refused('a mode that says more than permissions');
  for (const name of ['names', 'rest'] as const) {
    if (!isZero(bytes(block, name)))
      throw refused(`bytes in the ${name === 'names' ? 'owner name' : 'reserved'} field`);
  }
  const prefix = text(block, 'prefix');
  const name = text(block, 'name');
  const fullName = prefix === '' ? name : `${prefix}/${name}`;
  const size = octal(block, 'size');
  const linkName = text(block, 'linkName');
  const type = String.fromCharCode(block[field.type[0]] ?? 0);
  if (type === '0') {
    if (linkName !== '') throw refused('a regular file with a link name', fullName);
    return { name: fullName, size, linkName: undefined };
  }
  if (type === '1' && size === 0 && linkName !== '') return { name: fullName, size, linkName };
  throw refused(`an entry of type ${JSON.stringify(type)}, expected a regular file`, fullName);
}

export const isZero = (block: Buffer): boolean => block.every((byte) => byte === 0);

function bytes(block: Buffer, name: keyof typeof field): Buffer {
  const [offset, length] = field[name];
  return block.subarray(offset, offset + length);
}

/** A NUL-padded field; anything behind its terminator is refused. */
function text(block: Buffer, name: keyof typeof field): string {
  const value = bytes(block, name);
  const end = value.indexOf(0);
  if (end >= 0 && !isZero(value.subarray(end))) throw refused(`bytes behind the end of the ${name} field`);
  return value.subarray(0, end < 0 ? value.length : end).toString('latin1');
}

/** Octal digits to the end of the field but for one NUL or blank; no base-256, no blanks in front, no empty field. */
function octal(block: Buffer, name: keyof typeof field): number {
  const value = bytes(block, name).toString('latin1');
  if (!/^[0-7]{6,11}[\0 ]{1,2}$/.test(value)) throw refused(`a ${name} field that is not plain octal`);
  return Number.parseInt(value, 8);
}

function checkChecksum(block: Buffer): void {
  const [offset, length] = field.checksum;
  let sum = 0;
  for (const [index, byte] of block.entries())
    sum += index >= offset && index < offset + length ? 0x20 : byte;
  if (octal(block, 'checksum') !== sum) throw refused('a header with a wrong checksum');
}

function refused(found: string, name?: string): PlugferryError {
  const where = name === undefined ? '' : ` ("${name}")`;
  return new PlugferryError('E_CONTAINER', `the tar inside the bundle has ${found}${where}`, {
    hint: 'The file was damaged or not made by Plugferry. Copy it again from where it was made.',
    details: { found, ...(name === undefined ? {} : { file: name }) },
  });
}
