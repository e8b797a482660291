import { basename, dirname, join } from 'node:path';
import { isRegularFile } from '../files/open-regular.js';
import { formatPluginId, type PluginId } from '../plugin/plugin.js';
import { readConsoleSpecs } from '../resource/plugin-spec.js';
import type { Catalogue, CatalogueEntry } from './catalogue.js';

/**
 * Where the specs of the Console lie beside its properties, `<key>/spec.yaml`, it asks a plugin server for the name and version
 * of the spec and not for the tag, which may be another one. Such a plugin is named both ways.
 *
 * @throws PlugferryError `E_SOURCE` for a spec that names no plugin, `E_IO`.
 */
export async function withConsoleVersions(catalogue: Catalogue, directory: string): Promise<Catalogue> {
  const keys = catalogue.entries.flatMap(({ key }) => (key === undefined ? [] : [key]));
  const asked = await specsOf(keys, directory);
  const notes: string[] = [];
  const entries = catalogue.entries.flatMap((entry): CatalogueEntry[] => {
    const id = entry.key === undefined ? undefined : asked.get(entry.key);
    if (id === undefined) return [entry];
    if (entry.id === undefined) return [{ ...entry, id }];
    if (formatPluginId(entry.id) === formatPluginId(id)) return [entry];
    notes.push(
      `the Console asks for ${formatPluginId(id)}, the tag says ${formatPluginId(entry.id)}: named as both`,
    );
    return [entry, { ...entry, id }];
  });
  return { entries, notes: [...catalogue.notes, ...notes] };
}

/** What each spec says, by the name of its directory. */
async function specsOf(keys: readonly string[], directory: string): Promise<Map<string, PluginId>> {
  for (const key of keys) {
    if (!(await isRegularFile(join(directory, key, 'spec.yaml')))) continue;
    const specs = await readConsoleSpecs(directory);
    return new Map(specs.map(({ name, version, file }) => [basename(dirname(file)), { name, version }]));
  }
  return new Map();
}
