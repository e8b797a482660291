import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { PlugferryError } from '../errors.js';
import { indexOf, isUnlinked } from '../server/index-of.js';
import type { PluginIndex } from '../server/plugin-index.js';

/** What is served from a directory: the current release of a volume, whichever that is, or a plain tree. */
export class VolumeReleases {
  readonly #root: string;
  /** What was loaded last. */
  #before: PluginIndex | undefined;

  /** @param root as `indexOf` takes it. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Where the link leads that an import or a rollback moves; the same for ever for a plain tree. */
  async mark(): Promise<string> {
    for (const path of [join(this.#root, 'plugins'), this.#root]) {
      const target = await readlink(path).catch(() => undefined);
      if (target !== undefined) return target;
    }
    return '';
  }

  /**
   * A release is followed by releases only, and plugins are not followed by none: what looks so is a volume that was unmounted,
   * or that somebody is at work on, and each 404 of it would be final for a gateway.
   *
   * @throws PlugferryError as `indexOf`, and `E_RELEASE` for a place that lost what it held.
   */
  async load(signal: AbortSignal): Promise<PluginIndex> {
    const index = await indexOf(this.#root, signal);
    const before = this.#before;
    if (before?.release !== undefined && index.release === undefined)
      throw lost(this.#root, 'is not the volume any more that it was');
    if (before !== undefined && before.plugins.length > 0 && index.release === undefined) {
      if (index.plugins.length === 0) throw lost(this.#root, 'holds no plugins any more');
    }
    this.#before = index;
    return index;
  }

  /** Whether a place that cannot be served is worth waiting for: a volume whose link is missing for now. */
  isPassing(error: unknown): boolean {
    return isUnlinked(error);
  }

  async close(): Promise<void> {
    // Files are served from where they are.
  }
}

const lost = (root: string, found: string): PlugferryError =>
  new PlugferryError('E_RELEASE', `${root} ${found}`, {
    hint: 'Mount the volume again, or put back what was there; to serve what is there now, start the server again.',
    details: { file: root, found },
  });
