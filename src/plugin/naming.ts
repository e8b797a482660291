import { PlugferryError } from '../errors.js';
import { isPluginName, isPluginVersion, type PluginId } from './plugin.js';

/** Under which name and version a module is to travel. */
export interface Naming {
  /** What the source calls it: a file, a reference or `name@version`; undefined for the only one that there is. */
  readonly from: string | undefined;
  readonly id: PluginId;
}

/**
 * Reads `FROM=name@version`, or `name@version` alone. FROM may itself hold `=`: neither a name nor a version does.
 *
 * @param where a file and line, for errors.
 * @throws PlugferryError `E_USAGE`.
 */
export function parseNaming(text: string, where?: string): Naming {
  const at = text.lastIndexOf('=');
  const from = at === -1 ? undefined : text.slice(0, at).trim();
  const [name = '', version = '', ...rest] = text
    .slice(at + 1)
    .trim()
    .split('@');
  const isNamed = isPluginName(name) && isPluginVersion(version) && rest.length === 0;
  if (isNamed && from !== '') return { from, id: { name, version } };
  const place = where === undefined ? '' : `${where}: `;
  throw new PlugferryError('E_USAGE', `${place}"${text}" does not name a plugin`, {
    hint: 'Write it as FROM=name@version, for example main.wasm=key-auth@1.0.0, or oci://host/key-auth:1.3.7=key-auth@1.3.7',
    details: { found: text, expected: 'FROM=name@version' },
  });
}

/**
 * The lines of a file that people write: without blank ones and those that begin with `#`, each with its number counted
 * from 1.
 */
function significantLines(text: string): { readonly line: string; readonly number: number }[] {
  return text
    .split(/\r?\n/)
    .map((line, index) => ({ line: line.trim(), number: index + 1 }))
    .filter(({ line }) => line !== '' && !line.startsWith('#'));
}

/**
 * Reads a mapping file: one `FROM=name@version` a line. The same FROM may stand there several times, for several versions.
 *
 * @throws PlugferryError `E_USAGE` naming the line; also for a name and version that two lines give away.
 */
export function parseMapping(text: string, file: string): Naming[] {
  const given = new Map<string, number>();
  return significantLines(text).map(({ line, number }) => {
    const naming = parseNaming(line, `${file}:${number}`);
    const id = `${naming.id.name}@${naming.id.version}`;
    const before = given.get(id);
    if (naming.from === undefined) throw fromMissing(line, `${file}:${number}`);
    if (before !== undefined) throw givenTwice(id, file, [before, number]);
    given.set(id, number);
    return naming;
  });
}

const fromMissing = (line: string, where: string): PlugferryError =>
  new PlugferryError('E_USAGE', `${where}: "${line}" does not say what is to be named`, {
    hint: 'Write each line as FROM=name@version.',
    details: { found: line, expected: 'FROM=name@version' },
  });

const givenTwice = (id: string, file: string, lines: readonly number[]): PlugferryError =>
  new PlugferryError('E_USAGE', `${file}: lines ${lines.join(' and ')} both name ${id}`, {
    hint: 'One name and version stands for one module. Take one of the lines out.',
    details: { file, found: id, lines },
  });
