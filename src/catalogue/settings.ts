import {
  refusedCatalogue,
  quoted,
  type Catalogue,
  type CatalogueEntry,
  type CatalogueText,
} from './catalogue.js';
import { isObject } from './json.js';
import { formatReference, idOfReference, parseReference } from './reference.js';

/** A value of a file of settings. */
export interface Setting {
  /** Of the variable or key that it belongs to. */
  readonly name: string;
  readonly value: string;
  /** Where it stands. */
  readonly place: string;
}

/** Variables whose value is the reference of a plugin, whatever it looks like (Higress `pkg/config/envs.go`). */
const pluginVariables = new Set(['MCP_SERVER_WASM_IMAGE_URL']);

/** An artifact, or the URL of a module; one with a query is none that can be asked for, but is not passed over. */
const reference = /^(?:oci:\/\/.*|(?:https?|file):\/\/[^\s?#]+\.wasm(?:[?#].*)?)$/is;

const hint =
  'Expected is a reference like oci://registry/repository:tag, or the URL of a module without a query.';

/** The plugins that settings name: values that are an `oci://` reference or the URL of a `.wasm` file, whole. */
export function pluginsOfSettings(settings: readonly Setting[]): Catalogue {
  const patterns: string[] = [];
  const entries = settings.flatMap(({ name, value, place }): CatalogueEntry[] => {
    const isMeant = pluginVariables.has(name) || reference.test(value);
    if (!isMeant || value === '') return [];
    if (value.includes('${')) {
      patterns.push(place);
      return [];
    }
    const found = parseReference(value);
    if (found === undefined)
      throw refusedCatalogue(place, `${quoted(value)} is not a reference to a plugin`, hint);
    return [{ id: idOfReference(found), reference: found, text: formatReference(found), place }];
  });
  return { entries, notes: patterns.map((place) => `${place} is a pattern for URLs and names no plugin`) };
}

const variable = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$/;

/** The variables of a file as compose and shells read it: one `NAME=value` a line, in quotes or not. */
export function settingsOfEnvironment({ file, text }: CatalogueText): Setting[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    const [, name, value] = variable.exec(line) ?? [];
    if (name === undefined || value === undefined) return [];
    return [{ name, value: unquoted(value.trim()), place: `${file}:${index + 1}` }];
  });
}

const unquoted = (value: string): string =>
  /^(?:"[^"]*"|'[^']*')$/.test(value) ? value.slice(1, -1) : value;

/** Whether every line that says something is a variable in capitals, as no plugin name is. */
export function isEnvironment(text: string): boolean {
  const lines = text.split(/\r?\n/).filter((line) => !/^\s*(?:#|$)/.test(line));
  return lines.length > 0 && lines.every((line) => /^\s*(?:export\s+)?[A-Z_][A-Z0-9_]*=/.test(line));
}

/** All texts of a document of Helm values or of a resource; those of `env` lists go by the name of their variable. */
export function settingsOfDocument(value: unknown, file: string): Setting[] {
  const found: Setting[] = [];
  const visit = (here: unknown, name: string, path: string): void => {
    if (typeof here === 'string') found.push({ name, value: here.trim(), place: `${file}: ${path}` });
    else if (Array.isArray(here))
      for (const [index, each] of here.entries()) visit(each, name, `${path}[${index}]`);
    else if (isObject(here)) {
      const called = here['name'];
      for (const [key, each] of Object.entries(here)) {
        const isEnvValue = key === 'value' && typeof called === 'string';
        visit(each, isEnvValue ? called : key, path === '' ? key : `${path}.${key}`);
      }
    }
  };
  visit(value, '', '');
  return found;
}
