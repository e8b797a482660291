import type { ProgressObserver, Step } from '../../index.js';
import { formatBytes } from '../../stream/text.js';
import { Pace, type Standing } from './transfer-rate.js';
import { formatRate, formatSeconds } from './progress-text.js';

/** How progress is shown; `auto` has been decided by then. */
export const progressModes = ['auto', 'bar', 'plain', 'json', 'none'] as const;
export type ProgressMode = (typeof progressModes)[number];

/** Shows what steps are doing. */
export interface Display {
  /** Milliseconds between two looks at a step that goes on. */
  readonly every: number;
  /** Milliseconds after which a step is looked at for the first time; steps that are over by then are not shown. */
  readonly after: number;
  show(step: Step, standing: Standing): void;
  /** @param words what the whole step came to. */
  ended(step: Step, standing: Standing, words: string): void;
}

/** A running show of the steps of one command. */
export interface Show {
  readonly observe: ProgressObserver;
  /** The command is over, and with it every step. */
  end(): void;
}

interface Running {
  readonly step: Step;
  readonly pace: Pace;
  readonly beganAt: number;
  shownAt: number | undefined;
}

/**
 * Follows steps, and lets `display` look every now and then at the one that began last. What an observer is told costs one look
 * at the clock.
 *
 * @param clock milliseconds.
 */
export function followSteps(display: Display, clock: () => number = Date.now): Show {
  const running = new Map<Step, Running>();
  const look = (): void => {
    const last = [...running.values()].at(-1);
    if (last === undefined) return;
    const now = clock();
    const { step, pace, beganAt, shownAt } = last;
    if (now - (shownAt ?? beganAt) < (shownAt === undefined ? display.after : display.every)) return;
    last.shownAt = now;
    display.show(step, pace.standing(now));
  };
  const finish = ({ step, pace, beganAt }: Running): void => {
    const now = clock();
    running.delete(step);
    if (now - beganAt >= display.after) display.ended(step, pace.standing(now), endText(pace, now));
  };
  const timer = setInterval(look, 500).unref();
  return {
    observe: (step, done, total) => {
      const now = clock();
      let one = running.get(step);
      if (one === undefined) {
        if (done > 0 && done === total) return;
        one = { step, pace: new Pace(now, done, total), beganAt: now, shownAt: undefined };
        running.set(step, one);
      }
      one.pace.note(now, done, total);
      look();
      if (done === total) finish(one);
    },
    end: () => {
      clearInterval(timer);
      running.clear();
    },
  };
}

function endText(pace: Pace, now: number): string {
  const { seconds, bytesPerSecond } = pace.whole(now);
  return `${formatBytes(pace.done)} in ${formatSeconds(seconds)}, ${formatRate(bytesPerSecond)}`;
}
