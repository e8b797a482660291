import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PlugferryError, systemCode } from '../errors.js';
import { ioError } from '../io/failure.js';
import type { PluginFileName } from '../plugin/layout.js';
import { pluginFileNames } from '../plugin/layout.js';
import {
  comparePluginIds,
  compareText,
  isPluginName,
  isPluginVersion,
  type PluginId,
} from '../plugin/plugin.js';
import { each } from './each.js';
import { Notes } from './notes.js';
import { examine, type ServedFile } from './served-file.js';
import { maxPlugins, mediaTypes, type ServedPlugin, type Tree } from './tree.js';

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
  const ids = await findPlugins(root, notes);
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

async function findPlugins(root: string, notes: Notes): Promise<PluginId[]> {
  const ids: PluginId[] = [];
  for (const name of await directoriesIn(root, '', notes)) {
    if (!isPluginName(name)) {
      notes.add('not a plugin name', name);
      continue;
    }
    for (const version of await directoriesIn(root, name, notes)) {
      if (isPluginVersion(version)) ids.push({ name, version });
      else notes.add('not a plugin version', join(name, version));
    }
    if (ids.length > maxPlugins) throw tooMany(root);
  }
  return ids.sort(comparePluginIds);
}

/** Names of the directories in `root/inner`, links to directories included. Hidden ones are nobody's plugins. */
async function directoriesIn(root: string, inner: string, notes: Notes): Promise<string[]> {
  const directory = join(root, inner);
  const names: string[] = [];
  for (const entry of await entriesOf(directory, { inner, notes })) {
    if (entry.name.startsWith('.') || entry.name === inventoryName) continue;
    const isDirectory = entry.isSymbolicLink()
      ? await leadsToDirectory(join(directory, entry.name))
      : entry.isDirectory();
    if (isDirectory) names.push(entry.name);
    else notes.add('not a directory', join(inner, entry.name));
  }
  return names.sort(compareText);
}

async function entriesOf(
  directory: string,
  { inner, notes }: { inner: string; notes: Notes },
): Promise<Dirent[]> {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (inner === '') throw ioError(error, directory);
    notes.add(`unreadable (${systemCode(error) ?? String(error)})`, inner);
    return [];
  }
}

const leadsToDirectory = async (path: string): Promise<boolean> =>
  stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );

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

function tooMany(root: string): PlugferryError {
  return new PlugferryError('E_LIMIT', `${root} holds more than ${maxPlugins} plugins`, {
    hint: 'Is this really a plugin server’s directory? Give the one that holds plugins/, or plugins/ itself.',
    details: { file: root, expected: maxPlugins },
  });
}
