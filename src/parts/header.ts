import { PlugferryError } from '../errors.js';
import { sha256Of } from '../stream/digest.js';
import { headerSize, isPossible, partCount, payloadSize, type Shape } from './shape.js';

/** What a part says of itself. */
export interface PartHeader {
  /** SHA-256 of the record of the set, which all of its parts share. */
  readonly set: string;
  /** Counted from 0; in the file, and to people, from 1. */
  readonly part: number;
  readonly shape: Shape;
  /** SHA-256 over the digests of the part's blocks. */
  readonly digest: string;
}

const type = 'plugferry.part/v1';
const recordType = 'plugferry.set/v1';

/** What every part of every version begins with. */
export const partMagic = 'plugferry.part/';

const shapeLines = ({ data, parity, block, partSize, bundleSize, bundleSha256 }: Shape): string =>
  [
    `data ${data}`,
    `parity ${parity}`,
    `block ${block}`,
    `part-size ${partSize}`,
    `bundle-size ${bundleSize}`,
    `bundle-sha256 ${bundleSha256}`,
    '',
  ].join('\n');

/** The 512 bytes at either end of a part: lines of text, the last of them a check of those before. */
export function headerBytes({ set, part, shape, digest }: PartHeader): Buffer {
  const lines = `${type}\nset ${set}\npart ${part + 1}\n${shapeLines(shape)}size ${payloadSize(shape, part)}\nsha256 ${digest}\n`;
  return Buffer.from(`${lines}check ${sha256Of(Buffer.from(lines))}\n`.padEnd(headerSize, '\n'), 'latin1');
}

const digit = '(0|[1-9][0-9]{0,14})';
const hex = '([0-9a-f]{64})';
const shapePattern = `data ${digit}\nparity ${digit}\nblock ${digit}\npart-size ${digit}\nbundle-size ${digit}\nbundle-sha256 ${hex}\n`;
const headerPattern = new RegExp(
  `^${type}\nset ${hex}\npart ${digit}\n${shapePattern}size ${digit}\nsha256 ${hex}\n`,
);

/**
 * Reads a header; undefined when it is none, or a damaged one.
 *
 * @throws PlugferryError `E_FORMAT_VERSION` for one of another version.
 */
export function parseHeader(bytes: Buffer, file: string): PartHeader | undefined {
  const text = bytes.toString('latin1');
  const version = /^plugferry\.part\/(v[0-9]{1,4})\n/.exec(text)?.[1];
  if (version !== undefined && version !== 'v1') throw otherVersion(file, version);
  const [, set = '', part, data, parity, block, partSize, bundleSize, bundleSha256 = '', , digest = ''] =
    headerPattern.exec(text) ?? [];
  const shape = {
    data: Number(data),
    parity: Number(parity),
    block: Number(block),
    partSize: Number(partSize),
    bundleSize: Number(bundleSize),
    bundleSha256,
  };
  const header = { set, part: Number(part) - 1, shape, digest };
  if (!isPossible(shape) || header.part < 0 || header.part >= partCount(shape)) return undefined;
  // One way only to write each header: this also compares the check, and the size.
  return headerBytes(header).equals(bytes) ? header : undefined;
}

/** The record of a set: what it is, and the digest of each part. Its SHA-256 is the set's id. */
export const recordBytes = (shape: Shape, digests: readonly string[]): Buffer =>
  Buffer.from(
    `${recordType}\n${shapeLines(shape)}${digests.map((digest) => `${digest}\n`).join('')}`,
    'latin1',
  );

/** How many bytes the record of a set has. */
export const recordSize = (shape: Shape): number => recordBytes(shape, []).length + partCount(shape) * 65;

/** The digests of all parts, from a record that is what the set's id stands for; undefined when it is not. */
export function recordDigests(bytes: Buffer, { set, shape }: PartHeader): readonly string[] | undefined {
  if (sha256Of(bytes) !== set) return undefined;
  const digests = bytes.toString('latin1').trimEnd().split('\n').slice(-partCount(shape));
  return recordBytes(shape, digests).equals(bytes) ? digests : undefined;
}

const otherVersion = (file: string, version: string): PlugferryError =>
  new PlugferryError(
    'E_FORMAT_VERSION',
    `${file} is a part of format ${version}, and this program knows v1`,
    {
      hint: 'Use a Plugferry that is at least as new as the one that split the bundle.',
      details: { file, expected: 'v1', found: version },
    },
  );
