import type { PlugferryError } from '../errors.js';
import { readUnsigned } from './leb.js';
import { unloadable } from './unloadable.js';

/** Where the bytes of a {@link Cursor} stand, for errors. */
export interface Place {
  /** How the caller names the file. */
  readonly module: string;
  /** What is being read: "the import section". */
  readonly part: string;
  /** Offset of the first byte in the file. */
  readonly offset: number;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads a bounded piece of a module that is in memory, front to back. Every method throws `E_WASM` when it cannot. */
export class Cursor {
  readonly #bytes: Uint8Array;
  readonly #place: Place;
  #at = 0;

  constructor(bytes: Uint8Array, place: Place) {
    this.#bytes = bytes;
    this.#place = place;
  }

  /** Bytes read so far. */
  get consumed(): number {
    return this.#at;
  }

  /** Cursors of their own on the same bytes, each from an offset into them. */
  again(): (at: number) => Cursor {
    const { module, part, offset } = this.#place;
    return (at) => new Cursor(this.#bytes.subarray(at), { module, part, offset: offset + at });
  }

  byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw this.failure('is cut short');
    this.#at += 1;
    return byte;
  }

  unsigned(bits: 32 | 64 = 32): number {
    const decoded = readUnsigned(this.#bytes, this.#at, bits);
    if (decoded === undefined) throw this.failure(`holds no number of ${bits} bits`);
    this.#at = decoded.next;
    return decoded.value;
  }

  /** The length of a vector. Every item takes at least one byte, so a length that cannot be true is refused here. */
  count(): number {
    const count = this.unsigned();
    if (count > this.#bytes.length - this.#at) {
      throw this.failure(`promises ${count} entries, more than fit in it`);
    }
    return count;
  }

  /** The next byte, which stays; undefined behind the last. */
  peek(): number | undefined {
    return this.#bytes[this.#at];
  }

  /** The bytes that were not read. */
  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }

  /** Passes over bytes, all of which must be there. */
  skip(length: number): void {
    if (length > this.#bytes.length - this.#at) throw this.failure('is cut short');
    this.#at += length;
  }

  name(): string {
    const length = this.count();
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    try {
      const text = utf8.decode(bytes);
      this.#at += length;
      return text;
    } catch {
      throw this.failure('holds a name that is not UTF-8');
    }
  }

  /** Refuses bytes behind the last entry. */
  end(): void {
    const rest = this.#bytes.length - this.#at;
    if (rest > 0) throw this.failure(`has ${rest} bytes behind its last entry`);
  }

  failure(reason: string): PlugferryError {
    const { module, part, offset } = this.#place;
    return unloadable(module, `${part} ${reason} (at byte ${offset + this.#at})`);
  }
}
