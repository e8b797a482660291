import yargs from 'yargs';
import { type OptionTable, variable } from './option-table.js';
import { type ProgressMode, progressModes } from './output/progress.js';

/** Options of every command. */
export const globalOptions = {
  json: { type: 'boolean', describe: 'Print the result as JSON' },
  quiet: { alias: 'q', type: 'boolean', describe: 'Say nothing but results and problems' },
  progress: {
    type: 'string',
    choices: progressModes,
    describe: 'How to show progress: a bar, plain lines for logs, JSON lines, or not at all (default: auto)',
  },
  config: {
    type: 'string',
    describe: 'File with settings (plugferry.yaml); it is never looked for',
  },
  env: { type: 'string', describe: 'Which environment of the --config file is meant: dev, test, prod, ...' },
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
  /** File with settings. */
  readonly config: string | undefined;
  /** Which of its environments is meant. */
  readonly env: string | undefined;
  /** The first word that is no option, nor the value of one: a command, if there is one of that name. */
  readonly command: string | undefined;
  /** Somebody asks what there is, and nothing is done. */
  readonly asks: boolean;
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
      config: globalOptions.config,
      env: globalOptions.env,
      help: { alias: 'h', type: 'boolean' },
      version: { type: 'boolean' },
    })
    .parseSync();
  const valueOf = (key: 'progress' | 'config' | 'env'): string | undefined =>
    [values[key]].flat().at(-1) ?? process.env[variable(key)];
  const asked = valueOf('progress');
  return {
    json: values.json === true,
    quiet: values.quiet === true,
    progress: progressModes.find((mode) => mode === asked) ?? 'auto',
    config: valueOf('config'),
    env: valueOf('env'),
    command: values._[0]?.toString(),
    asks: values.help === true || values.version === true,
  };
}
