import { PlugferryError } from '../errors.js';
import type { ConfigMap } from './object.js';

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * An object of a cluster or a file as a ConfigMap. What is of another shape is left out.
 *
 * @throws PlugferryError `E_RELEASE` for another kind, or one without a name.
 */
export function configMapOf(value: unknown, file: string): ConfigMap {
  const fields = isFields(value) ? value : {};
  const metadata = isFields(fields['metadata']) ? fields['metadata'] : {};
  const [name, namespace] = [metadata['name'], metadata['namespace']];
  if (fields['apiVersion'] !== 'v1' || fields['kind'] !== 'ConfigMap' || typeof name !== 'string') {
    throw new PlugferryError('E_RELEASE', `${file} is no ConfigMap`, {
      hint: 'Somebody else put it there. Move it away, or choose another place.',
      details: { file, expected: 'a ConfigMap' },
    });
  }
  const { uid, resourceVersion } = metadata;
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name,
      namespace: typeof namespace === 'string' ? namespace : '',
      labels: textsIn(metadata['labels']),
      ...(typeof uid === 'string' ? { uid } : {}),
      ...(typeof resourceVersion === 'string' ? { resourceVersion } : {}),
    },
    ...(fields['immutable'] === true ? { immutable: true } : {}),
    data: textsIn(fields['data']),
    binaryData: textsIn(fields['binaryData']),
  };
}

const textsIn = (value: unknown): Record<string, string> =>
  Object.fromEntries(
    Object.entries(isFields(value) ? value : {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  );
