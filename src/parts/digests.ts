import { createHash } from 'node:crypto';
import { digestSize } from './shape.js';

/** The digests of the blocks of one part, one behind the other. */
export class BlockDigests {
  #bytes = Buffer.alloc(digestSize * 64);
  #end = 0;

  put(block: number, digest: Buffer): void {
    const start = block * digestSize;
    if (start >= this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(this.#bytes.length * 2, start + digestSize));
      this.#bytes.copy(larger);
      this.#bytes = larger;
    }
    digest.copy(this.#bytes, start);
    this.#end = Math.max(this.#end, start + digestSize);
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#end);
  }
}

export const blockDigest = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** Whether `bytes` are what a table of digests says of a block. */
export const isBlock = (bytes: Uint8Array, table: Buffer, block: number): boolean =>
  blockDigest(bytes).equals(table.subarray(block * digestSize, (block + 1) * digestSize));
