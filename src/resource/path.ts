import { isMap, isScalar, isSeq, type Scalar, type YamlDocument } from '../schema/yaml-library.js';

/** The path of a key below another: `spec.defaultConfig`, or `labels["app.kubernetes.io/name"]` where it is no plain word. */
export function pathOfKey(path: string, key: string): string {
  if (/^[A-Za-z_][\w-]*$/.test(key)) return path === '' ? key : `${path}.${key}`;
  return `${path}[${JSON.stringify(key.slice(0, 80))}]`;
}

/** The path of an item of a list. */
export const pathOfItem = (path: string, index: number): string => `${path}[${index}]`;

/** Every value of a document that is no mapping and no list, with its path; not the keys. */
export function* valuesIn(
  document: YamlDocument,
): Generator<{ readonly path: string; readonly scalar: Scalar }> {
  yield* below(document.contents, '');
}

function* below(node: unknown, path: string): ReturnType<typeof valuesIn> {
  if (isScalar(node)) yield { path, scalar: node };
  else if (isSeq(node)) {
    for (const [index, item] of node.items.entries()) yield* below(item, pathOfItem(path, index));
  } else if (isMap(node)) {
    for (const { key, value } of node.items)
      yield* below(value, pathOfKey(path, isScalar(key) ? String(key.value) : ''));
  }
}
