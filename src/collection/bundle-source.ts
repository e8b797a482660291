import { pipeline } from 'node:stream/promises';
import type { Trust } from '../verification/authenticate.js';
import { reachOf, type ReachOptions } from '../location/bundle-input.js';
import { PlugferryError } from '../errors.js';
import { Discard } from '../stream/drain.js';
import { fileWriter } from '../files/file-writer.js';
import type { Progress } from '../stream/progress.js';
import { PrivateDirectory } from '../files/temp-directory.js';
import { pluginPath } from '../plugin/layout.js';
import { formatPluginId } from '../plugin/plugin.js';
import type { ManifestFile, ManifestPlugin } from '../schema/manifest.js';
import type { Offer, Source, SourcePlugin } from '../source/source.js';
import { openVerifiedBundle, type VerifiedBundle } from '../verification/verified-bundle.js';
import { maxFetchedBytes } from '../plugin/limits.js';

export interface BundleSourceOptions extends ReachOptions {
  /** Whose signatures the bundle must have. */
  readonly trust: Trust;
  /** Directory in which a private one for the modules is made. */
  readonly scratch: string;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: Progress | undefined;
}

/**
 * A bundle as a source of plugins. It is verified as an import verifies it: signatures and policy before anything is parsed,
 * and every byte of the payload before the first plugin is handed out. Where each plugin came from is what the manifest says.
 *
 * @throws PlugferryError of the trust and integrity kinds.
 */
export async function bundleSource(place: string, options: BundleSourceOptions): Promise<Source> {
  const { trust, scratch, signal, progress } = options;
  const bundle = await openVerifiedBundle(place, { ...reachOf(options), signal, scratch, trust });
  return new BundleSource({ path: place, bundle, scratch, progress });
}

interface Parts {
  readonly path: string;
  readonly bundle: VerifiedBundle;
  readonly scratch: string;
  readonly progress: Progress | undefined;
}

class BundleSource implements Source {
  readonly #bundle: VerifiedBundle;
  readonly #path: string;
  readonly #directory: PrivateDirectory;
  readonly #progress: Progress | undefined;
  /** Paths of the files that are to be kept. */
  readonly #wanted = new Set<string>();
  readonly #modules = new Map<string, string>();
  readonly #texts = new Map<string, Buffer>();
  #reading: Promise<void> | undefined;

  constructor({ path, bundle, scratch, progress }: Parts) {
    this.#path = path;
    this.#progress = progress;
    this.#bundle = bundle;
    this.#directory = new PrivateDirectory(scratch, { of: path, limit: maxFetchedBytes });
  }

  async list(): ReturnType<Source['list']> {
    const { plugins, resources = [] } = this.#bundle.manifest;
    const names = resources.map(({ name }) => name).join(', ');
    return {
      offers: plugins.map((plugin) => this.#offer(plugin)),
      notes: names === '' ? [] : [`only plugins are taken from ${this.#path}, not its resources: ${names}`],
    };
  }

  async close(): Promise<void> {
    await this.#bundle.close();
    await this.#reading?.catch(() => undefined);
    await this.#directory.remove();
  }

  #offer(plugin: ManifestPlugin): Offer {
    const { name, version } = plugin;
    const want = (): void => {
      this.#wanted.add(this.#stored(pluginPath(plugin, 'plugin.wasm')));
      this.#wanted.add(pluginPath(plugin, 'metadata.txt'));
    };
    return {
      name,
      version,
      want,
      fetch: async () => {
        if (this.#reading === undefined) want();
        this.#reading ??= this.#read();
        await this.#reading;
        return this.#plugin(plugin);
      },
    };
  }

  /** The path under which the bytes of a file stand in the bundle. */
  #stored(path: string): string {
    return this.#bundle.manifest.files.find((file) => file.path === path)?.sameAs ?? path;
  }

  async #read(): Promise<void> {
    await this.#bundle.payload(
      async (file, body) => {
        if (!this.#wanted.has(file.path)) await pipeline(body, new Discard());
        else if (file.path.endsWith('.wasm')) await this.#keep(file, body);
        else this.#texts.set(file.path, Buffer.concat(await body.toArray()));
      },
      { progress: this.#progress },
    );
  }

  async #keep({ path }: ManifestFile, body: NodeJS.ReadableStream): Promise<void> {
    const copy = await this.#directory.create();
    try {
      await pipeline(body, fileWriter(copy.handle));
    } finally {
      await copy.handle.close();
    }
    this.#modules.set(path, copy.path);
  }

  #plugin(plugin: ManifestPlugin): SourcePlugin {
    const { name, version, source } = plugin;
    const wasm = this.#modules.get(this.#stored(pluginPath(plugin, 'plugin.wasm')));
    if (wasm === undefined) {
      throw new PlugferryError('E_INTERNAL', `${formatPluginId(plugin)} was not wanted in time`);
    }
    const { kind, reference, digest } = source;
    return {
      name,
      version,
      wasm,
      metadata: this.#texts.get(pluginPath(plugin, 'metadata.txt')),
      // What nobody signed must not be vouched for by whoever signs the next bundle.
      provenance: {
        kind: this.#bundle.authentication.skipped ? 'unverified-bundle' : kind,
        reference,
        digest,
      },
    };
  }
}
