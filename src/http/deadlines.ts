import { setTimeout as sleep } from 'node:timers/promises';
import type { PlugferryError } from '../errors.js';

/** How long a request may keep us waiting. */
export interface Patience {
  /** Milliseconds until an answer begins, connecting included. @default 30,000 */
  readonly answerMs: number;
  /** Milliseconds in which a body must bring `paceBytes` more, or end. There is no limit for the whole. @default 30,000 */
  readonly paceMs: number;
  /** @default 16 KiB: half a kilobyte a second, which no link in use is slower than */
  readonly paceBytes: number;
  /** Milliseconds before each further try; a try that brought `paceBytes` more starts the list anew. @default 250, 500, 1000, 2000 */
  readonly retryMs: readonly number[];
}

export const usualPatience: Patience = {
  answerMs: 30_000,
  paceMs: 30_000,
  paceBytes: 16 * 1024,
  retryMs: [250, 500, 1000, 2000],
};

/** Watches over one exchange: aborts it when the caller does, or when the peer is too slow. */
export class Watch {
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #patience: Patience;
  #timer: NodeJS.Timeout | undefined;
  #arrived = 0;
  #resting = false;
  #lateness: PlugferryError | undefined;

  /** @throws the caller's reason when it has aborted already. */
  constructor(caller: AbortSignal | undefined, patience: Patience) {
    caller?.throwIfAborted();
    this.#caller = caller;
    this.#patience = patience;
    caller?.addEventListener('abort', this.#abort, { once: true });
  }

  get patience(): Patience {
    return this.#patience;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** @param late why, when no answer comes in time. */
  awaitAnswer(late: PlugferryError): void {
    this.#limit(this.#patience.answerMs, late);
  }

  /** @param late why, when the body does not come fast enough. */
  awaitBody(late: PlugferryError): void {
    this.#arrived = 0;
    this.#limit(this.#patience.paceMs, late);
  }

  /** `bytes` of the body have come. */
  arrived(bytes: number): void {
    this.#arrived += bytes;
    if (this.#arrived < this.#patience.paceBytes) return;
    this.#arrived = 0;
    this.#timer?.refresh();
  }

  /** Whether it is the caller who takes its time, with what came: that is not held against the peer. */
  rest(resting: boolean): void {
    this.#resting = resting;
  }

  /**
   * Why the exchange really failed: the library reports every abort alike.
   *
   * @throws the caller's reason when it was the caller.
   */
  reasonOf(error: unknown): unknown {
    this.#caller?.throwIfAborted();
    return this.#lateness ?? error;
  }

  /** Drops whatever is left of the exchange. */
  end(): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener('abort', this.#abort);
    this.#abort();
  }

  #limit(milliseconds: number, late: PlugferryError): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#resting) {
        this.#arrived = 0;
        this.#timer?.refresh();
        return;
      }
      this.#lateness = late;
      this.#abort();
    }, milliseconds);
  }

  readonly #abort = (): void => {
    this.#controller.abort();
  };
}

/** Waits, or ends with the caller's reason. */
export async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
