import { thisActor } from './actor.js';
import { clusterStore, type ClusterOptions } from './cluster.js';
import { defaultMaxBytes, type Budget } from './configmap/budget.js';
import { changeConfigMaps } from './configmap/change.js';
import { collectedStore, type CollectedStore } from './configmap/collected.js';
import { demandDirectory, fileStore } from './configmap/files.js';
import {
  openFilled,
  pruneConfigMaps as prune,
  rollbackConfigMaps as rollback,
  type ConfigMapPruning,
} from './configmap/manage.js';
import { keptRelease, keptReleases } from './configmap/open.js';
import { parseConfigMapPlace } from './configmap/place.js';
import type { ConfigMapStore } from './configmap/store.js';
import { moduleDigest, type Listing } from './list.js';
import type { Published, ReleaseChange } from './release/change.js';
import { historyOf, type History } from './release/history.js';

/** Where an import goes that goes into ConfigMaps. */
export interface ConfigMapTarget {
  readonly store: ConfigMapStore;
  /** Most bytes that all ConfigMaps of the place may take up. @default 32 MiB */
  readonly maxBytes?: number;
  /** Told before anything is written. */
  readonly onBudget?: (budget: Budget) => void;
}

/**
 * ConfigMaps in a cluster.
 *
 * @param location `configmap:NAMESPACE/NAME`; here and below.
 * @throws PlugferryError `E_USAGE` for it, or for a kubeconfig that cannot be used, `E_NOT_FOUND`, `E_IO`.
 */
export const configMapsInCluster = (location: string, options: ClusterOptions): Promise<ConfigMapStore> =>
  clusterStore(parseConfigMapPlace(location), options);

/**
 * ConfigMaps as YAML files in a directory, with a kustomization.yaml.
 *
 * @throws PlugferryError `E_USAGE`, `E_NOT_FOUND`, `E_IO`.
 */
export async function configMapsInDirectory(location: string, directory: string): Promise<ConfigMapStore> {
  const place = parseConfigMapPlace(location);
  await demandDirectory(directory);
  return fileStore(place, directory);
}

/**
 * ConfigMaps as one YAML text, for whoever applies it. Nothing is known of what a cluster holds.
 *
 * @throws PlugferryError `E_USAGE`.
 */
export const configMapsAsYaml = (location: string): CollectedStore =>
  collectedStore(parseConfigMapPlace(location));

interface ChangeOptions {
  readonly clock: () => Date;
  readonly signal?: AbortSignal | undefined;
}

/** Hands out one change of what a target holds, as `changeVolume` does for a volume. */
export const changeTarget = <T>(
  { store, maxBytes = defaultMaxBytes, onBudget }: ConfigMapTarget,
  options: ChangeOptions,
  change: (place: ReleaseChange) => Promise<T>,
): Promise<T> => changeConfigMaps(store, { ...storeOptions(options), maxBytes, onBudget }, change);

const storeOptions = ({ clock, signal }: Partial<ChangeOptions>) => ({
  actor: thisActor(),
  ...(clock === undefined ? {} : { clock }),
  ...(signal === undefined ? {} : { signal }),
});

/**
 * The plugins of the current release.
 *
 * @throws PlugferryError `E_NOT_FOUND` where nothing was imported yet, `E_RELEASE`, and what the store throws; as all below.
 */
export async function listConfigMaps(store: ConfigMapStore, signal?: AbortSignal): Promise<Listing> {
  const place = await openFilled(store, signal);
  const current = await keptRelease(place, place.index.current);
  const plugins = (current?.release.plugins ?? []).map(({ name, version, files }) => ({
    name,
    version,
    ...moduleDigest(files),
  }));
  return { kind: 'configmap', release: place.index.current, plugins, notes: [] };
}

/** Which release was current when. */
export async function configMapHistory(store: ConfigMapStore, signal?: AbortSignal): Promise<History> {
  const place = await openFilled(store, signal);
  const { whole, damaged } = await keptReleases(place);
  const kept = new Map(whole.map(({ release }) => [release.id, release]));
  const past = historyOf(place.state, place.index.current, kept);
  return { root: store.location, ...past, warnings: [...damaged.values()] };
}

/**
 * Points the index to another kept release: to the one that the current one replaced, or to the one whose id begins with `to`.
 *
 * @throws PlugferryError also `E_LOCKED`.
 */
export async function rollbackConfigMaps(
  store: ConfigMapStore,
  target: { readonly to?: string },
  options: Partial<ChangeOptions> = {},
): Promise<Published> {
  return rollback(store, target.to, storeOptions(options));
}

/**
 * Removes all but the newest releases, and the shards that nobody refers to.
 *
 * @throws PlugferryError also `E_USAGE`, `E_LOCKED`.
 */
export const pruneConfigMaps = (
  store: ConfigMapStore,
  what: { readonly keep: number; readonly dryRun?: boolean },
  options: Partial<ChangeOptions> = {},
): Promise<ConfigMapPruning> => prune(store, what, storeOptions(options));
