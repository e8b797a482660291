import { Writable } from 'node:stream';
import { PlugferryError } from '../../errors.js';
import type { ProgressObserver } from '../../index.js';
import { escapeLines } from '../../stream/text.js';
import { followSteps, type ProgressMode } from './progress.js';
import { barTalk, jsonTalk, lineTalk, logTalk, type Failure, type Summary, type Talk } from './reporters.js';

/** Where a command's words go. Data goes to stdout, talk to stderr; neither carries a control character from outside. */
export interface Terminal {
  /** Writes data to stdout, with a final line feed. What it is made of must not hold foreign line feeds. */
  readonly data: (text: string) => void;
  /** Writes a document to stdout byte for byte; to a terminal as {@link data}. It ends with a line feed of its own. */
  readonly exact: (text: string) => void;
  /**
   * Standard output for bytes; everything that would be data goes to stderr from then on.
   *
   * @throws PlugferryError `E_USAGE` where that is a terminal.
   */
  readonly bytes: () => Writable;
  /** Says one line about progress on stderr; silent with `--quiet`. */
  readonly say: (text: string) => void;
  /** Says one line on stderr that must not be missed. */
  readonly warn: (text: string) => void;
  /** Shows how far the steps of a verb are. */
  readonly onProgress: ProgressObserver;
  /** Says what went wrong. */
  readonly fail: (failure: Failure) => void;
  /** Says what the command came to, and how long it took; silent with `--quiet`. */
  readonly sum: (summary: Summary) => void;
  /** Ends the show of progress; before data is written. */
  readonly end: () => void;
}

export interface TerminalOptions {
  readonly quiet: boolean;
  readonly progress: ProgressMode;
}

/** The terminal of this process. */
export async function processTerminal({ quiet, progress }: TerminalOptions): Promise<Terminal> {
  const began = performance.now();
  const talk = await talkFor(progress === 'auto' ? usual(quiet) : progress);
  const show = talk.display === undefined ? undefined : followSteps(talk.display);
  let claimed = false;
  return {
    data: (text) => {
      (claimed ? process.stderr : process.stdout).write(`${escapeLines(text)}\n`);
    },
    bytes: () => {
      claimed = true;
      return stdoutBytes();
    },
    exact: (text) => {
      process.stdout.write(process.stdout.isTTY ? escapeLines(text) : text);
    },
    say: (text) => {
      if (!quiet) talk.note(text);
    },
    warn: talk.warn,
    onProgress: show?.observe ?? ((): void => undefined),
    fail: talk.fail,
    sum: (summary) => {
      if (!quiet) talk.sum(summary, (performance.now() - began) / 1000);
    },
    end: () => {
      show?.end();
      talk.clear?.();
    },
  };
}

/** A bar for people; lines for logs, for terminals that cannot do better, and for people who want no escape codes. */
function usual(quiet: boolean): Exclude<ProgressMode, 'auto'> {
  if (quiet) return 'none';
  const { CI = '', NO_COLOR = '', TERM = '' } = process.env;
  const plain = CI !== '' || NO_COLOR !== '' || TERM === '' || TERM === 'dumb';
  return process.stderr.isTTY && !plain ? 'bar' : 'plain';
}

async function talkFor(mode: Exclude<ProgressMode, 'auto'>): Promise<Talk> {
  if (mode === 'json') return jsonTalk;
  if (mode === 'none') return lineTalk;
  // A bar that nobody can draw becomes lines.
  if (mode === 'plain' || !process.stderr.isTTY) return logTalk;
  // Loaded where it is needed: it takes longer than some commands.
  const { liveLine } = await import('./progress-bar.js');
  return barTalk((text) => liveLine(process.stderr, text));
}

/** Ending it leaves standard output open. */
function stdoutBytes(): Writable {
  if (process.stdout.isTTY) {
    throw new PlugferryError('E_USAGE', 'standard output is a terminal, and a bundle is nothing to look at', {
      hint: 'Send it into a file or another program: plugferry ... -o - | ...',
    });
  }
  // The writer hears of it in its own way.
  process.stdout.on('error', () => undefined);
  return new Writable({
    highWaterMark: 1024 * 1024,
    write(chunk: Buffer, _encoding, done) {
      process.stdout.write(chunk, (error) => {
        done(error ? unread(error) : null);
      });
    },
  });
}

const unread = (cause: Error): PlugferryError =>
  new PlugferryError('E_IO', `standard output takes no more: ${cause.message}`, {
    hint: 'Look at the program that reads it.',
    details: { file: 'standard output' },
    cause,
  });
