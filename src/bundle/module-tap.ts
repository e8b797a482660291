import { Transform, type TransformCallback } from 'node:stream';
import type { ManifestFile } from '../schema/manifest.js';
import type { ModuleReading } from '../wasm/interface.js';
import { ModuleStream, type ModuleStreamOptions } from '../wasm/module-stream.js';

export interface ModuleTapOptions extends ModuleStreamOptions {
  /** Told at the end what the module is; throws to refuse it. */
  readonly found: (reading: ModuleReading) => void;
}

/**
 * Passes a module through and reads it meanwhile. What does not begin like one is refused at once; what else is wrong with it is said
 * only at the end, when its digests have been checked: bytes that were damaged on the way are no fault of the module.
 */
export class ModuleTap extends Transform {
  readonly #stream: ModuleStream;
  readonly #found: ModuleTapOptions['found'];
  #failure: Error | undefined;

  constructor({ path, size }: ManifestFile, { found, ...options }: ModuleTapOptions) {
    super({ highWaterMark: 256 * 1024 });
    this.#stream = new ModuleStream(path, size, options);
    this.#found = found;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#try(() => {
      this.#stream.push(chunk);
    });
    if (this.#failure !== undefined && !this.#stream.begun) done(this.#failure);
    else done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    this.#try(() => {
      this.#found(this.#stream.end());
    });
    done(this.#failure ?? null);
  }

  #try(step: () => void): void {
    if (this.#failure !== undefined) return;
    try {
      step();
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    }
  }
}
