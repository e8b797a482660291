import { PlugferryError } from '../errors.js';
import { formatPluginId, type PluginId } from '../plugin/plugin.js';
import type { ReleasePlugin } from '../schema/release.js';
import { sortedPlugins } from './release.js';

export interface MergeOptions {
  /** `merge` keeps what the incoming plugins do not name; `replace` drops it. @default 'merge' */
  readonly mode?: 'merge' | 'replace';
  /** Let a plugin.wasm change behind an existing name and version. @default false */
  readonly allowOverwrite?: boolean;
}

/** What a release will hold, and how it differs from the current one. Every list is ascending. */
export interface Merged {
  readonly plugins: readonly ReleasePlugin[];
  readonly added: readonly PluginId[];
  /** Same name and version, other module. Empty without `allowOverwrite`. */
  readonly replaced: readonly PluginId[];
  /** Same module, other metadata.txt. */
  readonly updated: readonly PluginId[];
  readonly unchanged: readonly PluginId[];
  /** Gone, because the mode is `replace`. */
  readonly removed: readonly PluginId[];
}

type Change = 'added' | 'replaced' | 'updated' | 'unchanged';

/**
 * The plugins of the next release.
 *
 * @throws PlugferryError `E_CONFLICT` naming every plugin whose module would change behind its name and version.
 */
export function mergePlugins(
  current: readonly ReleasePlugin[],
  incoming: readonly ReleasePlugin[],
  { mode = 'merge', allowOverwrite = false }: MergeOptions = {},
): Merged {
  const before = new Map(current.map((plugin) => [formatPluginId(plugin), plugin]));
  const after = new Map<string, ReleasePlugin>(mode === 'merge' ? before : []);
  const changes: Record<Change, PluginId[]> = { added: [], replaced: [], updated: [], unchanged: [] };
  for (const plugin of sortedPlugins(incoming)) {
    const key = formatPluginId(plugin);
    const old = before.get(key);
    changes[changeBetween(old, plugin)].push({ name: plugin.name, version: plugin.version });
    after.set(key, old === undefined ? plugin : combined(old, plugin));
  }
  if (changes.replaced.length > 0 && !allowOverwrite) throw conflict(changes.replaced);
  const removed = sortedPlugins(current).filter((plugin) => !after.has(formatPluginId(plugin)));
  return {
    ...changes,
    plugins: sortedPlugins([...after.values()]),
    removed: removed.map(({ name, version }) => ({ name, version })),
  };
}

const digestIn = (plugin: ReleasePlugin, name: string): string | undefined =>
  plugin.files.find((file) => file.name === name)?.sha256;

function changeBetween(old: ReleasePlugin | undefined, plugin: ReleasePlugin): Change {
  if (old === undefined) return 'added';
  if (digestIn(old, 'plugin.wasm') !== digestIn(plugin, 'plugin.wasm')) return 'replaced';
  const metadata = digestIn(plugin, 'metadata.txt');
  return metadata === undefined || metadata === digestIn(old, 'metadata.txt') ? 'unchanged' : 'updated';
}

function combined(old: ReleasePlugin, plugin: ReleasePlugin): ReleasePlugin {
  const change = changeBetween(old, plugin);
  if (change === 'replaced') return plugin;
  // Bytes that somebody signed for do not become unsigned because they came again without a signature.
  if (change === 'unchanged' && plugin.unsigned === true && old.unsigned !== true) return old;
  const kept = old.files.filter((file) => digestIn(plugin, file.name) === undefined);
  return { ...plugin, files: [...kept, ...plugin.files] };
}

function conflict(replaced: readonly PluginId[]): PlugferryError {
  const names = replaced.map(formatPluginId);
  return new PlugferryError(
    'E_CONFLICT',
    `${names.join(', ')}: the volume already serves other bytes under ${names.length > 1 ? 'these names and versions' : 'this name and version'}`,
    {
      hint: 'Gateways cache a module by its URL and would keep the old one. Publish the new bytes under a new version.',
      details: { plugins: names },
    },
  );
}
