import { PlugferryError } from '../errors.js';

/** The ConfigMaps of one plugin server: an index and its shards. */
export interface ConfigMapPlace {
  readonly namespace: string;
  /** Name of the index; those of the shards begin with it. */
  readonly name: string;
}

export const isConfigMapLocation = (location: string): boolean => location.startsWith('configmap:');

/** A label may have 63 characters, and the names of shards are longer by 17. */
const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Reads `configmap:NAMESPACE/NAME`.
 *
 * @throws PlugferryError `E_USAGE`.
 */
export function parseConfigMapPlace(location: string): ConfigMapPlace {
  const [, namespace = '', name = ''] = /^configmap:([^/]*)\/([^/]*)$/.exec(location) ?? [];
  if (label.test(namespace) && label.test(name)) return { namespace, name };
  throw new PlugferryError('E_USAGE', `"${location}" names no ConfigMap`, {
    hint: 'Write configmap:NAMESPACE/NAME, each of lower-case letters, digits and "-", at most 63 of them.',
    details: { file: location, expected: 'configmap:NAMESPACE/NAME', found: location },
  });
}

export const formatConfigMapPlace = ({ namespace, name }: ConfigMapPlace): string =>
  `configmap:${namespace}/${name}`;
