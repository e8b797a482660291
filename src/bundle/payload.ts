import { pipeline, Transform, type Readable, type TransformCallback } from 'node:stream';
import { PlugferryError } from '../errors.js';
import { parsePluginPath, pluginPath } from '../plugin/layout.js';
import { checkMetadata, checkOwner, maxMetadataBytes, parseMetadata } from '../plugin/metadata.js';
import type { Manifest, ManifestFile, ManifestPlugin } from '../schema/manifest.js';
import type { PayloadWatch, PayloadReceiver } from './bundle.js';
import { checkClaim } from './claim.js';
import { ModuleTap } from './module-tap.js';

/**
 * Looks into payload files on their way: a module must be one, and be what the manifest claims of it; metadata.txt must describe its
 * module.
 */
export class PayloadCheck {
  readonly #receive: PayloadReceiver;
  readonly #watch: PayloadWatch;
  readonly #modules: ReadonlyMap<string, ManifestFile>;
  /** The plugins whose module stands under a path, in its own right or as `sameAs`. */
  readonly #plugins: ReadonlyMap<string, readonly ManifestPlugin[]>;

  constructor({ files, plugins }: Manifest, receive: PayloadReceiver, watch: PayloadWatch = {}) {
    this.#receive = receive;
    this.#watch = watch;
    this.#modules = new Map(files.map((file) => [file.path, file]));
    this.#plugins = byModule(plugins, this.#modules);
  }

  /** Hands one proven file to the receiver. */
  async file(file: ManifestFile, body: Readable): Promise<void> {
    const parsed = parsePluginPath(file.path);
    if (parsed?.file === 'plugin.wasm') {
      const { onModule } = this.#watch;
      const plugins = this.#plugins.get(file.path) ?? [];
      const tap = new ModuleTap(file, {
        forGateway: onModule !== undefined,
        found: (reading) => {
          for (const plugin of plugins) checkClaim(plugin, reading.facts);
          onModule?.(plugins, reading);
        },
      });
      await this.#receive(file, through(body, tap));
      return;
    }
    if (parsed?.file === 'metadata.txt') {
      if (file.size > maxMetadataBytes) throw tooLarge(file);
      const module = this.#modules.get(file.path.replace(/metadata\.txt$/, 'plugin.wasm'));
      const head = new Collector((text) => {
        const metadata = parseMetadata(text, file.path);
        checkOwner(metadata, parsed.id, file.path);
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

function byModule(
  plugins: readonly ManifestPlugin[],
  modules: ReadonlyMap<string, ManifestFile>,
): Map<string, ManifestPlugin[]> {
  const found = new Map<string, ManifestPlugin[]>();
  for (const plugin of plugins) {
    const path = pluginPath(plugin, 'plugin.wasm');
    const first = modules.get(path)?.sameAs ?? path;
    found.set(first, [...(found.get(first) ?? []), plugin]);
  }
  return found;
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

const tooLarge = ({ path, size }: ManifestFile): PlugferryError =>
  new PlugferryError('E_LIMIT', `${path} has ${size} bytes, expected at most ${maxMetadataBytes}`, {
    hint: 'This is not a metadata.txt of a plugin server.',
    details: { file: path, expected: maxMetadataBytes, found: size },
  });
