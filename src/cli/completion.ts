import type { Command } from './command.js';
import type { OptionTable } from './option-table.js';
import { globalOptions, readGlobals } from './globals.js';
import { settledFrom } from './settings.js';

/** First argument of a call by which a shell asks for candidates; all others are the words of its line. */
export const completionRequest = '--complete';

/** A word that could come next. */
export interface Candidate {
  readonly word: string;
  /** One line, for shells that show it. */
  readonly about: string;
}

/**
 * What could stand in the place of the last word.
 *
 * @param words those behind the program's name, up to the cursor; the last one may be empty or half typed.
 * @returns nothing where any file may stand.
 */
export async function candidates(
  words: readonly string[],
  table: readonly Command[],
): Promise<readonly Candidate[]> {
  // bash takes `--mode=merge` for three words.
  const line = words.filter((word, index) => word !== '=' || index === words.length - 1);
  const typed = line.at(-1) === '=' ? '' : (line.at(-1) ?? '');
  const before = line.slice(0, -1);
  const { command, rest } = commandOf(before, table);
  const options: OptionTable = { ...globalOptions, ...command?.options };
  const [, joined] = /^--([^=]+)=/.exec(typed) ?? [];
  if (joined !== undefined) {
    const values = await valuesOf(joined, options, before);
    return starting(
      typed,
      values.map(({ word, about }) => ({ word: `--${joined}=${word}`, about })),
    );
  }
  const asked = optionNamed(before.at(-1), options);
  if (asked !== undefined && options[asked]?.type !== 'boolean')
    return starting(typed, await valuesOf(asked, options, before));
  if (typed.startsWith('-')) return starting(typed, optionsLeft(options, before));
  const next = command === undefined ? table : command.commands;
  if (next.length > 0) return rest.length > 0 ? [] : starting(typed, listed(next));
  return starting(typed, choicesOf(Object.values(command?.positionals ?? {})[rest.length]));
}

const starting = (typed: string, all: readonly Candidate[]): readonly Candidate[] =>
  all.filter(({ word }) => word.startsWith(typed));

const listed = (table: readonly Command[]): Candidate[] =>
  table.map(({ name, describe }) => ({ word: name.split(' ').at(-1) ?? name, about: describe }));

interface Found {
  readonly command: Command | undefined;
  /** Its arguments, without options and their values. */
  readonly rest: readonly string[];
}

/** The command, as far as its words have been typed. */
function commandOf(words: readonly string[], table: readonly Command[]): Found {
  const plain = words.filter((word, index) => {
    if (word.startsWith('-')) return false;
    const before = words[index - 1] ?? '';
    return !(before.startsWith('-') && takesValue(before, table));
  });
  const named = (word: string | undefined, among: readonly Command[]): Command | undefined =>
    among.find(({ name }) => name.split(' ').at(-1) === word);
  const command = named(plain[0], table);
  const inner = named(plain[1], command?.commands ?? []);
  if (inner !== undefined) return { command: inner, rest: plain.slice(2) };
  return { command, rest: command === undefined ? plain : plain.slice(1) };
}

/** Whether an option of any command is followed by its value. */
const takesValue = (word: string, table: readonly Command[]): boolean =>
  ['--progress', '--config', '--env'].includes(word) || table.some(({ valued }) => valued.includes(word));

/** The option that a word names, by its name or its letter. */
function optionNamed(word: string | undefined, options: OptionTable): string | undefined {
  if (word === undefined) return undefined;
  return Object.keys(options).find((key) => spellings(key, options).includes(word));
}

const spellings = (key: string, options: OptionTable): string[] => [
  `--${key}`,
  ...[options[key]?.alias ?? []].flat().map((letter) => `-${letter}`),
];

/** Those that have not been given, or may be given again. */
const optionsLeft = (options: OptionTable, before: readonly string[]): Candidate[] =>
  Object.entries(options)
    .filter(
      ([key, option]) =>
        option.array === true || !spellings(key, options).some((spelling) => before.includes(spelling)),
    )
    .map(([key, option]) => ({ word: `--${key}`, about: option.describe ?? option.description ?? '' }));

const choicesOf = (option: OptionTable[string] | undefined): Candidate[] =>
  (option?.choices ?? []).map((choice) => ({ word: String(choice), about: '' }));

async function valuesOf(
  key: string,
  options: OptionTable,
  before: readonly string[],
): Promise<readonly Candidate[]> {
  if (key === 'gateway-profile') {
    const { profileNames } = await import('../gateway/profile.js');
    return profileNames.map((word) => ({ word, about: '' }));
  }
  if (key !== 'env') return choicesOf(options[key]);
  const settled = await settledFrom({ ...readGlobals(before), env: undefined });
  return (settled?.environments ?? []).map((word) => ({ word, about: '' }));
}
