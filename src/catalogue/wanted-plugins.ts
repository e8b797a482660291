import { idOfReference, parseReference } from './reference.js';
import { isPluginName, isPluginVersion, type PluginId } from '../plugin/plugin.js';
import type { WasmPluginResource } from '../resource/wasm-plugin.js';

/**
 * The plugins that a resource may mean, most likely first: the one of its URL, which is what the gateway asks for, and the one of
 * its labels, which the Console writes; for an artifact of a registry the other way round. Empty where neither says anything.
 */
export function wantedPlugins({ url = '', labels }: Pick<WasmPluginResource, 'url' | 'labels'>): PluginId[] {
  const name = labels['higress.io/wasm-plugin-name'] ?? '';
  const version = labels['higress.io/wasm-plugin-version'] ?? '';
  const labelled = isPluginName(name) && isPluginVersion(version) ? [{ name, version }] : [];
  const reference = parseReference(url);
  const referred = reference === undefined ? undefined : idOfReference(reference);
  if (reference === undefined || referred === undefined) return labelled;
  return reference.kind === 'oci' ? [...labelled, referred] : [referred, ...labelled];
}
