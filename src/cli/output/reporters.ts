import { withoutCredentials } from '../../http/address.js';
import { styleText } from 'node:util';
import type { ProgressEvent, Step } from '../../index.js';
import { asciiJson, escapeLine, escapeLines, formatBytes } from '../../stream/text.js';
import type { Standing } from './transfer-rate.js';
import type { Display } from './progress.js';
import type { LiveLine } from './progress-bar.js';
import { barText, formatSeconds, standingText } from './progress-text.js';

/** An error as it is told. */
export interface Failure {
  readonly code: string;
  readonly exit: number;
  readonly message: string;
  readonly hint?: string | undefined;
  /** Lines for whoever mends the program. */
  readonly trace?: string | undefined;
}

/** What a command came to, in one line. */
export interface Summary {
  /** What was done to what: `exported edge.tar.gz`. */
  readonly what: string;
  /** Bytes of that. */
  readonly size?: number | undefined;
  /** What tells it from others, with its kind: `sha256:<hex>`. */
  readonly digest?: string | undefined;
}

/** Several locations in few words, without what is secret in them. */
export const named = ([first = '', ...others]: readonly (string | number)[]): string => {
  const shown = withoutCredentials(String(first));
  return others.length === 0 ? shown : `${shown} and ${others.length} more`;
};

/** A way of talking on stderr. */
export interface Talk {
  readonly note: (text: string) => void;
  readonly warn: (text: string) => void;
  readonly fail: (failure: Failure) => void;
  readonly sum: (summary: Summary, seconds: number) => void;
  /** Undefined where progress is not shown. */
  readonly display?: Display | undefined;
  /** Takes away what is shown until something else is. */
  readonly clear?: () => void;
}

type Style = Parameters<typeof styleText>[0];

/** Colours a word for stderr; plain outside a terminal and under NO_COLOR. */
const paint = (style: Style, text: string): string =>
  // `validateStream` makes styleText look at the stream, NO_COLOR and FORCE_COLOR itself.
  styleText(style, text, { stream: process.stderr, validateStream: true });

const write = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

/** Lines for people. */
export const lineTalk: Talk = {
  note: (text) => {
    write(escapeLine(text));
  },
  warn: (text) => {
    write(`${paint('yellow', 'warning:')} ${escapeLine(text)}`);
  },
  fail: ({ code, message, hint, trace }) => {
    write(`${paint('red', 'error')} ${code}: ${escapeLine(message)}`);
    if (hint !== undefined) write(`  ${paint('cyan', 'what to do:')} ${escapeLine(hint)}`);
    if (trace !== undefined) write(escapeLines(trace));
  },
  sum: ({ what, size, digest }, seconds) => {
    const facts = [
      ...(size === undefined ? [] : [formatBytes(size)]),
      formatSeconds(seconds),
      ...(digest === undefined ? [] : [digest]),
    ];
    write(escapeLine(`${what}: ${facts.join(', ')}`));
  },
};

/** {@link lineTalk}, and a line of progress every ten seconds: for logs. */
export const logTalk: Talk = {
  ...lineTalk,
  display: {
    every: 10_000,
    after: 1000,
    show: (step, standing) => {
      // A step has to be ten seconds old for its first line.
      if (standing.seconds >= 10) write(standingText(step, standing));
    },
    ended: (step, _standing, words) => {
      write(`${step}: ${words}`);
    },
  },
};

/** {@link lineTalk}, and a bar that is drawn again and again: for people at a terminal. */
export function barTalk(liveLine: (text: (columns: number) => string) => LiveLine): Talk {
  let text: (columns: number) => string = () => '';
  const line = liveLine((columns) => text(columns));
  const above =
    <Words extends readonly unknown[]>(say: (...words: Words) => void) =>
    (...words: Words): void => {
      line.hide();
      say(...words);
    };
  return {
    note: above(lineTalk.note),
    warn: above(lineTalk.warn),
    fail: above(lineTalk.fail),
    sum: above(lineTalk.sum),
    clear: () => {
      line.hide();
    },
    display: {
      every: 100,
      after: 1000,
      show: (step, standing) => {
        text = (columns) => barText(step, standing, columns);
        line.show();
      },
      ended: above((step, _standing, words) => {
        write(`${step}: ${words}`);
      }),
    },
  };
}

/** Fields that are undefined are left out of the line. */
type Fields<Event> = Event extends unknown
  ? { readonly [Key in keyof Event]: Event[Key] | undefined }
  : never;

const event = (fields: Fields<ProgressEvent>): void => {
  write(asciiJson(fields));
};

const stepEvent = (step: Step, standing: Standing, over: true | undefined): void => {
  const { done, total, bytesPerSecond, secondsLeft } = standing;
  event({
    type: 'progress',
    step,
    done,
    total,
    seconds: rounded(standing.seconds),
    bytesPerSecond: bytesPerSecond === undefined ? undefined : Math.round(bytesPerSecond),
    secondsLeft: secondsLeft === undefined ? undefined : Math.ceil(secondsLeft),
    over,
  });
};

const rounded = (seconds: number): number => Math.round(seconds * 1000) / 1000;

/** One JSON document a line, for programs: `schemas/progress.schema.json`. */
export const jsonTalk: Talk = {
  note: (text) => {
    event({ type: 'note', text });
  },
  warn: (text) => {
    event({ type: 'warning', text });
  },
  fail: ({ code, exit, message, hint }) => {
    event({ type: 'error', code, exit, message, hint });
  },
  sum: ({ what, size, digest }, seconds) => {
    event({ type: 'summary', what, size, digest, seconds: rounded(seconds) });
  },
  display: {
    every: 1000,
    after: 0,
    show: (step, standing) => {
      stepEvent(step, standing, undefined);
    },
    ended: (step, standing) => {
      stepEvent(step, standing, true);
    },
  },
};
