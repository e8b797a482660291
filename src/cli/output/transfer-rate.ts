/** What a step is doing, at a moment. */
export interface Standing {
  /** Bytes. */
  readonly done: number;
  /** Bytes; undefined while nobody knows. */
  readonly total: number | undefined;
  /** Since the step began. */
  readonly seconds: number;
  /** Of late; undefined in the first moments. */
  readonly bytesPerSecond: number | undefined;
  /** Undefined where it cannot be told. */
  readonly secondsLeft: number | undefined;
}

/** Milliseconds over which the rate is taken: long enough to be calm, short enough to show a stall. */
const span = 10_000;
/** Least milliseconds between two samples. */
const grain = 250;

interface Sample {
  readonly at: number;
  readonly done: number;
}

/** How fast a step goes. All times are milliseconds of one clock. */
export class Pace {
  done: number;
  total: number | undefined;
  readonly #began: Sample;
  /** Never empty; oldest first. */
  readonly #samples: [Sample, ...Sample[]];

  /** @param done bytes that were there before: they are in no rate. */
  constructor(at: number, done: number, total: number | undefined) {
    this.done = done;
    this.total = total;
    this.#began = { at, done };
    this.#samples = [this.#began];
  }

  /** Notes where the step is. Cheap enough for every piece. */
  note(at: number, done: number, total: number | undefined): void {
    this.done = done;
    this.total = total;
    this.#sample(at);
  }

  /** @param at now; a step that stands still is asked, too. */
  standing(at: number): Standing {
    this.#sample(at);
    const { done, total } = this;
    const [first] = this.#samples;
    const seconds = (at - this.#began.at) / 1000;
    const bytesPerSecond =
      at - first.at < grain ? undefined : Math.max(0, ((done - first.done) * 1000) / (at - first.at));
    const secondsLeft =
      total === undefined || bytesPerSecond === undefined || bytesPerSecond < 1
        ? undefined
        : Math.max(0, total - done) / bytesPerSecond;
    return { done, total, seconds, bytesPerSecond, secondsLeft };
  }

  /** From beginning to now: seconds, and bytes a second. */
  whole(at: number): { readonly seconds: number; readonly bytesPerSecond: number } {
    const seconds = (at - this.#began.at) / 1000;
    return {
      seconds,
      bytesPerSecond: seconds === 0 ? 0 : Math.max(0, this.done - this.#began.done) / seconds,
    };
  }

  #sample(at: number): void {
    if (at - (this.#samples.at(-1)?.at ?? 0) < grain) return;
    this.#samples.push({ at, done: this.done });
    while (this.#samples[1] !== undefined && at - this.#samples[0].at > span) this.#samples.shift();
  }
}
