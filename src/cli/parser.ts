import yargs, { type Argv } from 'yargs';
import { PlugferryError } from '../errors.js';
import { version } from '../version.js';
import type { Settled } from '../index.js';
import { disguisedDash, type Command, type Registry, type Run } from './command.js';
import { globalOptions, parserConfiguration } from './globals.js';

/** What is known of a command line before it is understood. */
interface Known {
  readonly settled: Settled | undefined;
  /** Somebody asks what there is. */
  readonly asks: boolean;
}

/**
 * The command that `argv` names, ready to run; undefined when help or version was asked for and printed.
 *
 * @throws PlugferryError `E_USAGE`.
 */
export async function parse(
  argv: readonly string[],
  table: readonly Command[],
  { settled, asks }: Known,
): Promise<Run | undefined> {
  let chosen: Run | undefined;
  const ready = (run: Run): void => {
    chosen = run;
  };
  // yargs lays out the help of every command that it runs, wanted or not; plainly, that costs little.
  const width = asks ? Math.min(110, process.stdout.columns || 110) : null;
  await parserFor(argv, table, { settled, ready }).wrap(width).parseAsync();
  return chosen;
}

function parserFor(argv: readonly string[], table: readonly Command[], registry: Registry): Argv {
  const valued = new Set(table.flatMap((command) => command.valued));
  const parser = yargs(joinDashes(argv, valued))
    .scriptName('plugferry')
    .usage('$0 <command>\n\nCarries Higress Wasm plugins between environments in signed bundles.')
    .locale('en')
    .version(version)
    .options(globalOptions)
    .parserConfiguration(parserConfiguration)
    .strict()
    .demandCommand(1, 'Give a command.')
    .help()
    .alias('help', 'h')
    .exitProcess(false)
    .fail((message, error) => {
      throw usageError((message || error.message).replaceAll(disguisedDash, '-'));
    });
  for (const command of table) command.register(parser, registry);
  return parser;
}

/** `--output -` as `--output=-`, and others in disguise: yargs takes a lone dash for an option and loses it. */
function joinDashes(argv: readonly string[], valued: ReadonlySet<string>): string[] {
  const words: string[] = [];
  for (const word of argv) {
    const before = words.at(-1) ?? '';
    if (word === '-' && valued.has(before) && !words.includes('--')) words.splice(-1, 1, `${before}=-`);
    else words.push(word === '-' ? disguisedDash : word);
  }
  return words;
}

const usageError = (message: string): PlugferryError =>
  new PlugferryError('E_USAGE', message, {
    hint: 'See "plugferry --help", or "plugferry <command> --help".',
  });
