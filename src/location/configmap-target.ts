import { type Budget, defaultMaxBytes } from '../configmap/budget.js';
import { changeConfigMaps } from '../configmap/change.js';
import { type CollectedStore, collectedStore } from '../configmap/collected.js';
import { demandDirectory, fileStore } from '../configmap/files.js';
import { parseConfigMapPlace } from '../configmap/place.js';
import type { ConfigMapStore } from '../configmap/store.js';
import type { ReleaseChange } from '../release/change.js';
import { type ClusterOptions, clusterStore } from './cluster-store.js';
import { thisActor } from '../release/this-actor.js';

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
export interface ChangeOptions {
  readonly clock: () => Date;
  readonly signal?: AbortSignal | undefined;
}

/** Hands out one change of what a target holds, as `changeVolume` does for a volume. */
export const changeTarget = <T>(
  { store, maxBytes = defaultMaxBytes, onBudget }: ConfigMapTarget,
  options: ChangeOptions,
  change: (place: ReleaseChange) => Promise<T>,
): Promise<T> => changeConfigMaps(store, { ...storeOptions(options), maxBytes, onBudget }, change);
export const storeOptions = ({ clock, signal }: Partial<ChangeOptions>) => ({
  actor: thisActor(),
  ...(clock === undefined ? {} : { clock }),
  ...(signal === undefined ? {} : { signal }),
});
