import { PlugferryError } from '../errors.js';
import { compareText } from '../plugin/plugin.js';
import type { Scalar, YamlDocument } from '../schema/yaml-library.js';
import { valuesIn } from './path.js';
import type { FoundSecret } from './secrets.js';

/** A variable, and what it stands for. */
export interface NamedVariable {
  readonly name: string;
  /** `spec.defaultConfig.consumers[0].credential` */
  readonly path: string;
}

const maxLength = 120;

/**
 * Puts a variable in place of each secret: `${KEY_AUTH_1_0_0_CONSUMERS_0_CREDENTIAL}`, by the resource and by where it stands, so
 * that the same resource gives the same names each time.
 *
 * @param secrets with values, of this document.
 */
export function replaceSecrets(
  document: YamlDocument,
  resource: string,
  secrets: readonly FoundSecret[],
): NamedVariable[] {
  const taken = new Set(textsOf(document));
  return secrets.flatMap(({ path, value }) => {
    if (value === undefined) return [];
    const name = freeName(nameFor(resource, path), taken);
    taken.add(reference(name));
    put(value, reference(name));
    return [{ name, path }];
  });
}

const reference = (name: string): string => `\${${name}}`;

function put(scalar: Scalar, text: string): void {
  scalar.value = text;
  delete scalar.source;
  delete scalar.tag;
  scalar.type = 'QUOTE_DOUBLE';
}

function nameFor(resource: string, path: string): string {
  const words = path.replace(/^spec\./, '').replace(/^(?:defaultConfig|pluginConfig)\b/, '');
  const name = `${resource} ${words.replace(/([a-z])([A-Z])/g, '$1_$2')}`
    .toUpperCase()
    .replace(/[^A-Z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .slice(0, maxLength);
  return /^[0-9]/.test(name) ? `_${name}` : name;
}

function freeName(name: string, taken: ReadonlySet<string>): string {
  let free = name;
  for (let count = 2; taken.has(reference(free)); count += 1) free = `${name}_${count}`;
  return free;
}

const textsOf = (document: YamlDocument): string[] =>
  [...valuesIn(document)].flatMap(({ scalar: { value } }) => (typeof value === 'string' ? [value] : []));

/**
 * Puts its value in place of each variable. Other texts of the form `${NAME}` stay as they are.
 *
 * @param names those of the resource, all of which have a value: see {@link demandValues}.
 */
export function fillVariables(
  document: YamlDocument,
  names: readonly string[],
  values: ReadonlyMap<string, string>,
): NamedVariable[] {
  const byReference = new Map(names.map((name) => [reference(name), name]));
  return [...valuesIn(document)].flatMap(({ path, scalar }) => {
    const name = typeof scalar.value === 'string' ? byReference.get(scalar.value) : undefined;
    const value = name === undefined ? undefined : values.get(name);
    if (name === undefined || value === undefined) return [];
    put(scalar, value);
    return [{ name, path }];
  });
}

/** Those of some variables that stand in a document. */
export function variablesIn(document: YamlDocument, names: readonly string[]): string[] {
  const texts = new Set(textsOf(document));
  return names.filter((name) => texts.has(reference(name)));
}

/** @throws PlugferryError `E_VARIABLES` naming all that have no value. */
export function demandValues(wanted: readonly string[], values: ReadonlyMap<string, string>): void {
  const missing = [...new Set(wanted)].filter((name) => !values.has(name)).sort(compareText);
  if (missing.length === 0) return;
  throw new PlugferryError('E_VARIABLES', `no value is given for ${missing.join(', ')}`, {
    hint:
      'They stand for secrets that did not travel. Give each in the file of --variables (NAME: "value"), or in the environment ' +
      'as PLUGFERRY_VARIABLE_<NAME>.',
    details: { missing },
  });
}
