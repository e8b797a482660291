import { PlugferryError } from '../errors.js';
import { pluginFileNames } from '../plugin/layout.js';
import { isPluginName, isPluginVersion, type PluginId } from '../plugin/plugin.js';
import { inventoryName } from './inventory.js';
import type { Entry, Tree } from './tree.js';

/** What stands in a plugins directory. */
export interface Listing {
  /** One for each version directory, whether or not a module is in it. */
  readonly ids: readonly PluginId[];
  readonly notes: readonly string[];
}

/** What may be the name of a directory of one level. */
interface Level {
  readonly what: string;
  readonly allowed: (name: string) => boolean;
  readonly rule: string;
}

const nameLevel: Level = {
  what: 'plugin name',
  allowed: isPluginName,
  rule: 'lower-case letters, digits, ".", "_" and "-", a letter or digit first and last, at most 63 characters, no "..", no Windows device name',
};
const versionLevel: Level = {
  what: 'plugin version',
  allowed: isPluginVersion,
  rule: 'letters, digits, ".", "_", "-" and "+", no "." first or last, at most 64 characters, no "..", no Windows device name',
};

/** Directories that file systems and archivers leave behind at the top of a volume. */
const housekeeping = new Set(['lost+found', '__MACOSX', 'System Volume Information', '$RECYCLE.BIN']);

/**
 * Walks `<name>/<version>/`. Anything else that lies around is left out and noted.
 *
 * @throws PlugferryError `E_SOURCE` for a directory whose name is not allowed, or a link that leads astray.
 */
export async function listPlugins(tree: Tree, signal?: AbortSignal): Promise<Listing> {
  const ids: PluginId[] = [];
  const strays: string[] = [];
  const barren: string[] = [];
  for (const name of await directories(tree, { path: '', level: nameLevel, strays })) {
    signal?.throwIfAborted();
    const versions = await directories(tree, { path: name, level: versionLevel, strays });
    if (versions.length === 0) barren.push(name);
    for (const version of versions) {
      ids.push({ name, version });
      const others = (await tree.entries(`${name}/${version}`)).filter((entry) => !isPluginFile(entry));
      strays.push(...others.map((entry) => `${name}/${version}/${entry.name}`));
    }
  }
  return {
    ids,
    notes: [
      ...note('left out, not part of a plugin', strays.map(shown)),
      ...note('left out, no version directory inside', barren.map(shown)),
    ],
  };
}

interface Visit {
  readonly path: string;
  readonly level: Level;
  /** Takes what is left out. */
  readonly strays: string[];
}

async function directories(tree: Tree, { path, level, strays }: Visit): Promise<string[]> {
  const names: string[] = [];
  for (const { name, kind } of await tree.entries(path)) {
    const below = path === '' ? name : `${path}/${name}`;
    if (name.startsWith('.') || housekeeping.has(name)) {
      strays.push(below);
    } else if ((kind === 'link' ? await tree.kind(below) : kind) === 'directory') {
      if (!level.allowed(name)) throw badName(tree.display(below), level);
      names.push(name);
    } else if (below !== inventoryName) {
      strays.push(below);
    }
  }
  return names;
}

const isPluginFile = ({ name }: Entry): boolean => pluginFileNames.some((known) => known === name);

const badName = (file: string, { what, rule }: Level): PlugferryError =>
  new PlugferryError('E_SOURCE', `${file}: the directory name is not a ${what} (${rule})`, {
    hint: 'Rename the directory, or move it out of the tree.',
    details: { file, expected: rule },
  });

const shown = (path: string): string => `plugins/${path}`;

/** Most things that a note names. */
const maxNamed = 5;

/** One sentence about everything that was left out for a reason; none where there is nothing. */
export function note(reason: string, things: readonly string[]): string[] {
  if (things.length === 0) return [];
  const named = things.slice(0, maxNamed);
  const rest = things.length - named.length;
  return [`${reason}: ${named.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`];
}
