import { Transform, type TransformCallback } from 'node:stream';
import { PlugferryError } from '../errors.js';
import { isZero, readTarHeader, type TarEntry } from './tar-header.js';

const blockSize = 512;
/** Zero bytes that may stand behind the last entry: tar writes records of 20 blocks. */
const maxTail = 20 * blockSize;

/** Asked for every header before any byte behind it passes; throws or rejects to refuse the entry. */
export type Admission = (entry: TarEntry, index: number) => Promise<void> | void;

/**
 * Stands in front of the tar parser and lets only bytes through that follow the strict profile, entry by entry as
 * `admit` allows. What a general parser might read differently never reaches it.
 */
export class TarGate extends Transform {
  readonly #admit: Admission;
  readonly #header = Buffer.alloc(blockSize);
  #held = 0;
  #index = 0;
  /** Bytes of body still to come. */
  #body = 0;
  /** Bytes of padding still to come. */
  #padding = 0;
  /** Zero bytes seen since the end-of-archive mark began. */
  #tail = 0;

  constructor(admit: Admission) {
    super({ highWaterMark: 256 * 1024 });
    this.#admit = admit;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#pass(chunk).then(
      () => {
        done();
      },
      (error: unknown) => {
        done(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  override _flush(done: TransformCallback): void {
    const complete = this.#tail >= 2 * blockSize && this.#tail % blockSize === 0;
    done(
      complete
        ? null
        : refused('ends in the middle', 'The file is cut off. Copy it again, and compare its size.'),
    );
  }

  async #pass(chunk: Buffer): Promise<void> {
    let rest = chunk;
    while (rest.length > 0) {
      const taken = await this.#take(rest);
      this.push(rest.subarray(0, taken));
      rest = rest.subarray(taken);
    }
  }

  /** How many bytes at the start of `chunk` may pass. */
  async #take(chunk: Buffer): Promise<number> {
    if (this.#body > 0) {
      const length = Math.min(this.#body, chunk.length);
      this.#body -= length;
      return length;
    }
    if (this.#padding > 0) {
      const length = Math.min(this.#padding, chunk.length);
      if (!isZero(chunk.subarray(0, length))) throw refused('has bytes in the padding behind an entry');
      this.#padding -= length;
      return length;
    }
    if (this.#tail > 0) return this.#takeTail(chunk);
    return this.#takeHeader(chunk);
  }

  async #takeHeader(chunk: Buffer): Promise<number> {
    const length = Math.min(blockSize - this.#held, chunk.length);
    chunk.copy(this.#header, this.#held, 0, length);
    this.#held += length;
    if (this.#held < blockSize) return length;
    this.#held = 0;
    if (isZero(this.#header)) {
      this.#tail = blockSize;
      return length;
    }
    const entry = readTarHeader(this.#header);
    await this.#admit(entry, this.#index);
    this.#index += 1;
    this.#body = entry.size;
    this.#padding = (blockSize - (entry.size % blockSize)) % blockSize;
    return length;
  }

  #takeTail(chunk: Buffer): number {
    if (!isZero(chunk)) throw refused('goes on behind its end');
    this.#tail += chunk.length;
    if (this.#tail > maxTail) throw refused('has too many zero bytes at its end');
    return chunk.length;
  }
}

function refused(
  found: string,
  hint = 'The file was damaged or tampered with. Copy it again from where it was made.',
) {
  return new PlugferryError('E_CONTAINER', `the tar inside the bundle ${found}`, {
    hint,
    details: { found },
  });
}
