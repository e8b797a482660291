import { documentOf, isMap, isScalar, type Node, type YAMLMap } from '../schema/yaml-library.js';
import { pathOfKey } from './path.js';

/** A place in a resource, and what became of it. */
export interface Change {
  readonly path: string;
  readonly what: 'set' | 'removed';
}

/**
 * Applies a JSON merge patch (RFC 7386) to a mapping and keeps the comments of what stays: an object is merged, null removes,
 * anything else takes the place of what is there, lists included.
 *
 * @returns what is different now.
 */
export function mergePatch(map: YAMLMap, patch: Readonly<Record<string, unknown>>, path = ''): Change[] {
  return Object.entries(patch).flatMap(([key, value]): Change[] => {
    const at = pathOfKey(path, key);
    const pair = map.items.find((each) => isScalar(each.key) && String(each.key.value) === key);
    if (value === null) {
      if (pair === undefined) return [];
      map.items = map.items.filter((each) => each !== pair);
      return [{ path: at, what: 'removed' }];
    }
    if (pair !== undefined && isMap(pair.value) && isObject(value)) return mergePatch(pair.value, value, at);
    const node = documentOf(withoutNulls(value)).contents;
    if (pair === undefined) map.add({ key: documentOf(key).contents, value: node });
    else if (sameValue(pair.value, node)) return [];
    else pair.value = withComments(node, pair.value);
    return [{ path: at, what: 'set' }];
  });
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** In a patch null means "not there", at every depth of objects; in a list it is a value. */
function withoutNulls(value: unknown): unknown {
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutNulls(inner)]));
}

const jsonOf = (node: unknown): string =>
  JSON.stringify((node as Node | null)?.toJSON() ?? null, (_key, value: unknown) =>
    isObject(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value,
  );
const sameValue = (a: unknown, b: unknown): boolean => jsonOf(a) === jsonOf(b);

function withComments(node: unknown, before: unknown): unknown {
  const { commentBefore, comment } = before as Node;
  return Object.assign(
    node as Node,
    commentBefore === undefined ? {} : { commentBefore },
    comment === undefined ? {} : { comment },
  );
}
