import type { ConfigMap } from './object.js';
import type { ConfigMapPlace } from './place.js';

/** A shard that is there, without its content. */
export interface StoredShard {
  readonly name: string;
  /** Uids of the objects with which it goes. */
  readonly owners: readonly string[];
  readonly createdAt: Date;
  readonly uid: string;
}

/** What keeps the ConfigMaps of one place: a cluster, or files that somebody brings to one. */
export interface ConfigMapStore {
  readonly place: ConfigMapPlace;
  /** How messages name it. */
  readonly location: string;
  /** One object; undefined where there is none. */
  get(name: string, signal?: AbortSignal): Promise<ConfigMap | undefined>;
  /** All shards, by their labels. */
  shards(signal?: AbortSignal): Promise<readonly StoredShard[]>;
  /**
   * Makes an object be as described. A `resourceVersion` in it must be that of the object there.
   *
   * @returns the object as it is now.
   * @throws PlugferryError `E_LOCKED` when the object is another one by now.
   */
  apply(object: ConfigMap, signal?: AbortSignal): Promise<ConfigMap>;
  /** Removes a shard: this very one, and not one of the same name that was made since. */
  remove(shard: StoredShard, signal?: AbortSignal): Promise<void>;
}
