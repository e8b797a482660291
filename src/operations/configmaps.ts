import {
  type ConfigMapPruning,
  openFilled,
  pruneConfigMaps as prune,
  rollbackConfigMaps as rollback,
} from '../configmap/manage.js';
import { keptRelease, keptReleases } from '../configmap/open.js';
import type { ConfigMapStore } from '../configmap/store.js';
import { type Listing, moduleDigest } from '../inventory/listing.js';
import type { Published } from '../release/change.js';
import { type History, historyOf } from '../release/history.js';
import { type ChangeOptions, storeOptions } from '../location/configmap-target.js';

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
