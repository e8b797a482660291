import { isPluginName, isPluginVersion } from '../plugin/plugin.js';
import { quoted, type Catalogue, type CatalogueEntry } from './catalogue.js';
import { Fields, isDigest, isObject, type Part } from './json.js';
import { formatReference, parseReference, type OciReference } from './reference.js';

const fields = new Fields(
  'Expected is plugins/release/snapshots/<version>.json of the Higress sources, schemaVersion 1. Take the file again from there.',
);

/**
 * A release snapshot of Higress (`plugins/release/snapshots/<version>.json`): the plugins of one gateway version by the digest
 * of their manifests. Each is named as plugin-server serves it, under its `httpPath`, its `inventoryKey` and its aliases;
 * those that plugin-server leaves out go by their `logicalId`, since a gateway without a registry cannot have them either.
 *
 * @throws PlugferryError `E_SOURCE` naming the plugin.
 */
export function readSnapshot(document: Readonly<Record<string, unknown>>, file: string): Catalogue {
  fields.checkVersion(document, file);
  const { plugins } = document;
  if (!Array.isArray(plugins) || plugins.length === 0) throw fields.refused(file, 'there are no plugins');
  const unserved: string[] = [];
  const entries = plugins.flatMap((value, index) => {
    const plugin = fields.part(value, `${file}: plugins[${index}]`);
    const logicalId = fields.text(plugin, 'logicalId', isPluginName);
    const named = { ...plugin, place: `${file}: ${logicalId}` };
    const names = servedNames(named);
    if (names.length === 0) unserved.push(logicalId);
    return entriesOf(named, names.length === 0 ? [logicalId] : names);
  });
  return { entries, notes: noteOn(unserved) };
}

function entriesOf(plugin: Part, names: readonly string[]): CatalogueEntry[] {
  const version = fields.text(plugin, 'version', isPluginVersion);
  const reference = pinned(plugin, version);
  const text = formatReference(reference);
  return names.map((name) => ({ id: { name, version }, reference, text, place: plugin.place }));
}

/** The reference with the digest: the tag alone may have moved since. */
function pinned(plugin: Part, version: string): OciReference {
  const text = fields.text(plugin, 'ociRef');
  const digest = fields.text(plugin, 'digest', isDigest);
  const reference = parseReference(text);
  if (reference?.kind !== 'oci')
    throw fields.refused(plugin.place, `${quoted(text)} is not a reference to an artifact`);
  if (reference.tag !== version)
    throw fields.refused(plugin.place, `the tag of ${quoted(text)} is not the version ${version}`);
  if (reference.digest !== undefined && reference.digest !== digest) {
    throw fields.refused(plugin.place, `the digest of ${quoted(text)} is not ${digest}`);
  }
  return { ...reference, digest };
}

function servedNames(plugin: Part): string[] {
  const consumers = plugin.fields['consumers'];
  const mapping = isObject(consumers) ? consumers['pluginServer'] : undefined;
  if (mapping === undefined || mapping === null) return [];
  const server = fields.part(mapping, `${plugin.place}: consumers.pluginServer`);
  const path = fields.text(server, 'httpPath', isPluginName);
  const key = fields.text(server, 'inventoryKey', isPluginName);
  return [...new Set([path, key, ...fields.texts(server, 'aliases', isPluginName)])];
}

const noteOn = (unserved: readonly string[]): string[] =>
  unserved.length === 0
    ? []
    : [`plugin-server does not serve ${unserved.join(', ')}; named here by logicalId`];
