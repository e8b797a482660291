import { PlugferryError } from '../errors.js';
import { isVariableName } from '../plugin/resource-name.js';
import { parseYaml } from '../schema/yaml.js';
import type { ResourceText } from './texts.js';

const hint = 'Write one NAME: "value" a line, values in quotes.';

/**
 * Reads values of variables: a mapping of names to strings, in YAML or JSON.
 *
 * @throws PlugferryError `E_VARIABLES`, which never repeats a value.
 */
export function parseValues({ file, text }: ResourceText): Map<string, string> {
  const values = new Map<string, string>();
  for (const { value } of parseYaml(text, { file, code: 'E_VARIABLES', hint })) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw refused(file, 'not a mapping of names to values');
    for (const [name, content] of Object.entries(value as Record<string, unknown>)) {
      if (!isVariableName(name))
        throw refused(file, `${JSON.stringify(name.slice(0, 40))} is not the name of a variable`);
      // Unquoted, 0123 is the number 83, and on is true.
      if (typeof content !== 'string') throw refused(file, `the value of ${name} is not in quotes`);
      if (values.has(name)) throw refused(file, `${name} is there twice`);
      values.set(name, content);
    }
  }
  return values;
}

const refused = (file: string, reason: string): PlugferryError =>
  new PlugferryError('E_VARIABLES', `${file}: ${reason}`, { hint, details: { file, found: reason } });
