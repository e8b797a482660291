import type { Argv, InferredOptionTypes, Options } from 'yargs';
import type { Summary } from './talk.js';
import type { Terminal } from './terminal.js';

export type OptionTable = Readonly<Record<string, Options>>;

/** What a command hands back: the data for `--json`, and the same for people. */
export interface Outcome {
  readonly json: unknown;
  readonly text: string;
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
  /** What follows the command's name, with what that does. */
  readonly examples: readonly (readonly [line: string, meaning: string])[];
  /** Its options that take a value, as they are written: `--output`, `-o`. */
  readonly valued: readonly string[];
  register(yargs: Argv, ready: (run: (context: Context) => Promise<Outcome>) => void): void;
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
    examples,
    valued: valuedOptions(options),
    register(yargs, ready) {
      yargs.command(
        [name.split(' ').at(-1), ...words].join(' '),
        describe,
        (builder) => {
          for (const [key, option] of Object.entries(positionals))
            builder.positional(key, positional(option));
          builder.config(fromEnvironment(options)).options({ ...options });
          for (const [line, meaning] of examples) builder.example(`$0 ${name} ${line}`, meaning);
          return builder.check((values) => checkValues(values, { ...positionals, ...options }));
        },
        (values) => {
          // yargs has parsed by the table that the type is inferred from.
          const typed = withDashes(values) as unknown as InferredOptionTypes<Positionals & Flags>;
          ready((context) => definition.run(typed, context));
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
function positional({ describe, array }: Options): { type: 'string'; describe: string; array: boolean } {
  return { type: 'string', describe: describe ?? '', array: array ?? false };
}

/**
 * Values of `PLUGFERRY_<OPTION>` for the declared text and number options. Switches are not taken from the environment: a
 * forgotten variable must not disable a check. Other variables with the prefix are none of our business.
 */
function fromEnvironment(options: OptionTable): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [key, option] of Object.entries(options)) {
    const value = process.env[`PLUGFERRY_${key.toUpperCase().replaceAll('-', '_')}`];
    if (value !== undefined && option.type !== 'boolean') values[key] = value;
  }
  return values;
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
