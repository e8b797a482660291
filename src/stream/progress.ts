/** How far a run of bytes is; `total` is undefined while nobody knows. Called for every piece: whoever listens returns at once. */
export type Progress = (done: number, total: number | undefined) => void;

/** What may take longer than a second. */
export type Step =
  'read' | 'download' | 'pack' | 'sign' | 'verify' | 'unpack' | 'upload' | 'split' | 'parity' | 'join';

/**
 * Told by a verb how far each of its steps is, in bytes, often. A step begins with `done` 0; it is over when `done` is `total`,
 * or when the verb is. Steps may overlap.
 */
export type ProgressObserver = (step: Step, done: number, total: number | undefined) => void;

/** The part of an observer that one step talks to. */
export const progressOf = (observer: ProgressObserver | undefined, step: Step): Progress | undefined =>
  observer &&
  ((done, total) => {
    observer(step, done, total);
  });

/** Adds up pieces of a step whose whole size may be known. */
export class Tally {
  readonly #progress: Progress | undefined;
  readonly #total: number | undefined;
  #done = 0;

  constructor(progress: Progress | undefined, total?: number) {
    this.#progress = progress;
    this.#total = total;
    progress?.(0, total);
  }

  /** @param bytes as many more; negative where some have to come again. */
  readonly add = (bytes: number): void => {
    this.#done += bytes;
    // What is there may be more than what was promised.
    this.#progress?.(Math.min(this.#done, this.#total ?? Infinity), this.#total);
  };

  /** Nothing more comes; for a step whose size was not known. */
  finish(): void {
    this.#progress?.(this.#done, this.#done);
  }

  /** For one of several things that make up the step: it tells how far it is by itself. */
  share(): Progress {
    let before = 0;
    return (done) => {
      this.add(done - before);
      before = done;
    };
  }
}

/** A stage of a pipeline that lets bytes through and tells how many. */
export const counted = (add: (bytes: number) => void) =>
  async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      add(chunk.length);
      yield chunk;
    }
  };
