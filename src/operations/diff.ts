import type { Trust } from '../verification/authenticate.js';
import type { ReachOptions } from '../location/bundle-input.js';
import { compare, compareModules, type ModuleChange, type Pair } from '../inventory/comparison.js';
import { takeInventory } from '../inventory/take.js';
import type { InventoryItem, InventoryPlace } from '../inventory/inventory.js';
import type { ProgressObserver } from '../stream/progress.js';
import type { PluginId } from '../plugin/plugin.js';

export interface DiffOptions extends Omit<ReachOptions, 'sha256'> {
  /**
   * What to compare: each a bundle file, a volume, `VOLUME@ID` (one of its releases), a plain plugin-server tree, or the URL of
   * a plugin server.
   */
  readonly before: string;
  readonly after: string;
  /** Whose signatures a bundle must have; without it a bundle is taken at its word. */
  readonly trust?: Trust;
  readonly signal?: AbortSignal;
  /** Told of the bytes of modules that have to be read. */
  readonly onProgress?: ProgressObserver;
}

/** A module by its bytes. */
export interface DiffModule {
  readonly size: number;
  readonly sha256: string;
}

export interface DiffPlugin extends PluginId, DiffModule {}

/** Another module. */
export interface ModuleDifference {
  readonly before: DiffModule;
  readonly after: DiffModule;
  /** What the new module asks of the gateway beyond the old one; null where one of them cannot be read, or both are the same. */
  readonly module: ModuleChange | null;
  /** Why `module` is null though the bytes differ. */
  readonly problem?: string;
}

/** Other bytes under the same name and version. */
export interface ChangedPlugin extends PluginId, ModuleDifference {}

/** A version that only `after` has, against the one of the same name that `before` has. */
export interface UpgradedPlugin extends ModuleDifference {
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

/** How two places differ; each list ascending by name, then version. */
export interface Difference {
  readonly different: boolean;
  readonly before: InventoryPlace;
  readonly after: InventoryPlace;
  readonly added: readonly DiffPlugin[];
  readonly removed: readonly DiffPlugin[];
  readonly changed: readonly ChangedPlugin[];
  /** Same module, other metadata.txt. A missing one counts as the one that an export would make. */
  readonly metadataChanged: readonly PluginId[];
  /** A closer look at those of `added` of which `before` has other versions. */
  readonly upgrades: readonly UpgradedPlugin[];
  /** How many plugins are the same on both sides. */
  readonly unchanged: number;
  /** What was seen on either side and left out, with names as they are. */
  readonly notes: readonly string[];
}

/**
 * Compares two places by what they hold. Writes nothing.
 *
 * @throws PlugferryError as `takeInventory` does.
 */
export async function diff(options: DiffOptions): Promise<Difference> {
  const { before, after, trust, signal, access, stdin, onProgress } = options;
  const how = { trust, signal, access, stdin, onProgress };
  const a = await takeInventory(before, how);
  try {
    const b = await takeInventory(after, how);
    try {
      const found = await compareItems(a.items, b.items, signal);
      return { before: a.place, after: b.place, ...found, notes: [...a.notes, ...b.notes] };
    } finally {
      await b.close();
    }
  } finally {
    await a.close();
  }
}

async function compareItems(
  a: readonly InventoryItem[],
  b: readonly InventoryItem[],
  signal: AbortSignal | undefined,
): Promise<Omit<Difference, 'before' | 'after' | 'notes'>> {
  const { added, removed, changed, metadataChanged, unchanged, upgrades } = compare(a, b);
  const changedPlugins: ChangedPlugin[] = [];
  for (const pair of changed) {
    changedPlugins.push({ ...idOf(pair.after), ...(await moduleDifference(pair, signal)) });
  }
  const upgradedPlugins: UpgradedPlugin[] = [];
  for (const pair of upgrades) {
    const { name, version } = pair.after;
    const versions = { name, from: pair.before.version, to: version };
    upgradedPlugins.push({ ...versions, ...(await moduleDifference(pair, signal)) });
  }
  return {
    different: [added, removed, changed, metadataChanged].some(({ length }) => length > 0),
    added: added.map((item) => ({ ...idOf(item), ...moduleOf(item) })),
    removed: removed.map((item) => ({ ...idOf(item), ...moduleOf(item) })),
    changed: changedPlugins,
    metadataChanged: metadataChanged.map(({ after }) => idOf(after)),
    upgrades: upgradedPlugins,
    unchanged: unchanged.length,
  };
}

const idOf = ({ name, version }: PluginId): PluginId => ({ name, version });
const moduleOf = ({ size, sha256 }: DiffModule): DiffModule => ({ size, sha256 });

async function moduleDifference(
  { before, after }: Pair<InventoryItem>,
  signal: AbortSignal | undefined,
): Promise<ModuleDifference> {
  const modules = { before: moduleOf(before), after: moduleOf(after) };
  if (before.sha256 === after.sha256) return { ...modules, module: null };
  const [old, recent] = [await before.facts(signal), await after.facts(signal)];
  if (old.problem !== undefined) return { ...modules, module: null, problem: `before: ${old.problem}` };
  if (recent.problem !== undefined) return { ...modules, module: null, problem: `after: ${recent.problem}` };
  return { ...modules, module: compareModules(old.module, recent.module) };
}
