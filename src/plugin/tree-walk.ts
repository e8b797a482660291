import { PlugferryError } from '../errors.js';
import { maxReleasePlugins } from './limits.js';
import { isPluginName, isPluginVersion, type PluginId } from './plugin.js';

/** What a path leads to, all links followed. */
export interface Target {
  readonly kind: 'directory' | 'file' | 'other' | 'missing';
  /** Whether that lies in the tree; `missing` lies nowhere. */
  readonly isInside: boolean;
}

/** A directory tree as the walk sees it. Paths are relative to its root, with `/`; the root is the empty path. */
export interface WalkedTree {
  /** How errors call it. */
  readonly name: string;
  /** The entries of a directory, in any order. `link`: what it leads to is to be asked for. */
  entries(
    path: string,
  ): Promise<readonly { readonly name: string; readonly kind: 'directory' | 'file' | 'other' | 'link' }[]>;
  /** Must not throw for a link that leads out or nowhere, unless that is to end the walk. */
  look(path: string): Promise<Target>;
}

/** Why something that stands in a tree is no plugin, as the end of a sentence that begins with its path. */
export type StrayReason =
  | 'hidden'
  | 'left there by a file system or an archiver'
  | 'not a directory'
  | 'not a plugin name'
  | 'not a plugin version'
  | 'a link that leads out of the tree'
  | 'a link that leads nowhere'
  | 'without a version';

export interface WalkOptions {
  /** Told of everything that is passed over; what it throws ends the walk. */
  readonly onStray: (path: string, reason: StrayReason) => void;
  /** Told of a directory below the root that cannot be read, which then counts as empty. @default such an error ends the walk */
  readonly onUnreadable?: (path: string, error: unknown) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Directories that file systems and archivers leave behind at the top of a volume. */
const housekeeping = new Set(['lost+found', '__MACOSX', 'System Volume Information', '$RECYCLE.BIN']);

interface Level {
  readonly isAllowed: (name: string) => boolean;
  readonly refused: StrayReason;
}
const names: Level = { isAllowed: isPluginName, refused: 'not a plugin name' };
const versions: Level = { isAllowed: isPluginVersion, refused: 'not a plugin version' };

/**
 * Walks a `plugins` directory: `<name>/<version>/`. This is the only decision on which directories are plugins: `export`, `list`,
 * `serve` and the adoption of a plain tree all go by it, so that none of them knows a plugin that another one overlooks. A link to
 * a directory of the tree is a directory. Whether there is a module inside is for the caller to find out.
 *
 * @returns the version directories, ascending by name, then version.
 * @throws PlugferryError `E_LIMIT` for more than 10,000.
 */
export async function* walkPlugins(tree: WalkedTree, options: WalkOptions): AsyncGenerator<PluginId> {
  let count = 0;
  for (const name of await directoriesIn(tree, '', { ...options, level: names })) {
    options.signal?.throwIfAborted();
    const found = await directoriesIn(tree, name, { ...options, level: versions });
    if (found.length === 0) options.onStray(name, 'without a version');
    count += found.length;
    if (count > maxReleasePlugins) throw tooMany(tree);
    for (const version of found) yield { name, version };
  }
}

async function directoriesIn(
  tree: WalkedTree,
  path: string,
  { level, onStray, onUnreadable }: WalkOptions & { readonly level: Level },
): Promise<string[]> {
  const entries = await tree.entries(path).catch((error: unknown) => {
    if (path === '' || onUnreadable === undefined) throw error;
    onUnreadable(path, error);
    return [];
  });
  const found: string[] = [];
  for (const { name, kind } of entries) {
    const below = path === '' ? name : `${path}/${name}`;
    const reason =
      isLeftover(name) ??
      whyNot(kind === 'link' ? await tree.look(below) : { kind, isInside: true }, name, level);
    if (reason === undefined) found.push(name);
    else onStray(below, reason);
  }
  return found.sort((a, b) => (a < b ? -1 : 1));
}

function isLeftover(name: string): StrayReason | undefined {
  if (name.startsWith('.')) return 'hidden';
  return housekeeping.has(name) ? 'left there by a file system or an archiver' : undefined;
}

function whyNot({ kind, isInside }: Target, name: string, level: Level): StrayReason | undefined {
  if (kind === 'missing') return 'a link that leads nowhere';
  if (kind !== 'directory') return 'not a directory';
  if (!level.isAllowed(name)) return level.refused;
  return isInside ? undefined : 'a link that leads out of the tree';
}

const tooMany = ({ name }: WalkedTree): PlugferryError =>
  new PlugferryError('E_LIMIT', `${name} holds more than ${maxReleasePlugins} plugins`, {
    hint: 'Is this really a plugin server’s directory? Give the one that holds plugins/, or plugins/ itself.',
    details: { file: name, expected: maxReleasePlugins },
  });
