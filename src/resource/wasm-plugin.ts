import { PlugferryError } from '../errors.js';
import { parseYaml, type YamlContext } from '../schema/yaml.js';

/** What a WasmPlugin says of the module it wants; field names are those of the resource. */
export interface WasmPluginResource {
  /** `metadata.name`. */
  readonly name: string;
  readonly namespace: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** `spec.url` as it stands; without a scheme it means `oci://`. Undefined where the resource has none. */
  readonly url: string | undefined;
  readonly sha256: string | undefined;
  readonly imagePullPolicy: string | undefined;
  readonly failStrategy: string | undefined;
  readonly phase: string | undefined;
  /** Whether its global configuration is switched off; the gateway fetches the module all the same. */
  readonly disabled: boolean;
  /** Where it was read. */
  readonly file: string;
  readonly line: number;
  /** The whole resource. */
  readonly object: Readonly<Record<string, unknown>>;
}

const kinds = new Set(['extensions.higress.io/v1alpha1', 'extensions.istio.io/v1alpha1']);

/**
 * The WasmPlugin resources of a YAML text: single documents, several, or the List that `kubectl get wasmplugins -o yaml`
 * prints. Objects of other kinds are passed over; a text without any WasmPlugin yields none.
 *
 * @throws PlugferryError `E_SOURCE` when the text is not YAML, or a WasmPlugin is malformed.
 */
export function readWasmPlugins(text: string, file: string): WasmPluginResource[] {
  const context: YamlContext = {
    file,
    code: 'E_SOURCE',
    hint: 'Expected are WasmPlugin resources as "kubectl get wasmplugins -A -o yaml" prints them.',
  };
  return parseYaml(text, context).flatMap(({ value, line }) =>
    objectsOf(value).flatMap((object) => {
      return isWasmPlugin(object) ? [wasmPluginOf(object, { file, line })] : [];
    }),
  );
}

/** Whether a value is a WasmPlugin, of Higress or of Istio. */
export const isWasmPlugin = (value: unknown): value is Record<string, unknown> =>
  isObject(value) && value['kind'] === 'WasmPlugin' && kinds.has(String(value['apiVersion']));

function objectsOf(value: unknown): Record<string, unknown>[] {
  if (!isObject(value)) return [];
  const { kind, items } = value;
  return typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)
    ? items.filter(isObject)
    : [value];
}

/**
 * The fields of a WasmPlugin.
 *
 * @throws PlugferryError `E_SOURCE` when it has no name.
 */
export function wasmPluginOf(
  object: Record<string, unknown>,
  { file, line }: { readonly file: string; readonly line: number },
): WasmPluginResource {
  const metadata = isObject(object['metadata']) ? object['metadata'] : {};
  const spec = isObject(object['spec']) ? object['spec'] : {};
  const name = textIn(metadata, 'name');
  if (name === undefined) {
    throw new PlugferryError('E_SOURCE', `${file}:${line}: a WasmPlugin has no metadata.name`, {
      hint: 'Give the resource a name, or take it out.',
      details: { file, expected: 'metadata.name' },
    });
  }
  const labels = Object.entries(isObject(metadata['labels']) ? metadata['labels'] : {});
  return {
    name,
    namespace: textIn(metadata, 'namespace'),
    labels: Object.fromEntries(labels.map(([key, label]) => [key, String(label)])),
    url: textIn(spec, 'url'),
    sha256: textIn(spec, 'sha256'),
    imagePullPolicy: textIn(spec, 'imagePullPolicy'),
    failStrategy: textIn(spec, 'failStrategy'),
    phase: textIn(spec, 'phase'),
    disabled: spec['defaultConfigDisable'] === true,
    file,
    line,
    object,
  };
}

/** A text field; anything else that stands there is no value. */
function textIn(object: Record<string, unknown>, key: string): string | undefined {
  const value = object[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
