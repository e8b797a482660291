import { join } from 'node:path';
import { isPlugferryError, systemCode } from '../errors.js';
import { DirectoryTree } from '../files/directory-tree.js';
import { ioError } from '../files/file-errors.js';
import { localFileSystem } from '../files/local-file-system.js';
import { pluginFileNames, type PluginFileName } from '../plugin/layout.js';
import { comparePluginIds, type PluginId } from '../plugin/plugin.js';
import { walkPlugins, type StrayReason } from '../plugin/tree-walk.js';
import { each } from './each.js';
import { Notes } from './notes.js';
import { examine, type ServedFile } from './served-file.js';
import { mediaTypes, type ServedPlugin, type Tree } from './tree.js';

/** File that newer official plugin servers carry beside their plugins. */
const inventoryName = 'snapshot-inventory.json';

/**
 * Reads a plugin-server tree that Plugferry never touched: `<root>/<name>/<version>/{plugin.wasm,metadata.txt}`. Every file
 * is hashed once. What does not belong to that layout is left out and noted, as is a link that leads out of the tree.
 *
 * @throws PlugferryError `E_IO` when the directory cannot be read, `E_LIMIT` for more than 10,000 plugins.
 */
export async function plainTree(root: string, signal: AbortSignal): Promise<Tree> {
  const notes = new Notes();
  const ids = await findPlugins({ root, notes, signal });
  // Four reads keep a slow disk busy; the hashing itself is one thread's work.
  const found = await each(ids, 4, (id) => servedPlugin(id, { root, notes, signal }));
  const inventory = await examine(
    { path: join(root, inventoryName), root, type: 'application/json' },
    signal,
  );
  return {
    release: undefined,
    plugins: found.filter((plugin) => plugin !== undefined),
    inventory: 'refused' in inventory ? undefined : inventory,
    notes: notes.lines(),
  };
}

interface Place {
  readonly root: string;
  readonly notes: Notes;
  readonly signal: AbortSignal;
}

/** What is passed over without a word. */
const unremarkable = new Set<StrayReason>([
  'hidden',
  'left there by a file system or an archiver',
  'without a version',
]);

async function findPlugins({ root, notes, signal }: Place): Promise<PluginId[]> {
  const tree = await DirectoryTree.at(localFileSystem, root).catch((error: unknown) => {
    throw ioError(error, root);
  });
  const ids: PluginId[] = [];
  const found = walkPlugins(tree, {
    onStray: (path, reason) => {
      if (!unremarkable.has(reason) && path !== inventoryName) notes.add(reason, path);
    },
    onUnreadable: (path, error) => {
      notes.add(`unreadable (${systemCode(error) ?? String(error)})`, path);
    },
    signal,
  });
  try {
    for await (const id of found) ids.push(id);
  } catch (error) {
    throw systemCode(error) === undefined || isPlugferryError(error) ? error : ioError(error, root);
  }
  return ids.sort(comparePluginIds);
}

async function servedPlugin(id: PluginId, place: Place): Promise<ServedPlugin | undefined> {
  const files = new Map<PluginFileName, ServedFile>();
  for (const name of pluginFileNames) {
    const path = join(place.root, id.name, id.version, name);
    const examined = await examine({ path, root: place.root, type: mediaTypes[name] }, place.signal);
    if (!('refused' in examined)) files.set(name, examined);
    // Newer plugin servers have no metadata.txt at all, so its absence is not worth a word.
    else if (name === 'plugin.wasm' || examined.refused !== 'missing') {
      place.notes.add(`${name} is ${examined.refused}`, join(id.name, id.version));
    }
  }
  return files.has('plugin.wasm') ? { id, files } : undefined;
}
