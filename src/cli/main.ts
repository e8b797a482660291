import yargs from 'yargs';
import { isPlugferryError, PlugferryError } from '../errors.js';
import { asciiJson, escapeLine, escapeLines } from '../io/text.js';
import { version } from '../version.js';
import type { Command, Context, Outcome } from './command.js';
import { commands } from './commands.js';
import { exitCodes } from './exit-codes.js';
import { paint, processTerminal } from './terminal.js';

/**
 * Runs one command line and returns the exit code. The only place that prints errors and listens to signals.
 *
 * @param argv the words behind the program's name.
 */
export async function main(argv: readonly string[]): Promise<number> {
  const json = argv.includes('--json');
  const stop = stopSignals();
  try {
    const run = await parse(argv, commands);
    if (run === undefined) return 0;
    const terminal = processTerminal(argv.includes('--quiet') || argv.includes('-q'));
    const outcome = await run({ terminal, signal: stop.signal });
    const text = json ? asciiJson(outcome.json, 2) : outcome.text;
    if (text !== '') terminal.data(text);
    return outcome.exit ?? 0;
  } catch (error) {
    return report(stop.signal.aborted ? stop.signal.reason : error, json);
  } finally {
    stop.forget();
  }
}

type Run = (context: Context) => Promise<Outcome>;

/** The command that `argv` names, ready to run; undefined when help or version was asked for and printed. */
async function parse(argv: readonly string[], table: readonly Command[]): Promise<Run | undefined> {
  let chosen: Run | undefined;
  const valued = new Set(table.flatMap((command) => command.valued));
  const parser = yargs(joinDashes(argv, valued))
    .scriptName('plugferry')
    .usage('$0 <command>\n\nCarries Higress Wasm plugins between environments in signed bundles.')
    .locale('en')
    .version(version)
    .options({
      json: { type: 'boolean', describe: 'Print the result as JSON', global: true },
      quiet: { alias: 'q', type: 'boolean', describe: 'Say nothing but results and problems', global: true },
    })
    .parserConfiguration({ 'greedy-arrays': false, 'dot-notation': false, 'camel-case-expansion': false })
    .strict()
    .demandCommand(1, 'Give a command.')
    .help()
    .alias('help', 'h')
    .wrap(Math.min(110, process.stdout.columns || 110))
    .exitProcess(false)
    .fail((message, error) => {
      throw usageError(message || error.message);
    });
  for (const command of table) {
    command.register(parser, (run) => {
      chosen = run;
    });
  }
  await parser.parseAsync();
  return chosen;
}

/** `--output -` as `--output=-`: yargs takes a lone dash for the next argument, and the option for empty. */
function joinDashes(argv: readonly string[], valued: ReadonlySet<string>): string[] {
  const words: string[] = [];
  for (const word of argv) {
    const before = words.at(-1) ?? '';
    if (word === '-' && valued.has(before) && !words.includes('--')) words.splice(-1, 1, `${before}=-`);
    else words.push(word);
  }
  return words;
}

const usageError = (message: string): PlugferryError =>
  new PlugferryError('E_USAGE', message, {
    hint: 'See "plugferry --help", or "plugferry <command> --help".',
  });

/** Says on stderr, and under `--json` also as data, what went wrong. */
function report(error: unknown, json: boolean): number {
  const known = isPlugferryError(error) ? error : internal(error);
  const exit = exitCodes[known.code];
  const { code, message, hint, details } = known;
  if (json) process.stdout.write(`${asciiJson({ error: { code, exit, message, hint, details } }, 2)}\n`);
  const lines = [`${paint('red', 'error')} ${code}: ${escapeLine(message)}`];
  if (hint !== undefined) lines.push(`  ${paint('cyan', 'what to do:')} ${escapeLine(hint)}`);
  if (code === 'E_INTERNAL' && known.cause instanceof Error) lines.push(escapeLines(known.cause.stack ?? ''));
  process.stderr.write(`${lines.join('\n')}\n`);
  return exit;
}

const internal = (cause: unknown): PlugferryError =>
  new PlugferryError('E_INTERNAL', `unexpected: ${cause instanceof Error ? cause.message : String(cause)}`, {
    hint: 'This is a defect of Plugferry. Please report it with the lines below.',
    cause,
  });

/** Turns the first Ctrl-C or SIGTERM into an abort; a second one ends the process at once, as if nobody listened. */
function stopSignals(): { readonly signal: AbortSignal; forget(): void } {
  const controller = new AbortController();
  const onInterrupt = (): void => {
    controller.abort(new PlugferryError('E_INTERRUPTED', 'interrupted', { hint: leftovers }));
  };
  const onTerminate = (): void => {
    controller.abort(new PlugferryError('E_TERMINATED', 'terminated', { hint: leftovers }));
  };
  process.once('SIGINT', onInterrupt);
  process.once('SIGTERM', onTerminate);
  // A reader such as `head` may close stdout early; that is its right.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  return {
    signal: controller.signal,
    forget: () => {
      process.off('SIGINT', onInterrupt);
      process.off('SIGTERM', onTerminate);
    },
  };
}

const leftovers = 'Nothing half written was left behind. Run the same command again.';
