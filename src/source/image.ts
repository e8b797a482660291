import { isTarLayer, type Artifact, type Layer } from '../registry/artifact.js';
import { isContent, readTarLayer, type LayerEntry, type LayerFile } from '../registry/tar-layer.js';
import { PlugferryError } from '../errors.js';
import { readSmallFile } from '../io/file.js';
import type { PrivateDirectory } from '../io/private-directory.js';
import { escapeText } from '../io/text.js';
import { parsePluginPath, pluginPath } from '../plugin/layout.js';
import { maxMetadataBytes, parseMetadata } from '../plugin/metadata.js';
import { formatPluginId, maxModuleBytes, type PluginId } from '../plugin/plugin.js';
import {
  inventoryName,
  maxInventoryBytes,
  notAsListed,
  parseInventory,
  promised,
  type Inventory,
} from './inventory.js';
import type { Offer, Provenance } from './source.js';

/** Where the official image of plugin-server has its plugins (its `Dockerfile`). */
const served = 'usr/share/nginx/html/';

export interface ImageReading {
  /** How errors and provenance call the image. */
  readonly reference: string;
  readonly copies: PrivateDirectory;
  readonly signal?: AbortSignal | undefined;
}

/** Whether an artifact may be the image of a plugin server: only its layers tell. */
export const mayBeImage = ({ isImage, layers }: Artifact): boolean =>
  isImage || layers.filter(isTarLayer).length > 1;

/**
 * The plugins of a plugin-server image; none where it is no such image. Layers lie upon each other as containers see them, with
 * what later ones take away (OCI image specification 1.1, "Whiteouts"). What the image says that it has, and has not, is offered
 * too, so that its absence is an error.
 *
 * @throws PlugferryError `E_SOURCE`, `E_LIMIT`, and what fetching a layer throws.
 */
export async function imagePlugins({ layers, digest }: Artifact, reading: ImageReading): Promise<Offer[]> {
  const image = new ImageTree();
  for (const layer of layers.filter(isTarLayer)) await image.lay(layer, reading);
  const inventory = await image.inventory(reading.reference);
  const ids = image.ids();
  const provenance = {
    kind: 'image',
    reference: escapeText(reading.reference),
    ...(digest === undefined ? {} : { digest }),
  };
  const about = { image, inventory, provenance };
  return [...ids, ...promised(inventory, ids)].map((id) => offerOf(id, about));
}

/** What of the file system of an image is of interest, by path below {@link served}. */
class ImageTree {
  readonly #files = new Map<string, LayerFile>();
  /** Ends in `/`, so that what is a beginning of a path is one of its directories. */
  readonly #directories = new Set<string>();

  /** What a layer takes away is of the layers below it, wherever in the archive it says so. */
  async lay(layer: Layer, { copies, signal }: ImageReading): Promise<void> {
    const gone: string[] = [];
    const directories: string[] = [];
    const files = await readTarLayer(await layer.fetch(signal), {
      label: layer.label,
      copies,
      limit: maxModuleBytes,
      signal,
      want: (entry) => {
        const removed = whiteout(entry);
        if (removed !== undefined) gone.push(removed);
        const path = below(entry.name);
        if (path !== undefined && entry.type === 'directory') directories.push(`${path}/`);
        return path !== undefined && isContent(entry) && isOfInterest(path);
      },
    });
    for (const path of gone) this.#remove(path);
    for (const path of directories) this.#directories.add(path);
    for (const file of files) this.#files.set(below(file.name) ?? '', file);
  }

  file(path: string): LayerFile | undefined {
    return this.#files.get(path);
  }

  /** Also of directories that a failed download left empty when the image was built. */
  ids(): PluginId[] {
    const ids = new Map<string, PluginId>();
    const paths = [...this.#files.keys(), ...[...this.#directories].map((path) => `${path}plugin.wasm`)];
    for (const path of paths) {
      const id = parsePluginPath(path)?.id;
      if (id !== undefined) ids.set(formatPluginId(id), id);
    }
    return [...ids.values()];
  }

  async inventory(label: string): Promise<Inventory> {
    const file = this.file(`plugins/${inventoryName}`);
    if (file === undefined) return new Map();
    return parseInventory(
      await readSmallFile(file.path, 'snapshot inventory', maxInventoryBytes),
      `${label}: ${file.name}`,
    );
  }

  /** @param path of the image; all that is below it, and itself unless it ends in `/`. */
  #remove(path: string): void {
    const start = path.endsWith('/') || path === '' ? path : `${path}/`;
    for (const file of this.#files.keys()) {
      const whole = served + file;
      if (whole === path || whole.startsWith(start)) this.#files.delete(file);
    }
    for (const directory of this.#directories)
      if ((served + directory).startsWith(start) && served + directory !== path)
        this.#directories.delete(directory);
  }
}

const below = (name: string): string | undefined =>
  name.startsWith(served) ? name.slice(served.length) : undefined;

const isOfInterest = (path: string): boolean =>
  parsePluginPath(path) !== undefined || path === `plugins/${inventoryName}`;

/** The path that an entry takes away; all that is below it where it ends in `/`, or is empty. */
function whiteout({ name }: LayerEntry): string | undefined {
  const at = name.lastIndexOf('/') + 1;
  const [directory, file] = [name.slice(0, at), name.slice(at)];
  if (file === '.wh..wh..opq') return directory;
  return file.startsWith('.wh.') ? directory + file.slice('.wh.'.length) : undefined;
}

interface About {
  readonly image: ImageTree;
  readonly inventory: Inventory;
  readonly provenance: Provenance;
}

function offerOf(id: PluginId, { image, inventory, provenance }: About): Offer {
  const path = pluginPath(id, 'plugin.wasm');
  const label = `${provenance.reference}: /${served}`;
  return {
    ...id,
    fetch: async () => {
      const module = image.file(path);
      if (module === undefined) throw noModule(`${label}${path}`);
      const listed = inventory.get(formatPluginId(id))?.wasmSha256;
      if (listed !== undefined && listed !== module.sha256)
        throw notAsListed(`${label}${path}`, listed, module.sha256);
      const metadata = image.file(pluginPath(id, 'metadata.txt'));
      return {
        ...id,
        wasm: module.path,
        metadata: metadata && (await metadataIn(metadata, `${label}${metadata.name.slice(served.length)}`)),
        provenance,
      };
    },
  };
}

/**
 * The bytes of a metadata.txt out of a layer.
 *
 * @param file how errors call it.
 * @throws PlugferryError `E_METADATA` when it is malformed, `E_LIMIT`.
 */
export async function metadataIn({ path }: Pick<LayerFile, 'path'>, file: string): Promise<Buffer> {
  const bytes = await readSmallFile(path, 'metadata', maxMetadataBytes);
  parseMetadata(bytes.toString('utf8'), file);
  return bytes;
}

const noModule = (file: string): PlugferryError =>
  new PlugferryError('E_SOURCE', `${file}: there is nothing, expected a WebAssembly module`, {
    hint: 'A download may have failed when the image was built. Take another image, or leave the plugin out with --exclude.',
    details: { file, expected: 'file', found: 'nothing' },
  });
