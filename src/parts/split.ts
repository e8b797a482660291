import type { FileHandle } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { PlugferryError } from '../errors.js';
import { sha256Of } from '../stream/digest.js';
import type { AddFile } from '../files/atomic-files.js';
import { Tally, type Progress } from '../stream/progress.js';
import { Coder } from './coder.js';
import { BlockDigests, blockDigest } from './digests.js';
import { maxParts, parityRows } from './galois.js';
import { headerBytes, recordBytes } from './header.js';
import {
  blockLength,
  blockOffset,
  blockSize,
  headerSize,
  minPartFile,
  neighbourOf,
  parityFor,
  partCount,
  payloadSize,
  roomIn,
  type Shape,
} from './shape.js';
import { forEachStripe, stripeCount, stripeLength, stripesAtOnce } from './stripes.js';

export interface SplitOptions {
  /** Part files are named `<prefix>.part001` and so on. */
  readonly prefix: string;
  /** Most bytes of a part file. */
  readonly partFile: number;
  /** Parity parts, in percent of the others; 0 for none. */
  readonly parity: number;
  readonly signal?: AbortSignal | undefined;
  readonly notify?: ((message: string) => void) | undefined;
  /** Told how many bytes parity has been made of. */
  readonly progress?: Progress | undefined;
}

/** One part that was written. */
export interface WrittenPart {
  readonly file: string;
  readonly kind: 'data' | 'parity';
  /** Bytes of the file. */
  readonly size: number;
}

export interface WrittenSet {
  readonly set: string;
  readonly shape: Shape;
  readonly parts: readonly WrittenPart[];
}

interface OpenPart {
  readonly path: string;
  readonly file: FileHandle;
  readonly digests: BlockDigests;
}

/**
 * Cuts bytes, as they come, into part files. How many there will be need not be known; what every part says about the set is
 * written when it is.
 */
export class Splitter {
  readonly #options: SplitOptions;
  readonly #add: AddFile;
  readonly #room: number;
  readonly #whole = createHash('sha256');
  readonly #parts: OpenPart[] = [];
  readonly #block = Buffer.alloc(blockSize);
  #inBlock = 0;
  #inPart = 0;
  #size = 0;

  /** @throws PlugferryError `E_USAGE` for sizes that cannot be. */
  constructor(options: SplitOptions, add: AddFile) {
    if (options.partFile < minPartFile) throw tooSmall(options.partFile);
    this.#options = options;
    this.#add = add;
    this.#room = roomIn(options.partFile);
  }

