import { PlugferryError } from '../errors.js';
import { pluginFileNames } from '../plugin/layout.js';
import type { PluginId } from '../plugin/plugin.js';
import { walkPlugins, type StrayReason } from '../plugin/tree-walk.js';
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
  readonly rule: string;
}

/** Names that are not passed over: a plugin that is not exported for its name alone would be missed elsewhere. */
const badNames: Partial<Record<StrayReason, Level>> = {
  'not a plugin name': {
    what: 'plugin name',
    rule: 'lower-case letters, digits, ".", "_" and "-", a letter or digit first and last, at most 63 characters, no "..", no Windows device name',
  },
  'not a plugin version': {
    what: 'plugin version',
    rule: 'letters, digits, ".", "_", "-" and "+", no "." first or last, at most 64 characters, no "..", no Windows device name',
  },
};

/**
 * Walks `<name>/<version>/`. Anything else that lies around is left out and noted.
 *
 * @throws PlugferryError `E_SOURCE` for a directory whose name is not allowed, or a link that leads astray; `E_LIMIT`.
 */
export async function listPlugins(tree: Tree, signal?: AbortSignal): Promise<Listing> {
  const ids: PluginId[] = [];
  const strays: string[] = [];
  const barren: string[] = [];
  const onStray = (path: string, reason: StrayReason): void => {
    const level = badNames[reason];
    if (level !== undefined) throw badName(tree.display(path), level);
    if (reason === 'without a version') barren.push(path);
    else if (path !== inventoryName) strays.push(path);
  };
  for await (const id of walkPlugins(tree, { onStray, signal })) {
    ids.push(id);
    const path = `${id.name}/${id.version}`;
    const others = (await tree.entries(path)).filter((entry) => !isPluginFile(entry));
    strays.push(...others.map((entry) => `${path}/${entry.name}`));
  }
  return {
    ids,
    notes: [
      ...note('left out, not part of a plugin', strays.map(shown)),
      ...note('left out, no version directory inside', barren.map(shown)),
    ],
  };
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
