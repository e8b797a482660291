import { configMapOf } from '../configmap/parse.js';
import { shardSelector } from '../configmap/object.js';
import { formatConfigMapPlace, type ConfigMapPlace } from '../configmap/place.js';
import type { ConfigMapStore, StoredShard } from '../configmap/store.js';
import { clusterAccess, type AccessOptions } from '../kube/access.js';
import { KubeClient, type Resource } from '../kube/client.js';
import type { ClientOptions } from '../kube/conversation.js';
import { fieldsAt, listAt, textAt, type Fields } from '../kube/fields.js';

/** Which cluster, and how it is spoken to. */
export interface ClusterOptions extends AccessOptions, ClientOptions {
  /** Take over fields that other managers own. @default false */
  readonly forceConflicts?: boolean;
}

/**
 * The ConfigMaps of a place in a cluster.
 *
 * @throws PlugferryError `E_USAGE` for a kubeconfig that cannot be used, `E_NOT_FOUND`, `E_IO`.
 */
export async function clusterStore(place: ConfigMapPlace, options: ClusterOptions): Promise<ConfigMapStore> {
  const client = new KubeClient(await clusterAccess(options), options);
  const resource: Resource = { plural: 'configmaps', namespace: place.namespace };
  const { forceConflicts: force = false } = options;
  const location = formatConfigMapPlace(place);
  return {
    place,
    location,
    async get(name, signal) {
      const object = await client.get(resource, name, signal);
      return object === undefined ? undefined : configMapOf(object, `${name} of ${location}`);
    },
    shards: async (signal) => (await client.list(resource, shardSelector(place), signal)).map(shardOf),
    async apply(object, signal) {
      const applied = await client.apply(resource, { ...object }, { force, signal });
      return configMapOf(applied, `${object.metadata.name} of ${location}`);
    },
    remove: (shard, signal) => client.delete(resource, shard, signal),
  };
}

function shardOf(object: Fields): StoredShard {
  const metadata = fieldsAt(object, 'metadata');
  return {
    name: textAt(metadata, 'name') ?? '',
    uid: textAt(metadata, 'uid') ?? '',
    owners: listAt(metadata, 'ownerReferences').flatMap((owner) => textAt(owner, 'uid') ?? []),
    createdAt: new Date(textAt(metadata, 'creationTimestamp') ?? 0),
  };
}
