import { PlugferryError } from '../errors.js';
import { sha256OfFile } from '../files/digest-of-file.js';
import { readSmallFile } from '../files/open-regular.js';
import { type PluginFileName, pluginPath } from '../plugin/layout.js';
import { maxMetadataBytes, parseMetadata } from '../plugin/metadata.js';
import { comparePluginIds, formatPluginId, type PluginId } from '../plugin/plugin.js';
import { type InventoryEntry, notAsListed, promised, readInventory } from './inventory.js';
import { listPlugins } from './listing.js';
import { pluginsDirectory } from './plugins-directory.js';
import type { Source, SourceListing, SourcePlugin } from './source.js';
import type { Tree } from './tree.js';

/**
 * A plugin-server tree on disk, as the official image, `oras` or a Plugferry volume lays it out: with or without
 * metadata.txt, with or without `snapshot-inventory.json`.
 *
 * @param path the directory that holds `plugins`, or that one itself.
 * @throws PlugferryError `E_NOT_FOUND`, `E_IO`, `E_SOURCE`.
 */
export async function directorySource(path: string): Promise<Source> {
  const tree = await pluginsDirectory(path);
  return { list: (signal) => listOffers(tree, signal), close: async () => undefined };
}

async function listOffers(tree: Tree, signal?: AbortSignal): Promise<SourceListing> {
  const inventory = await readInventory(tree);
  const { ids, notes } = await listPlugins(tree, signal);
  const all = [...ids, ...promised(inventory, ids)].sort(comparePluginIds);
  if (all.length === 0) throw noPlugins(tree);
  const offers = all.map((id) => ({
    ...id,
    fetch: (during?: AbortSignal) =>
      fetchPlugin(tree, { id, listed: inventory.get(formatPluginId(id)), signal: during }),
  }));
  return { offers, notes };
}

interface Order {
  readonly id: PluginId;
  readonly listed: InventoryEntry | undefined;
  readonly signal: AbortSignal | undefined;
}

async function fetchPlugin(tree: Tree, { id, listed, signal }: Order): Promise<SourcePlugin> {
  signal?.throwIfAborted();
  const path = inside(id, 'plugin.wasm');
  const kind = await tree.kind(path);
  if (kind !== 'file') throw noModule(tree, path, kind);
  const wasm = await tree.resolve(path);
  const metadata = await metadataOf(tree, id);
  if (listed !== undefined) await checkListed(tree.display(path), { wasm, listed, signal });
  const reference = pluginPath(id, 'plugin.wasm');
  const provenance = { kind: 'directory', reference };
  return {
    ...id,
    wasm,
    metadata,
    provenance: listed?.digest === undefined ? provenance : { ...provenance, digest: listed.digest },
  };
}

/** The path of a plugin file below the plugins directory. */
const inside = ({ name, version }: PluginId, file: PluginFileName): string => `${name}/${version}/${file}`;

async function metadataOf(tree: Tree, id: PluginId): Promise<Buffer | undefined> {
  const path = inside(id, 'metadata.txt');
  if ((await tree.kind(path)) === undefined) return undefined;
  const bytes = await readSmallFile(await tree.resolve(path), 'metadata', maxMetadataBytes);
  parseMetadata(bytes.toString('utf8'), tree.display(path));
  return bytes;
}

interface Listed {
  readonly wasm: string;
  readonly listed: InventoryEntry;
  readonly signal: AbortSignal | undefined;
}

async function checkListed(file: string, { wasm, listed, signal }: Listed): Promise<void> {
  const found = await sha256OfFile(wasm, signal);
  if (found !== listed.wasmSha256) throw notAsListed(file, listed.wasmSha256, found);
}

function noModule(tree: Tree, path: string, kind: string | undefined): PlugferryError {
  const file = tree.display(path);
  const found = kind === undefined ? 'nothing' : 'not a regular file';
  return new PlugferryError('E_SOURCE', `${file}: there is ${found}, expected a WebAssembly module`, {
    hint: 'The download that made this directory may have failed. Fetch the plugin again, or exclude it.',
    details: { file, expected: 'file', found },
  });
}

const noPlugins = (tree: Tree): PlugferryError =>
  new PlugferryError('E_SELECTION', `${tree.name} holds no plugins`, {
    hint: 'Expected are directories plugins/<name>/<version>/ with a plugin.wasm in each.',
    details: { file: tree.name, expected: 'plugins/<name>/<version>/plugin.wasm' },
  });
