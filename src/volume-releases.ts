import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { indexOf } from './server/index-of.js';
import type { PluginIndex } from './server/plugin-index.js';

/** What is served from a directory: the current release of a volume, whichever that is, or a plain tree. */
export class VolumeReleases {
  readonly #root: string;

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

  /** @throws PlugferryError as `indexOf`. */
  load(signal: AbortSignal): Promise<PluginIndex> {
    return indexOf(this.#root, signal);
  }

  async close(): Promise<void> {
    // Files are served from where they are.
  }
}
