import type { Argv, InferredOptionTypes, Options, PositionalOptions } from 'yargs';
import type { Settled } from '../index.js';
import { globalOptions } from './globals.js';
import { type Implied, impliedValues, isImplied } from './settings.js';
import type { Summary } from './output/reporters.js';
import type { Terminal } from './output/terminal.js';
import type { OptionTable } from './option-table.js';

/** What a command hands back: the data for `--json`, and the same for people. */
export interface Outcome {
  readonly json: unknown;
  readonly text: string;
  /**
   * What stdout gets in place of `text` where it is no terminal: data for another program, byte for byte. Foreign text in it is
   * quoted by its own format.
   */
  readonly exact?: string;
  /** For outcomes that are not errors, such as findings. @default 0 */
  readonly exit?: number;
  /** What was done, for the last line on stderr. Without it, nothing is said there. */
  readonly summary?: Summary;
}

/** What a command is given besides its options. */
export interface Context {
  readonly terminal: Terminal;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  /** To be called by a command that ends by itself after the signal, however long that takes. */
  readonly finishesItself: () => void;
  /** What the configuration file says, where there is one. */
  readonly settled: Settled | undefined;
  /** Options whose value came from the environment or the configuration file: not meant for this command in particular. */
  readonly implied: ReadonlySet<string>;
}

/** A command that was understood, and waits for what it is run with. */
export type Run = (context: Pick<Context, 'terminal' | 'signal' | 'finishesItself'>) => Promise<Outcome>;

/** What the commands are told when they are declared. */
export interface Registry {
  readonly settled: Settled | undefined;
  /** Called with the command that the command line names. */
  readonly ready: (run: Run) => void;
}

interface Definition<Positionals extends OptionTable, Flags extends OptionTable> {
  /** One word, or two for a command of a group. */
  readonly name: string;
  readonly describe: string;
  /** In the order of the command line. */
  readonly positionals: Positionals;
  readonly options: Flags;
  /** Command lines with what each does. Every one is run by a test. */
  readonly examples: readonly (readonly [line: string, meaning: string])[];
  run(values: InferredOptionTypes<Positionals & Flags>, context: Context): Promise<Outcome>;
}

/** A command, its value types forgotten: a row of the table in `main.ts`. */
export interface Command {
  readonly name: string;
  /** One line for lists of commands. */
  readonly describe: string;
  /** In the order of the command line. */
  readonly positionals: OptionTable;
  readonly options: OptionTable;
  /** Those of a group. */
  readonly commands: readonly Command[];
  /** What follows the command's name, with what that does. */
  readonly examples: readonly (readonly [line: string, meaning: string])[];
  /** Its options that take a value, as they are written: `--output`, `-o`. */
  readonly valued: readonly string[];
  register(yargs: Argv, registry: Registry): void;
}

/**
 * Makes a command from its definition. yargs stays on this side: `run` receives exactly the declared options, so that a
 * misspelt one is a compile error.
 */
export function command<const Positionals extends OptionTable, const Flags extends OptionTable>(
  definition: Definition<Positionals, Flags>,
): Command {
  const { name, describe, positionals, options, examples } = definition;
  const words = Object.entries(positionals).map(([key, option]) => placeholder(key, option));
  return {
    name,
    describe,
    positionals,
    options,
    commands: [],
    examples,
    valued: valuedOptions(options),
    register(yargs, { settled, ready }) {
      const sources = impliedValues({ ...globalOptions, ...options }, settled);
      yargs.command(
        [name.split(' ').at(-1), ...words].join(' '),
        describe,
        (builder) => {
          for (const [key, option] of Object.entries(positionals))
            builder.positional(key, positional(option));
          builder.config(plain(sources)).options({ ...options });
          for (const [line, meaning] of examples) builder.example(`$0 ${name} ${line}`, meaning);
          return builder.check((values) => checkValues(values, { ...positionals, ...options }));
        },
        (values) => {
          // yargs has parsed by the table that the type is inferred from.
          const typed = withDashes(values) as unknown as InferredOptionTypes<Positionals & Flags>;
          const implied = new Set(
            [...sources.keys()].filter((key) => isImplied(sources.get(key), values[key])),
          );
          ready((context) => definition.run(typed, { ...context, settled, implied }));
        },
      );
    },
  };
}

/** What `-` is parsed as where it stands for itself: no argument of a process can hold a NUL. */
export const disguisedDash = '\0-';

const withDashes = (values: object): object =>
  Object.fromEntries(
    Object.entries(values).map(([key, value]: [string, unknown]) => [
      key,
      Array.isArray(value) ? value.map(withDash) : withDash(value),
    ]),
  );

const withDash = (value: unknown): unknown => (value === disguisedDash ? '-' : value);
const plain = (sources: ReadonlyMap<string, Implied>): Record<string, unknown> =>
  Object.fromEntries([...sources].map(([key, { value }]) => [key, value]));

const placeholder = (key: string, option: Options): string => {
  const word = option.array === true ? `${key}..` : key;
  return option.demandOption === true ? `<${word}>` : `[${word}]`;
};

const valuedOptions = (options: OptionTable): string[] =>
  Object.entries(options)
    .filter(([, option]) => option.type !== 'boolean')
    .flatMap(([key, { alias = [] }]) => [key, ...[alias].flat()])
    .map((key) => (key.length === 1 ? `-${key}` : `--${key}`));

/** yargs takes "demanded" for positionals from the command string. */
function positional({ describe = '', array = false, choices }: Options): PositionalOptions {
  return { type: 'string', describe, array, ...(choices === undefined ? {} : { choices }) };
}

/** yargs lets a number be NaN and turns an option that is given twice into an array; both are mistakes. */
function checkValues(values: Readonly<Record<string, unknown>>, options: OptionTable): true {
  for (const [key, option] of Object.entries(options)) {
    const value = values[key];
    if (option.array !== true && Array.isArray(value)) throw new Error(`Give --${key} only once`);
    if (typeof value === 'number' && !Number.isSafeInteger(value))
      throw new Error(`--${key} needs a whole number`);
    if (value === '' || (Array.isArray(value) && value.includes('')))
      throw new Error(`--${key} needs a value`);
  }
  return true;
}
