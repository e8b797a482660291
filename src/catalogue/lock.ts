import { isPluginName, isPluginVersion } from '../plugin/plugin.js';
import { quoted, type Catalogue, type CatalogueEntry } from './catalogue.js';
import { Fields, isDigest, isSha256, type Part } from './json.js';
import { formatReference, parseReference } from './reference.js';

const fields = new Fields(
  'Expected is unmanaged-plugins.lock.json of plugin-server, schemaVersion 1. Take the file again from there.',
);

/**
 * `unmanaged-plugins.lock.json` of plugin-server: plugins that are part of no release snapshot, by the digests of manifest and
 * module.
 *
 * @throws PlugferryError `E_SOURCE` naming the plugin.
 */
export function readLock(document: Readonly<Record<string, unknown>>, file: string): Catalogue {
  fields.checkVersion(document, file);
  const { plugins } = document;
  const listed = Object.entries(fields.part(plugins, `${file}: plugins`).fields);
  if (listed.length === 0) throw fields.refused(file, 'there are no plugins');
  return {
    entries: listed.map(([key, value]) => entryOf(key, fields.part(value, `${file}: ${quoted(key)}`))),
    notes: [],
  };
}

function entryOf(key: string, plugin: Part): CatalogueEntry {
  const logicalKey = fields.text(plugin, 'logicalKey', isPluginName);
  if (logicalKey !== key) throw fields.refused(plugin.place, `logicalKey is ${quoted(logicalKey)}`);
  const name = fields.text(plugin, 'servedPath', isPluginName);
  const version = fields.text(plugin, 'servedVersion', isPluginVersion);
  const [repository, tag] = [fields.text(plugin, 'repository'), fields.text(plugin, 'tag')];
  const text = `${repository}:${tag}@${fields.text(plugin, 'digest', isDigest)}`;
  const reference = parseReference(text);
  if (reference?.kind !== 'oci')
    throw fields.refused(plugin.place, `${quoted(text)} is not a reference to an artifact`);
  return {
    id: { name, version },
    reference,
    text: formatReference(reference),
    wasmSha256: fields.text(plugin, 'wasmSha256', isSha256),
    place: plugin.place,
  };
}
