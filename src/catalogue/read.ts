import { PlugferryError } from '../errors.js';
import { refusedCatalogue, type Catalogue, type CatalogueText } from './catalogue.js';
import { isObject } from './json.js';
import { readLock } from './lock.js';
import { readProperties } from './properties.js';
import { readResources } from './resources.js';
import { isEnvironment, pluginsOfSettings, settingsOfEnvironment } from './settings.js';
import { readSnapshot } from './snapshot.js';

/** The kinds of text that name plugins. */
export const catalogueKinds = ['properties', 'snapshot', 'lock', 'yaml', 'env'] as const;
export type CatalogueKind = (typeof catalogueKinds)[number];

/**
 * Reads a text that names plugins. Without a kind it follows from the name of the file, and else from the text.
 *
 * @throws PlugferryError `E_SOURCE` for a mistake in it, `E_SELECTION` when it names no plugin.
 */
export function readCatalogue(text: CatalogueText, kind: CatalogueKind = kindOf(text)): Catalogue {
  const catalogue = parseCatalogue(text, kind);
  if (catalogue.entries.length === 0) throw namesNothing(text.file, kind);
  return catalogue;
}

/** As {@link readCatalogue}, of a text that need not name any. */
export const parseCatalogue = (text: CatalogueText, kind: CatalogueKind): Catalogue => readers[kind](text);

export const namesNothing = (file: string, kind: CatalogueKind): PlugferryError =>
  new PlugferryError('E_SELECTION', `${file} names no plugin`, {
    hint: `It was read as ${kindNames[kind]}. Check what is in it.`,
    details: { file, expected: 'references to plugins' },
  });

const readers: Readonly<Record<CatalogueKind, (text: CatalogueText) => Catalogue>> = {
  properties: readProperties,
  snapshot: ({ file, text }) => readSnapshot(jsonOf({ file, text }), file),
  lock: ({ file, text }) => readLock(jsonOf({ file, text }), file),
  yaml: readResources,
  env: (text) => pluginsOfSettings(settingsOfEnvironment(text)),
};

const kindNames: Readonly<Record<CatalogueKind, string>> = {
  properties: 'a properties file (name=reference)',
  snapshot: 'a Higress release snapshot',
  lock: 'a lock file of plugin-server',
  yaml: 'YAML: WasmPlugin resources or Helm values',
  env: 'variables of an environment (NAME=value)',
};

function kindOf({ file, text }: CatalogueText): CatalogueKind {
  if (/\.properties$/i.test(file)) return 'properties';
  if (/(?:^|[/\\.])env$/i.test(file)) return 'env';
  const document = /^\s*\{/.test(text) ? tryJson(text) : undefined;
  // kubectl prints JSON too, which has no such field.
  if (document !== undefined && 'schemaVersion' in document)
    return isObject(document['plugins']) ? 'lock' : 'snapshot';
  if (document !== undefined || /\.(?:ya?ml|json)$/i.test(file)) return 'yaml';
  if (isEnvironment(text)) return 'env';
  if (/^[ \t]*(?![#!])[^\s=:]+[ \t]*=/m.test(text) && !/^(?:apiVersion|kind|---)/m.test(text))
    return 'properties';
  return 'yaml';
}

const tryJson = (text: string): Record<string, unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

function jsonOf({ file, text }: CatalogueText): Record<string, unknown> {
  const value = tryJson(text);
  if (value !== undefined) return value;
  throw refusedCatalogue(file, 'it is not a JSON object', 'Take the file again from where it comes from.');
}
