import yargs from 'yargs';
import type { OptionTable } from './command.js';
import { progressModes, type ProgressMode } from './progress.js';

/** Options of every command. */
export const globalOptions = {
  json: { type: 'boolean', describe: 'Print the result as JSON' },
  quiet: { alias: 'q', type: 'boolean', describe: 'Say nothing but results and problems' },
  progress: {
    type: 'string',
    choices: progressModes,
    describe: 'How to show progress: a bar, plain lines for logs, JSON lines, or not at all (default: auto)',
  },
} as const satisfies OptionTable;

/** How a command line is cut into words and values. */
export const parserConfiguration = {
  'greedy-arrays': false,
  'dot-notation': false,
  'camel-case-expansion': false,
} as const;

/** What has to be known before a command line is understood: how to say that it cannot be. */
export interface Globals {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly progress: ProgressMode;
}

/** Reads the options of every command, and nothing else, so that whatever else is wrong can be told as they ask. */
export function readGlobals(argv: readonly string[]): Globals {
  const values = yargs([...argv])
    .help(false)
    .version(false)
    .exitProcess(false)
    .parserConfiguration(parserConfiguration)
    .options({
      json: globalOptions.json,
      quiet: globalOptions.quiet,
      progress: { type: 'string' },
    })
    .parseSync();
  const asked: unknown = values.progress ?? process.env['PLUGFERRY_PROGRESS'];
  return {
    json: values.json === true,
    quiet: values.quiet === true,
    progress: progressModes.find((mode) => mode === asked) ?? 'auto',
  };
}
