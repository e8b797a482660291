import type { Readable } from 'node:stream';
import { Transform, pipeline, type TransformCallback } from 'node:stream';
import { PlugferryError } from '../errors.js';
import { parsePluginPath } from '../plugin/layout.js';
import { checkMetadata, maxMetadataBytes, parseMetadata } from '../plugin/metadata.js';
import type { ManifestFile } from '../schema/manifest.js';
import { isModuleHeader } from '../wasm/module.js';
import type { PayloadReceiver } from './bundle.js';

/** Looks into payload files on their way: a module must begin like one, and metadata.txt must describe its module. */
export class PayloadCheck {
  readonly #receive: PayloadReceiver;
  readonly #modules: ReadonlyMap<string, ManifestFile>;

  constructor(files: readonly ManifestFile[], receive: PayloadReceiver) {
    this.#receive = receive;
    this.#modules = new Map(files.map((file) => [file.path, file]));
  }

  /** Hands one proven file to the receiver. */
  async file(file: ManifestFile, body: Readable): Promise<void> {
    const parsed = parsePluginPath(file.path);
    if (parsed?.file === 'plugin.wasm') {
      await this.#receive(file, through(body, new ModuleHead(file.path)));
      return;
    }
    if (parsed?.file === 'metadata.txt') {
      if (file.size > maxMetadataBytes) throw tooLarge(file);
      const module = this.#modules.get(file.path.replace(/metadata\.txt$/, 'plugin.wasm'));
      const head = new Collector((text) => {
        const metadata = parseMetadata(text, file.path);
        if (module !== undefined) checkMetadata(metadata, module, file.path);
      });
      await this.#receive(file, through(body, head));
      return;
    }
    await this.#receive(file, body);
  }
}

function through(body: Readable, stream: Transform): Readable {
  // An error of either stream destroys `stream`, and its reader hears of it.
  pipeline(body, stream, () => undefined);
  return stream;
}

/** Fails on anything that does not begin with the eight bytes of a core WebAssembly module. */
class ModuleHead extends Transform {
  readonly #path: string;
  #head: Buffer | undefined = Buffer.alloc(0);

  constructor(path: string) {
    super({ highWaterMark: 256 * 1024 });
    this.#path = path;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#head !== undefined) {
      this.#head = Buffer.concat([this.#head, chunk.subarray(0, 8)]);
      if (this.#head.length >= 8) {
        if (!isModuleHeader(this.#head.subarray(0, 8))) {
          done(notModule(this.#path));
          return;
        }
        this.#head = undefined;
      }
    }
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    done(this.#head === undefined ? null : notModule(this.#path));
  }
}

/** Passes a small text through and shows it, whole, to `look`, which throws to refuse it. */
class Collector extends Transform {
  readonly #look: (text: string) => void;
  readonly #chunks: Buffer[] = [];

  constructor(look: (text: string) => void) {
    super();
    this.#look = look;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#chunks.push(chunk);
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    try {
      this.#look(Buffer.concat(this.#chunks).toString('utf8'));
      done();
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

const notModule = (path: string): PlugferryError =>
  new PlugferryError('E_WASM', `${path} is not a WebAssembly module`, {
    hint: 'Ask the sender for a bundle whose plugin.wasm is the module itself, not an archive or a page.',
    details: { file: path, expected: '00 61 73 6d 01 00 00 00' },
  });

const tooLarge = ({ path, size }: ManifestFile): PlugferryError =>
  new PlugferryError('E_LIMIT', `${path} has ${size} bytes, expected at most ${maxMetadataBytes}`, {
    hint: 'This is not a metadata.txt of a plugin server.',
    details: { file: path, expected: maxMetadataBytes, found: size },
  });
