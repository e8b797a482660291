import type { FileHandle } from 'node:fs/promises';
import type { PluginIndex } from './plugin-index.js';
import { examine, openUnchanged, type Refusal, type ServedFile } from './served-file.js';

/** A file that is open and still what the index says of it. The receiver closes the handle. */
export interface OpenFile {
  readonly file: ServedFile;
  readonly handle: FileHandle;
}

/**
 * The index of the moment. Requests ask for it anew each time; replacing it is one assignment, so no answer is ever made
 * from two of them.
 */
export class CurrentIndex {
  #index: PluginIndex | undefined;
  #missing = 'loading';
  readonly #signal: AbortSignal;
  readonly #examinations = new Map<string, Promise<ServedFile | Refusal>>();

  /** @param signal stops the re-reading of changed files. */
  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Undefined while the first one is being made. */
  get index(): PluginIndex | undefined {
    return this.#index;
  }

  /** Why there is none yet, in words for whoever asks over the network. */
  get missing(): string {
    return this.#missing;
  }

  wait(reason: string): void {
    this.#missing = reason;
  }

  replace(index: PluginIndex): void {
    this.#index = index;
  }

  /**
   * Opens the file behind `path`. One that was changed behind our back is read again first, so that it never goes out under
   * the tag and digest of what was there before.
   *
   * @returns undefined for a path that is not in the index.
   */
  async open(path: string): Promise<OpenFile | Refusal | undefined> {
    const file = this.#index?.files.get(path);
    if (file === undefined) return undefined;
    const handle = await openUnchanged(file);
    if (handle !== undefined) return { file, handle };
    const fresh = await this.#examineOnce(path, file);
    if ('refused' in fresh) return fresh;
    const again = await openUnchanged(fresh);
    return again === undefined ? { refused: 'being written to' } : { file: fresh, handle: again };
  }

  /** However many ask for a changed file at the same time, it is read once. */
  #examineOnce(path: string, stale: ServedFile): Promise<ServedFile | Refusal> {
    const running = this.#examinations.get(path);
    if (running !== undefined) return running;
    const examination = this.#examineAgain(path, stale).finally(() => this.#examinations.delete(path));
    this.#examinations.set(path, examination);
    return examination;
  }

  async #examineAgain(path: string, stale: ServedFile): Promise<ServedFile | Refusal> {
    const { path: file, root, type } = stale;
    const fresh = await examine({ path: file, root, type }, this.#signal).catch((error: unknown): Refusal => {
      if (this.#signal.aborted) return { refused: 'not read any more: the server stops' };
      throw error;
    });
    if ('refused' in fresh) return fresh;
    if (!stale.pinned) return this.#keep(path, stale, fresh);
    if (fresh.digest.sha256 !== stale.digest.sha256) return { refused: 'not what the release recorded' };
    return this.#keep(path, stale, { ...stale, facts: fresh.facts });
  }

  #keep(path: string, stale: ServedFile, fresh: ServedFile): ServedFile {
    // The index may have been replaced meanwhile; what was found then tells nothing of the new one.
    if (this.#index?.files.get(path) === stale) this.#index = this.#index.with(path, fresh);
    return fresh;
  }
}
