import { isPluginName, isPluginVersion, type PluginId } from '../plugin/plugin.js';
import { readWasmPlugins, type WasmPluginResource } from '../resource/wasm-plugin.js';
import { parseYaml } from '../schema/yaml.js';
import {
  quoted,
  refusedCatalogue,
  type Catalogue,
  type CatalogueEntry,
  type CatalogueText,
} from './catalogue.js';
import { isObject } from './json.js';
import { formatReference, idOfReference, parseReference, type Reference } from './reference.js';
import { pluginsOfSettings, settingsOfDocument } from './settings.js';

const hint =
  'Expected are WasmPlugin resources as "kubectl get wasmplugins -A -o yaml" prints them, or Helm values that hold URLs of plugins, without queries.';

/**
 * YAML or JSON: WasmPlugin resources, each under the name and version that its URL has or that the Console gave it, and, of
 * whatever else stands there (Helm values, Deployments), the references in it.
 *
 * @throws PlugferryError `E_SOURCE` naming the place.
 */
export function readResources({ file, text }: CatalogueText): Catalogue {
  const plugins = readWasmPlugins(text, file).map(entryOf);
  const settings = parseYaml(text, { file, code: 'E_SOURCE', hint }).flatMap(({ value }) =>
    withoutWasmPlugins(value).flatMap((each) => settingsOfDocument(each, file)),
  );
  const others = pluginsOfSettings(settings);
  return { entries: [...plugins, ...others.entries], notes: others.notes };
}

function withoutWasmPlugins(value: unknown): unknown[] {
  if (!isObject(value)) return [value];
  const items = value['items'];
  const isList = typeof value['kind'] === 'string' && value['kind'].endsWith('List') && Array.isArray(items);
  return (isList ? (items as unknown[]) : [value]).filter(
    (each) => !(isObject(each) && each['kind'] === 'WasmPlugin'),
  );
}

function entryOf(resource: WasmPluginResource): CatalogueEntry {
  const { file, line, url, sha256 } = resource;
  const place = `${file}:${line} (WasmPlugin ${resource.namespace ?? ''}${resource.namespace === undefined ? '' : '/'}${resource.name})`;
  if (url === undefined)
    throw refusedCatalogue(place, 'it has no spec.url', 'Give the resource a URL, or take it out.');
  const reference = parseReference(url);
  if (reference === undefined)
    throw refusedCatalogue(place, `${quoted(url)} is not a reference to a plugin`, hint);
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256)) {
    throw refusedCatalogue(place, `sha256 is ${quoted(sha256)}, expected 64 hex characters`, hint);
  }
  const pinned = pin(reference, sha256, place);
  return {
    id: idOf(resource, reference),
    reference: pinned,
    text: formatReference(reference),
    ...(reference.kind !== 'oci' && sha256 !== undefined ? { wasmSha256: sha256 } : {}),
    place,
  };
}

/** The `sha256` of an artifact is that of its manifest, while that of a URL is that of the module (istio `pkg/wasm`). */
function pin(reference: Reference, sha256: string | undefined, place: string): Reference {
  if (reference.kind !== 'oci' || sha256 === undefined) return reference;
  const digest = `sha256:${sha256}`;
  if (reference.digest !== undefined && reference.digest !== digest) {
    throw refusedCatalogue(place, `sha256 is ${sha256}, but its URL names ${reference.digest}`, hint);
  }
  return { ...reference, digest };
}

/**
 * A URL is what the gateway asks for. An artifact goes by the labels of the Console, which are what the Console asks for once
 * its plugins come from a server, and else by its own name and tag.
 */
function idOf({ labels }: WasmPluginResource, reference: Reference): PluginId | undefined {
  const name = labels['higress.io/wasm-plugin-name'];
  const version = labels['higress.io/wasm-plugin-version'];
  const isLabelled =
    name !== undefined && version !== undefined && isPluginName(name) && isPluginVersion(version);
  const labelled = isLabelled ? { name, version } : undefined;
  return reference.kind === 'oci'
    ? (labelled ?? idOfReference(reference))
    : (idOfReference(reference) ?? labelled);
}
