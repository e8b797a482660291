import { progressOf, Tally, type Progress, type ProgressObserver } from '../stream/progress.js';
import type { Offer, SourcePlugin } from '../source/source.js';

/** Fetches plugins and has them read. What comes over a network is told as download, what lies here as read. */
export class Fetching {
  readonly #observer: ProgressObserver | undefined;
  /** Bytes of all modules, where all sources tell. */
  readonly #total: number | undefined;
  #downloads: Tally | undefined;
  #reads: Tally | undefined;

  constructor(offers: readonly Offer[], observer: ProgressObserver | undefined) {
    this.#observer = observer;
    this.#total = offers
      .map(({ stated }) => stated?.wasm.size)
      .reduce((sum, size) => (sum === undefined || size === undefined ? undefined : sum + size), 0);
  }

  /** @param read is given a progress where reading is what takes the time. */
  async one<Result>(
    offer: Offer,
    signal: AbortSignal | undefined,
    read: (plugin: SourcePlugin, progress?: Progress) => Promise<Result>,
  ): Promise<Result> {
    let share: Progress | undefined;
    const plugin = await offer.fetch(signal, (done) => {
      this.#downloads ??= new Tally(progressOf(this.#observer, 'download'), this.#total);
      share ??= this.#downloads.share();
      share(done, undefined);
    });
    if (share !== undefined) return read(plugin);
    this.#reads ??= new Tally(progressOf(this.#observer, 'read'));
    return read(plugin, this.#reads.share());
  }

  finish(): void {
    for (const tally of [this.#downloads, this.#reads]) tally?.finish();
  }
}
