import { maxParts } from './galois.js';

/** How a bundle is laid out over its parts; the same for all parts of a set. `schemas/README.md` describes the format. */
export interface Shape {
  /** Parts that hold the bundle's own bytes. */
  readonly data: number;
  /** Parts that hold parity; they come behind the others. */
  readonly parity: number;
  /** Bytes that are checked, and repaired, together. */
  readonly block: number;
  /** Bytes of the bundle in every data part but the last, which may have fewer; with several, whole blocks. */
  readonly partSize: number;
  /** Bytes of the bundle. */
  readonly bundleSize: number;
  readonly bundleSha256: string;
}

/** 256 KiB: small enough to lose little with a bad spot, large enough that digests take 0.02 % of the room. */
export const blockSize = 256 * 1024;
/** Bytes of the header that stands at either end of a part. */
export const headerSize = 512;
/** Bytes of the digest of a block. */
export const digestSize = 32;
/** Most bytes of the record of a set: 255 digests in hex, and what is known about the set. */
const maxRecordSize = 512 + maxParts * (2 * digestSize + 1);

/** Most bytes of a bundle that can be split, 2 TiB: no bundle is larger. */
const maxBundleSize = 2 ** 41;

/** Smallest size of a part file that makes sense. */
export const minPartFile = 1024 * 1024;

/** Most bytes of one block of every data part, which are in memory together: 255 blocks of 1 MiB. Plugferry makes up to 64 MiB. */
const maxStripe = 255 * 1024 * 1024;

/** How many parts there are. */
export const partCount = ({ data, parity }: Shape): number => data + parity;

/** The bytes of the bundle, or of parity, that a part holds. Parts count from 0. */
export function payloadSize(shape: Shape, part: number): number {
  const { data, partSize, bundleSize } = shape;
  return part === data - 1 ? bundleSize - part * partSize : partSize;
}

/** How many blocks a part has; the last may be shorter. */
export const blockCount = (shape: Shape, part: number): number =>
  Math.ceil(payloadSize(shape, part) / shape.block);

/** The bytes of one block of a part. */
export const blockLength = (shape: Shape, part: number, block: number): number =>
  Math.min(shape.block, payloadSize(shape, part) - block * shape.block);

/** Where in a part file a block stands. */
export const blockOffset = (shape: Shape, block: number): number => headerSize + block * shape.block;

/** The part whose block digests stand also at the end of `part`. */
export const neighbourOf = (shape: Shape, part: number): number =>
  (part + partCount(shape) - 1) % partCount(shape);

/** The most bytes of the bundle that fit in a part file of `fileSize`, in whole blocks. */
export const roomIn = (fileSize: number): number =>
  Math.floor((fileSize - 2 * headerSize - maxRecordSize) / (blockSize + 2 * digestSize)) * blockSize;

/** How many parity parts `percent` of the data parts are, at least one where any are wanted. */
export const parityFor = (data: number, percent: number): number => Math.ceil((data * percent) / 100);

/** Whether the numbers of a header can be those of a set. */
export function isPossible({ data, parity, block, partSize, bundleSize }: Shape): boolean {
  const last = bundleSize - (data - 1) * partSize;
  return (
    data >= 1 &&
    data + parity <= maxParts &&
    block >= 64 * 1024 &&
    block <= 16 * 1024 * 1024 &&
    data * block <= maxStripe &&
    bundleSize <= maxBundleSize &&
    last >= 1 &&
    last <= partSize &&
    (data === 1 ? partSize === bundleSize : partSize % block === 0)
  );
}
