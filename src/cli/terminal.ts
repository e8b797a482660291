import { styleText } from 'node:util';
import { escapeLine, escapeLines } from '../io/text.js';

/** Where a command's words go. Data goes to stdout, talk to stderr; neither carries a control character from outside. */
export interface Terminal {
  /** Writes data to stdout, with a final line feed. What it is made of must not hold foreign line feeds. */
  readonly data: (text: string) => void;
  /** Says one line about progress on stderr; silent with `--quiet`. */
  readonly say: (text: string) => void;
  /** Says one line on stderr that must not be missed. */
  readonly warn: (text: string) => void;
  /** Whether stdout is a terminal that a person looks at. */
  readonly interactive: boolean;
}

type Style = Parameters<typeof styleText>[0];

/** Colours a word for stderr; plain outside a terminal and under NO_COLOR. */
export const paint = (style: Style, text: string): string =>
  // `validateStream` makes styleText look at the stream, NO_COLOR and FORCE_COLOR itself.
  styleText(style, text, { stream: process.stderr, validateStream: true });

export function processTerminal(quiet: boolean): Terminal {
  return {
    data: (text) => {
      process.stdout.write(`${escapeLines(text)}\n`);
    },
    say: (text) => {
      if (!quiet) process.stderr.write(`${escapeLine(text)}\n`);
    },
    warn: (text) => {
      process.stderr.write(`${paint('yellow', 'warning:')} ${escapeLine(text)}\n`);
    },
    interactive: process.stdout.isTTY,
  };
}