  /** @throws PlugferryError `E_LIMIT` when there would be too many parts, and what opening and writing throws. */
  async write(bytes: Buffer): Promise<void> {
    this.#options.signal?.throwIfAborted();
    this.#whole.update(bytes);
    for (let rest = bytes; rest.length > 0;) {
      const length = Math.min(rest.length, blockSize - this.#inBlock);
      rest.copy(this.#block, this.#inBlock, 0, length);
      this.#inBlock += length;
      this.#size += length;
      rest = rest.subarray(length);
      if (this.#inBlock === blockSize) await this.#endBlock();
    }
  }

  /** Adds parity, and to every part what it says of itself. */
  async finish(): Promise<WrittenSet> {
    if (this.#inBlock > 0) await this.#endBlock();
    if (this.#size === 0) throw nothing();
    const shape: Shape = {
      data: this.#parts.length,
      parity: parityFor(this.#parts.length, this.#options.parity),
      block: blockSize,
      partSize: this.#parts.length === 1 ? this.#size : this.#room,
      bundleSize: this.#size,
      bundleSha256: this.#whole.digest('hex'),
    };
    if (partCount(shape) > maxParts) throw this.#tooMany();
    if (shape.parity > 0) {
      this.#options.notify?.(`writing ${shape.parity} parity parts`);
      await this.#addParity(shape);
    }
    return this.#seal(shape);
  }

  async #endBlock(): Promise<void> {
    if (this.#parts.length === 0 || this.#inPart === this.#room) await this.#open();
    const part = this.#parts.at(-1);
    if (part === undefined) throw new Error('no part is open');
    const block = this.#block.subarray(0, this.#inBlock);
    part.digests.put(this.#inPart / blockSize, blockDigest(block));
    await writeAt(part.file, block, headerSize + this.#inPart);
    this.#inPart += block.length;
    this.#inBlock = 0;
  }

  async #open(): Promise<OpenPart> {
    if (this.#parts.length === maxParts) throw this.#tooMany();
    const path = `${this.#options.prefix}.part${String(this.#parts.length + 1).padStart(3, '0')}`;
    const part = { path, file: await this.#add(path), digests: new BlockDigests() };
    this.#parts.push(part);
    this.#inPart = 0;
    return part;
  }

  async #addParity(shape: Shape): Promise<void> {
    const data = [...this.#parts];
    const parity: OpenPart[] = [];
    for (let made = 0; made < shape.parity; made += 1) parity.push(await this.#open());
    const rows = parityRows(shape.data, shape.parity);
    const coder = new Coder();
    const { add } = new Tally(this.#options.progress, stripeCount(shape) * shape.data * shape.block);
    try {
      await forEachStripe(stripeCount(shape), stripesAtOnce(shape, coder), async (stripe) => {
        this.#options.signal?.throwIfAborted();
        const size = stripeLength(shape, stripe);
        const inputs = await readStripe(data, { shape, stripe });
        const outputs = await coder.combine(rows, inputs, size);
        await Promise.all(
          parity.map(async ({ file, digests }, at) => {
            const block = outputs.subarray(at * size, (at + 1) * size);
            digests.put(stripe, blockDigest(block));
            await writeAt(file, block, blockOffset(shape, stripe));
          }),
        );
        add(shape.data * shape.block);
      });
    } finally {
      await coder.close();
    }
  }

  async #seal(shape: Shape): Promise<WrittenSet> {
    const digests = this.#parts.map((part) => sha256Of(part.digests.bytes));
    const record = recordBytes(shape, digests);
    const set = sha256Of(record);
    const parts: WrittenPart[] = [];
    for (const [part, { path, file, digests: own }] of this.#parts.entries()) {
      const header = headerBytes({ set, part, shape, digest: digests[part] ?? '' });
      const neighbour = this.#parts[neighbourOf(shape, part)]?.digests.bytes ?? Buffer.alloc(0);
      const trailer = Buffer.concat([record, own.bytes, neighbour, header]);
      const at = headerSize + payloadSize(shape, part);
      await writeAt(file, header, 0);
      await writeAt(file, trailer, at);
      parts.push({ file: path, kind: part < shape.data ? 'data' : 'parity', size: at + trailer.length });
    }
    return { set, shape, parts };
  }

  #tooMany(): PlugferryError {
    const { partFile } = this.#options;
    return new PlugferryError(
      'E_LIMIT',
      `the bundle would need more than ${maxParts} parts of ${partFile} bytes`,
      {
        hint: 'Give a larger --split-size, or less parity.',
        details: { expected: maxParts },
      },
    );
  }
}

/** One block of every data part, one behind the other, those that are short filled up with zeros. */
async function readStripe(
  parts: readonly OpenPart[],
  { shape, stripe }: { readonly shape: Shape; readonly stripe: number },
): Promise<Uint8Array<ArrayBuffer>> {
  const size = stripeLength(shape, stripe);
  const bytes = new Uint8Array(new ArrayBuffer(parts.length * size));
  await Promise.all(
    parts.map(async ({ file, path }, part) => {
      const length = Math.max(0, blockLength(shape, part, stripe));
      for (let done = 0; done < length;) {
        const { bytesRead } = await file.read(
          bytes,
          part * size + done,
          length - done,
          blockOffset(shape, stripe) + done,
        );
        if (bytesRead === 0) throw cutShort(path);
        done += bytesRead;
      }
    }),
  );
  return bytes;
}

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

const cutShort = (file: string): PlugferryError =>
  new PlugferryError('E_IO', `${file} became shorter while it was written`, {
    hint: 'Check the file system that it is on, then run the same command again.',
    details: { file },
  });

const nothing = (): PlugferryError =>
  new PlugferryError('E_CONTAINER', 'there is nothing to split: the bundle is empty', {
    hint: 'Give the file that "plugferry export" wrote.',
    details: { found: 'empty' },
  });

const tooSmall = (found: number): PlugferryError =>
  new PlugferryError('E_USAGE', `parts of ${found} bytes are too small`, {
    hint: `Give at least ${minPartFile} bytes (1M).`,
    details: { found, expected: minPartFile },
  });
