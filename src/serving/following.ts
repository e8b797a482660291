import { setTimeout as sleep } from 'node:timers/promises';
import type { CurrentIndex } from '../server/current-index.js';
import type { PluginIndex } from '../server/plugin-index.js';

/** What is served, once it is known. */
export interface Readiness {
  /** Id of the release; undefined for a tree that Plugferry did not write. */
  readonly release: string | undefined;
  /** Plugin versions. */
  readonly plugins: number;
}

/** What is served, and what that may change to. */
export interface Releases {
  /** What changes whenever the release does. */
  mark(): Promise<string>;
  load(signal: AbortSignal): Promise<PluginIndex>;
  /** Whether what `load` failed with may pass by itself, so that a server that has nothing else yet waits for it. */
  isPassing(error: unknown): boolean;
  close(): Promise<void>;
}

export interface FollowingOptions {
  readonly current: CurrentIndex;
  /** Told of each change after the first: what is served from now on, or why it is still what it was. */
  readonly onChange?: ((change: Readiness | { readonly refused: unknown }) => void) | undefined;
  /** Told why nothing is served yet. */
  readonly onWait?: ((reason: unknown) => void) | undefined;
  /** Milliseconds between two looks. @default 1000 */
  readonly lookMs?: number | undefined;
}

/** Milliseconds that a request for something unknown waits for a release that is being read. */
const patienceMs = 3000;

/** Milliseconds between two looks, however many ask. */
const shortestPauseMs = 20;

/**
 * Keeps what is served the same as what is current. It looks again and again, because no file system that volumes and mounts lie
 * on raises events that could be relied on, and also when somebody asks for what it does not know: a 404 is final for a gateway,
 * so it must not be the answer for a plugin whose import is done. What was refused is tried again, ever more rarely: what made
 * it so may be put right behind a link that stays as it is.
 */
export class Following {
  readonly #releases: Releases;
  readonly #options: FollowingOptions;
  readonly #lookMs: number;
  readonly #signal: AbortSignal;
  /** Of what was loaded or refused last. */
  #seen = '';
  #refusals = 0;
  #nextTry = 0;
  #told: string | undefined;
  /** Told whether what is served is what is current, at the end of a look that begins after they asked. */
  readonly #asking: ((isCurrent: boolean) => void)[] = [];
  #isToReload = false;
  #wake: () => void = () => undefined;
  #ended: Promise<void> = Promise.resolve();

  /** @param signal ends it. */
  constructor(releases: Releases, options: FollowingOptions, signal: AbortSignal) {
    this.#releases = releases;
    this.#options = options;
    this.#lookMs = options.lookMs ?? 1000;
    this.#signal = signal;
  }

  /** Loads what there is, waits for it where it may still come, and goes on following it. */
  async start(): Promise<Readiness> {
    this.#signal.addEventListener('abort', () => {
      this.#wake();
    });
    try {
      const readiness = this.#put(await this.#first());
      this.#ended = this.#follow().finally(() => this.#releases.close());
      return readiness;
    } catch (error) {
      await this.#releases.close();
      throw error;
    }
  }

  /** Settles, behind the signal, when nothing is left of it on the disk. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Reads everything again at once. */
  reload(): void {
    this.#isToReload = true;
    this.#wake();
  }

  /**
   * Looks whether what is served is what is current, and takes it into use if that is quickly done.
   *
   * @returns false where something else is current, and is still being read or was refused.
   */
  async catchUp(): Promise<boolean> {
    if (this.#signal.aborted) return true;
    let late: NodeJS.Timeout | undefined;
    const isCurrent = await new Promise<boolean>((resolve) => {
      late = setTimeout(resolve, patienceMs, false);
      this.#asking.push(resolve);
      this.#wake();
    });
    clearTimeout(late);
    return isCurrent;
  }

  /** The first index that there is. */
  async #first(): Promise<PluginIndex> {
    for (;;) {
      this.#isToReload = false;
      try {
        this.#seen = await this.#releases.mark();
        return await this.#releases.load(this.#signal);
      } catch (error) {
        this.#signal.throwIfAborted();
        // While it is being put right, it may look damaged in other ways, too.
        if (this.#told === undefined && !this.#releases.isPassing(error)) throw error;
        this.#options.current.wait('the volume has releases, and no link to one of them');
        if (this.#isNews(error)) this.#options.onWait?.(error);
      }
      await this.#pause();
      this.#signal.throwIfAborted();
    }
  }

  async #follow(): Promise<void> {
    const isOver = (): boolean => this.#signal.aborted;
    while (!isOver()) {
      await this.#pause();
      const asking = this.#asking.splice(0);
      if (!isOver()) await this.#look();
      for (const answer of asking) answer(this.#refusals === 0);
    }
    for (const answer of this.#asking.splice(0)) answer(true);
  }

  /** Until it is time for the next look, or somebody asks for one. */
  async #pause(): Promise<void> {
    await sleep(Math.min(shortestPauseMs, this.#lookMs));
    if (this.#asking.length > 0 || this.#isToReload || this.#signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#lookMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #look(): Promise<void> {
    const isToReload = this.#isToReload;
    this.#isToReload = false;
    try {
      const found = await this.#releases.mark();
      if (found !== this.#seen) [this.#refusals, this.#told] = [0, undefined];
      const isDue = this.#refusals > 0 && performance.now() >= this.#nextTry;
      if (found === this.#seen && !isDue && !isToReload) return;
      this.#seen = found;
      const readiness = this.#put(await this.#releases.load(this.#signal));
      [this.#refusals, this.#told] = [0, undefined];
      this.#options.onChange?.(readiness);
    } catch (refused) {
      // After 1, 2, 4, ... times the usual pause, and at last after 32 times that.
      this.#nextTry = performance.now() + this.#lookMs * Math.min(2 ** this.#refusals, 32);
      this.#refusals += 1;
      if (this.#isNews(refused) && !this.#signal.aborted) this.#options.onChange?.({ refused });
    }
  }

  /** Whether it was not said already. */
  #isNews(error: unknown): boolean {
    const before = this.#told;
    this.#told = String(error);
    return this.#told !== before;
  }

  #put(index: PluginIndex): Readiness {
    this.#signal.throwIfAborted();
    this.#options.current.replace(index);
    return { release: index.release, plugins: index.plugins.length };
  }
}
