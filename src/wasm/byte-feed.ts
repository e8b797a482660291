/** Asks whoever feeds for more bytes; see {@link ByteFeed}. */
export type Reading<Result> = Generator<undefined, Result>;

/**
 * Bytes that come in pieces, taken front to back by generators that wait for more. What is passed over is never kept, and what is taken
 * in one go is as much as the taker asked for.
 */
export class ByteFeed {
  /** Bytes in all, as the file or the manifest has it. */
  readonly size: number;
  #chunks: Buffer[] = [];
  #held = 0;
  #skip = 0;
  #position = 0;

  constructor(size: number) {
    this.size = size;
  }

  /** Bytes taken and passed over so far. */
  get position(): number {
    return this.#position;
  }

  push(chunk: Buffer): void {
    const passed = Math.min(this.#skip, chunk.length);
    this.#skip -= passed;
    if (passed === chunk.length) return;
    this.#chunks.push(passed === 0 ? chunk : chunk.subarray(passed));
    this.#held += chunk.length - passed;
  }

  /** Bytes that nobody wants: a source that can seek leaves them out. Asked once, they count as passed over. */
  jump(): number {
    const bytes = this.#skip;
    this.#skip = 0;
    return bytes;
  }

  /** The next bytes, which stay; all there are where fewer are left. */
  *peek(length: number): Reading<Buffer> {
    const wanted = Math.min(length, this.size - this.#position);
    while (this.#held < wanted) yield;
    return this.#front(wanted);
  }

  /** The next bytes; all there are where fewer are left. */
  *take(length: number): Reading<Buffer> {
    const bytes = yield* this.peek(length);
    this.#drop(bytes.length);
    return bytes;
  }

  /** Passes over bytes, of which there must be as many. */
  skip(length: number): void {
    const held = Math.min(length, this.#held);
    this.#drop(held);
    this.#skip += length - held;
    this.#position += length - held;
  }

  #front(length: number): Buffer {
    const [first] = this.#chunks;
    if (first === undefined || length === 0) return Buffer.alloc(0);
    if (first.length < length) this.#chunks = [Buffer.concat(this.#chunks)];
    return (this.#chunks[0] ?? first).subarray(0, length);
  }

  #drop(length: number): void {
    this.#position += length;
    this.#held -= length;
    for (let left = length; left > 0;) {
      const [first] = this.#chunks;
      if (first === undefined) return;
      if (first.length > left) {
        this.#chunks[0] = first.subarray(left);
        return;
      }
      left -= first.length;
      this.#chunks.shift();
    }
  }
}
