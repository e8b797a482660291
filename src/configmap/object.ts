import type { ConfigMapPlace } from './place.js';

/** A ConfigMap (Kubernetes API, core/v1), as far as it concerns us. */
export interface ConfigMap {
  readonly apiVersion: 'v1';
  readonly kind: 'ConfigMap';
  readonly metadata: Metadata;
  readonly immutable?: boolean;
  readonly data?: Readonly<Record<string, string>>;
  /** Base64. */
  readonly binaryData?: Readonly<Record<string, string>>;
}

export interface Metadata {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  /** Of the object that is to be replaced, and of no later one. */
  readonly resourceVersion?: string;
  readonly uid?: string;
}

export interface OwnerReference {
  readonly apiVersion: 'v1';
  readonly kind: 'ConfigMap';
  readonly name: string;
  readonly uid: string;
}

/** Most bytes of all values of one ConfigMap; keys and base64 do not count (Kubernetes `ValidateConfigMap`). */
export const maxConfigMapBytes = 1_048_576;

const managedBy = 'app.kubernetes.io/managed-by';
const setLabel = 'plugferry.dev/plugins';
const partLabel = 'plugferry.dev/part';

/** What marks the ConfigMaps of one place. */
export const labelsOf = ({ name }: ConfigMapPlace, part: 'index' | 'shard'): Record<string, string> => ({
  [managedBy]: 'plugferry',
  [setLabel]: name,
  [partLabel]: part,
});

/** Selects the shards of one place. */
export const shardSelector = (place: ConfigMapPlace): string =>
  Object.entries(labelsOf(place, 'shard'))
    .map(([label, value]) => `${label}=${value}`)
    .join(',');

/** Whether an object is what it is taken for: a name alone may be somebody else's. */
export const isPart = ({ metadata }: ConfigMap, place: ConfigMapPlace, part: 'index' | 'shard'): boolean =>
  Object.entries(labelsOf(place, part)).every(([label, value]) => metadata.labels[label] === value);
