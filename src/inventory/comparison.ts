import { sha256Of, type Digest } from '../stream/digest.js';
import { formatMetadata } from '../plugin/metadata.js';
import {
  comparePluginIds,
  compareText,
  compareVersions,
  formatPluginId,
  type PluginId,
} from '../plugin/plugin.js';
import type { ModuleFacts } from '../schema/manifest.js';

/** What is compared of a plugin: the digest is that of plugin.wasm. */
export interface Comparable extends PluginId, Digest {
  readonly metadataSha256: string | undefined;
}

export interface Pair<Item> {
  readonly before: Item;
  readonly after: Item;
}

/** How two inventories differ; each list ascending by name, then version. */
export interface Comparison<Item extends Comparable> {
  readonly added: readonly Item[];
  readonly removed: readonly Item[];
  /** Same name and version, other module. */
  readonly changed: readonly Pair<Item>[];
  /** Same name, version and module, other metadata.txt. */
  readonly metadataChanged: readonly Pair<Item>[];
  /** Everything that is the same on both sides. */
  readonly unchanged: readonly Item[];
  /** For each added plugin the version of the same name before: the next lower one, or else the highest. */
  readonly upgrades: readonly Pair<Item>[];
}

/** Compares what two places hold. `a` comes before `b`: what only `b` has was added. */
export function compare<Item extends Comparable>(a: readonly Item[], b: readonly Item[]): Comparison<Item> {
  const before = new Map(a.map((item) => [formatPluginId(item), item]));
  const after = new Map(b.map((item) => [formatPluginId(item), item]));
  const shared = [...after].flatMap(([reference, item]) => {
    const earlier = before.get(reference);
    return earlier === undefined ? [] : [{ before: earlier, after: item }];
  });
  const added = [...after].filter(([reference]) => !before.has(reference)).map(([, item]) => item);
  const sameModule = ({ before: one, after: other }: Pair<Item>): boolean => one.sha256 === other.sha256;
  const sameMetadata = (pair: Pair<Item>): boolean => metadataOf(pair.before) === metadataOf(pair.after);
  return {
    added: added.toSorted(comparePluginIds),
    removed: a.filter((item) => !after.has(formatPluginId(item))).toSorted(comparePluginIds),
    changed: sorted(shared.filter((pair) => !sameModule(pair))),
    metadataChanged: sorted(shared.filter((pair) => sameModule(pair) && !sameMetadata(pair))),
    unchanged: sorted(shared.filter((pair) => sameModule(pair) && sameMetadata(pair))).map(
      (pair) => pair.after,
    ),
    upgrades: sorted(added.flatMap((item) => upgradeTo(item, a))),
  };
}

const sorted = <Item extends PluginId>(pairs: readonly Pair<Item>[]): Pair<Item>[] =>
  pairs.toSorted((one, other) => comparePluginIds(one.after, other.after));

/**
 * A missing metadata.txt counts as the one that an export would make: it is optional, newer plugin servers have none, and a
 * tree must not differ from the bundle made of it.
 */
const metadataOf = (item: Comparable): string =>
  item.metadataSha256 ?? sha256Of(Buffer.from(formatMetadata(item)));

function upgradeTo<Item extends Comparable>(after: Item, a: readonly Item[]): Pair<Item>[] {
  const versions = a
    .filter(({ name }) => name === after.name)
    .toSorted((one, other) => compareVersions(one.version, other.version));
  const lower = versions.findLast(({ version }) => compareVersions(version, after.version) < 0);
  const before = lower ?? versions.at(-1);
  return before === undefined ? [] : [{ before, after }];
}

/** What came and went of a list of names; each ascending. */
export interface NamesChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** How what two modules ask of a gateway differs. */
export interface ModuleChange {
  /** As `module.name`, for example `env.proxy_log`. */
  readonly imports: NamesChange;
  readonly abi: NamesChange;
  readonly start: NamesChange;
  /** Null where it is the same on both sides. */
  readonly toolchain: { readonly before: string | null; readonly after: string | null } | null;
}

export function compareModules(before: ModuleFacts, after: ModuleFacts): ModuleChange {
  const imports = ({ imports: groups }: ModuleFacts): string[] =>
    groups.flatMap(({ module, names }) => names.map((name) => `${module}.${name}`));
  const toolchain = { before: before.toolchain ?? null, after: after.toolchain ?? null };
  return {
    imports: compareNames(imports(before), imports(after)),
    abi: compareNames(before.abi, after.abi),
    start: compareNames(before.start, after.start),
    toolchain: toolchain.before === toolchain.after ? null : toolchain,
  };
}

function compareNames(before: readonly string[], after: readonly string[]): NamesChange {
  const [old, recent] = [new Set(before), new Set(after)];
  return {
    added: [...recent].filter((name) => !old.has(name)).toSorted(compareText),
    removed: [...old].filter((name) => !recent.has(name)).toSorted(compareText),
  };
}
