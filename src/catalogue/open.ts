import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { isDirectory, isRegularFile, readSmallFile } from '../files/open-regular.js';
import { readResourceTexts } from '../resource/texts.js';
import type { Catalogue, CatalogueText } from './catalogue.js';
import { withConsoleVersions } from './console.js';
import { namesNothing, parseCatalogue, readCatalogue, type CatalogueKind } from './read.js';

export interface CatalogueOptions {
  /** What `-` reads. */
  readonly stdin: Readable;
  /** What a text is. @default what follows from its name and from itself */
  readonly kind: CatalogueKind | undefined;
}

const propertiesName = 'plugins.properties';

/** Most bytes of a properties file; the largest of the field has 6 KB. */
const maxPropertiesBytes = 1024 * 1024;

/** Whether a directory is one of the sources of the Console or of plugin-server. */
export const holdsProperties = (directory: string): Promise<boolean> =>
  isRegularFile(join(directory, propertiesName));

/**
 * Reads what names plugins: a text, `-` for standard input, a directory that holds `plugins.properties` (as the sources of the
 * Console and of plugin-server do), or one of resources as YAML.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_IO`, `E_LIMIT`, and as {@link readCatalogue}.
 */
export async function openCatalogue(location: string, options: CatalogueOptions): Promise<Catalogue> {
  if (location === '-' || !(await isDirectory(location))) return openText(location, options);
  if (await holdsProperties(location)) return openText(join(location, propertiesName), options);
  const texts = await readResourceTexts(location, options.stdin);
  const catalogues = texts.map((text) => parseCatalogue(text, 'yaml'));
  const entries = catalogues.flatMap((catalogue) => catalogue.entries);
  if (entries.length === 0) throw namesNothing(location, 'yaml');
  return { entries, notes: catalogues.flatMap(({ notes }) => notes) };
}

async function openText(location: string, { stdin, kind }: CatalogueOptions): Promise<Catalogue> {
  if (!location.endsWith('.properties')) {
    const [text = { file: location, text: '' }] = await readResourceTexts(location, stdin);
    return readCatalogue(text, kind);
  }
  const catalogue = readCatalogue(await readPropertiesText(location), kind);
  return withConsoleVersions(catalogue, dirname(location));
}

/** Java reads such a file as Latin-1, Python as UTF-8: what is not the one is the other, and only comments differ. */
async function readPropertiesText(file: string): Promise<CatalogueText> {
  const bytes = await readSmallFile(file, 'properties file', maxPropertiesBytes);
  try {
    return { file, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { file, text: bytes.toString('latin1') };
  }
}
