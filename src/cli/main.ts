import { isPlugferryError, PlugferryError } from '../errors.js';
import { ioError, isSystemError } from '../files/file-errors.js';
import { asciiJson, escapeLine } from '../stream/text.js';
import { commandsFor } from './commands.js';
import { candidates, completionRequest, type Candidate } from './completion.js';
import { exitCodes } from './exit-codes.js';
import { readGlobals } from './globals.js';
import { parse } from './parser.js';
import { settledFrom } from './settings.js';
import { listenToSignals } from './stop.js';
import { processTerminal, type Terminal } from './output/terminal.js';

/**
 * Runs one command line and returns the exit code. The only place that prints errors and listens to signals.
 *
 * @param argv the words behind the program's name.
 */
export async function main(argv: readonly string[]): Promise<number> {
  if (argv[0] === completionRequest) return answerShell(argv.slice(1));
  const globals = readGlobals(argv);
  const { json, asks } = globals;
  const stop = listenToSignals();
  listenToOutput();
  const terminal = await processTerminal(globals);
  try {
    const table = await commandsFor(globals.command);
    const run = await parse(argv, table, { settled: await settledFrom(globals), asks });
    if (run === undefined) return 0;
    const { signal, finishesItself } = stop;
    const { exit = 0, summary, ...outcome } = await stop.within(run({ terminal, signal, finishesItself }));
    terminal.end();
    const text = json ? asciiJson(outcome.json, 2) : outcome.text;
    if (!json && outcome.exact !== undefined) terminal.exact(outcome.exact);
    else if (text !== '') terminal.data(text);
    if (summary !== undefined) terminal.sum(summary);
    return exit;
  } catch (error) {
    terminal.end();
    return report(stop.signal.aborted ? stop.signal.reason : error, terminal, json);
  } finally {
    stop.forget();
  }
}

/** A shell asks what could come next; whatever goes wrong, it gets no message into its prompt. */
async function answerShell(words: readonly string[]): Promise<number> {
  const found = await candidatesFor(words).catch(() => []);
  process.stdout.write(
    found.map(({ word, about }) => `${escapeLine(word)}\t${escapeLine(about)}\n`).join(''),
  );
  return 0;
}

const candidatesFor = async (words: readonly string[]): Promise<readonly Candidate[]> =>
  candidates(words, await commandsFor(readGlobals(words.slice(0, -1)).command));

/** Says on stderr, and under `--json` also as data, what went wrong. */
function report(error: unknown, terminal: Terminal, json: boolean): number {
  const world = isSystemError(error) ? ioError(error, error.path ?? 'a file') : error;
  const known = isPlugferryError(world) ? world : internal(error);
  const exit = exitCodes[known.code];
  const { code, message, hint, details, cause } = known;
  if (json) terminal.data(asciiJson({ error: { code, exit, message, hint, details } }, 2));
  const trace = code === 'E_INTERNAL' && cause instanceof Error ? cause.stack : undefined;
  terminal.fail({ code, exit, message, hint, trace });
  return exit;
}

const internal = (cause: unknown): PlugferryError =>
  new PlugferryError('E_INTERNAL', `unexpected: ${cause instanceof Error ? cause.message : String(cause)}`, {
    hint: 'This is a defect of Plugferry. Please report it with the lines below.',
    cause,
  });

/** Errors of the streams that we talk on are no reason to end. */
function listenToOutput(): void {
  // A reader such as `head` may close stdout early; that is its right. Whoever writes bytes there listens too, and says what happened.
  // Nor does a log that cannot be written end the work that it tells of.
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && process.stdout.listenerCount('error') === 1) throw error;
  });
}
