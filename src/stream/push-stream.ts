import { Readable } from 'node:stream';

/** A stream that is written to by whoever has the bytes, as fast as its reader takes them. */
export class Channel extends Readable {
  #wanted: (() => void) | undefined;

  constructor() {
    super({ highWaterMark: 1024 * 1024 });
  }

  /** Resolves when more is wanted. */
  async put(chunk: Uint8Array): Promise<void> {
    if (this.push(chunk) || this.destroyed) return;
    await new Promise<void>((resolve) => {
      this.#wanted = resolve;
    });
  }

  end(): void {
    this.push(null);
  }

  override _read(): void {
    this.#release();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#release();
    done(error);
  }

  #release(): void {
    this.#wanted?.();
    this.#wanted = undefined;
  }
}
