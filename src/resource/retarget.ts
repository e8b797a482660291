import { documentOf, isMap, type YamlDocument, type YAMLMap } from '../schema/yaml-library.js';

/** Where a resource is to find its module, and where it is to stand. */
export interface Target {
  readonly url: string;
  /** Of the module itself, whatever the server packs it in: what gateways compare (istio `pkg/wasm`). */
  readonly sha256: string;
  /** Undefined: the one that it has. */
  readonly namespace: string | undefined;
}

/** A field that was changed, from and to what; undefined where there was or is nothing. */
export interface FieldChange {
  readonly path: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** Points a WasmPlugin to a module. A pull secret goes where nothing is pulled from a registry. */
export function retarget(document: YamlDocument, { url, sha256, namespace }: Target): FieldChange[] {
  const { contents } = document;
  if (!isMap(contents)) return [];
  const inMetadata = namespace === undefined ? {} : { namespace };
  return [
    ...putIn(contents, 'metadata', inMetadata),
    ...putIn(contents, 'spec', { url, sha256, imagePullSecret: undefined }),
  ];
}

/** Sets fields of a mapping, and removes those that are undefined. */
function putIn(
  parent: YAMLMap,
  name: string,
  fields: Readonly<Record<string, string | undefined>>,
): FieldChange[] {
  const map = mapIn(parent, name);
  return Object.entries(fields).flatMap(([key, to]) => {
    const value: unknown = map.get(key);
    const from = typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
    if (to === undefined && !map.delete(key)) return [];
    if (to !== undefined && value === to) return [];
    if (to !== undefined) map.set(key, to);
    return [{ path: `${name}.${key}`, from, to }];
  });
}

/** The mapping under a key, made where there is none. */
function mapIn(map: YAMLMap, key: string): YAMLMap {
  const there: unknown = map.get(key);
  if (isMap(there)) return there;
  const made = documentOf({}).contents as YAMLMap;
  map.set(key, made);
  return made;
}
