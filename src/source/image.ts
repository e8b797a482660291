import { isTarLayer, type Artifact, type Layer } from '../registry/artifact.js';
import { isContent, readTarLayer, type LayerEntry, type LayerFile } from '../registry/tar-layer.js';
import { PlugferryError } from '../errors.js';
import { readSmallFile } from '../files/open-regular.js';
import type { PrivateDirectory } from '../files/temp-directory.js';
import { escapeText } from '../stream/text.js';
import { parsePluginPath, pluginPath } from '../plugin/layout.js';
import { maxMetadataBytes, parseMetadata } from '../plugin/metadata.js';
import { formatPluginId, maxModuleBytes, type PluginId } from '../plugin/plugin.js';
import { inventoryName, notAsListed, parseInventory, promised, type Inventory } from './inventory.js';
import { LayeredTree } from './layered-tree.js';
import type { Offer, Provenance } from './source.js';
import { maxInventoryBytes } from '../plugin/limits.js';

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

/** What of the file system of an image is of interest: the files of plugins, and the directories that should have some. */
class ImageTree {
  readonly #tree = new LayeredTree<LayerFile>();

  /** What a layer takes away is of the layers below it, wherever in the archive it says so. */
  async lay(layer: Layer, { copies, signal }: ImageReading): Promise<void> {
    const gone: Whiteout[] = [];
    const directories: string[] = [];
    const files = await readTarLayer(await layer.fetch(signal), {
      label: layer.label,
      copies,
      limit: maxModuleBytes,
      signal,
      want: (entry) => {
        const removed = whiteout(entry);
        if (removed !== undefined) gone.push(removed);
        const { name, type } = entry;
        if (type === 'directory' && isOfInterest(`${name}/plugin.wasm`)) directories.push(name);
        return isContent(entry) && isOfInterest(name);
      },
    });
    for (const { path, isOpaque } of gone)
      if (isOpaque) this.#tree.empty(path);
      else this.#tree.remove(path);
    for (const path of directories) this.#tree.put(path, undefined);
    for (const file of files) this.#tree.put(file.name, file);
  }

  /** @param path below {@link served}. */
  file(path: string): LayerFile | undefined {
    return this.#tree.at(served + path);
  }

  /** Also of directories that a failed download left empty when the image was built. */
  ids(): PluginId[] {
    const ids = new Map<string, PluginId>();
    for (const path of this.#tree.paths()) {
      const id = idIn(path) ?? idIn(`${path}/plugin.wasm`);
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
}

const idIn = (name: string): PluginId | undefined =>
  name.startsWith(served) ? parsePluginPath(name.slice(served.length))?.id : undefined;

const isOfInterest = (name: string): boolean =>
  idIn(name) !== undefined || name === `${served}plugins/${inventoryName}`;

/** What an entry takes away of the layers below. */
interface Whiteout {
  readonly path: string;
  /** The directory itself stays. */
  readonly isOpaque: boolean;
}

function whiteout({ name }: LayerEntry): Whiteout | undefined {
  const at = name.lastIndexOf('/') + 1;
  const [directory, file] = [name.slice(0, at), name.slice(at)];
  // Elsewhere nothing is of interest.
  if (!directory.startsWith(served) && !served.startsWith(directory)) return undefined;
  if (file === '.wh..wh..opq') return { path: directory, isOpaque: true };
  const removed = /^\.wh\.(.+)$/s.exec(file)?.[1];
  return removed === undefined ? undefined : { path: directory + removed, isOpaque: false };
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
