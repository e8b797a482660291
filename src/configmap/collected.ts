import { formatYaml } from '../schema/yaml.js';
import type { ConfigMap } from './object.js';
import { formatConfigMapPlace, type ConfigMapPlace } from './place.js';
import type { ConfigMapStore } from './store.js';

/** ConfigMaps that somebody is going to apply: nothing is known of what is there. */
export interface CollectedStore extends ConfigMapStore {
  /** All that was written, the index last, as one YAML text. */
  yaml(): string;
}

export function collectedStore(place: ConfigMapPlace): CollectedStore {
  const objects = new Map<string, ConfigMap>();
  return {
    place,
    location: formatConfigMapPlace(place),
    get: async (name) => objects.get(name),
    shards: async () =>
      [...objects.keys()]
        .filter((name) => name !== place.name)
        .map((name) => ({ name, owners: [], createdAt: new Date(), uid: '' })),
    apply: async (object) => {
      objects.delete(object.metadata.name);
      objects.set(object.metadata.name, object);
      return object;
    },
    remove: async ({ name }) => {
      objects.delete(name);
    },
    yaml: () => formatYaml([...objects.values()]),
  };
}
