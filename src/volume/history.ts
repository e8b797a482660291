import type { FileSystem } from '../io/file-system.js';
import { newestFirst } from '../release/fates.js';
import type { Origin } from '../schema/release.js';
import type { HistoryEntry } from '../schema/state.js';
import { readParts } from './read.js';

/** One change of what was current. */
export interface HistoryLine extends HistoryEntry {
  /** True for the change that led to what is current now. */
  readonly current: boolean;
  /** False when the release was pruned or is damaged: it cannot be rolled back to. */
  readonly kept: boolean;
  /** How the release came to be; absent when it is not kept. */
  readonly origin?: Origin;
  /** How many plugins it holds; absent when it is not kept. */
  readonly plugins?: number;
}

export interface History {
  readonly root: string;
  /** Newest first; at most 500, `audit.jsonl` keeps all. */
  readonly lines: readonly HistoryLine[];
  /** Ids of kept releases that no line names, because the state was lost. */
  readonly unlisted: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Which release was current when. Reads only.
 *
 * @throws PlugferryError as {@link readVolume}, except that a damaged current release is a warning.
 */
export async function history(root: string, files?: FileSystem): Promise<History> {
  const { layout, tree, releases, state } = await readParts(root, files);
  const current = tree.kind === 'release' ? tree.id : undefined;
  const latest = state.history.findLast(({ release }) => release === current)?.serial;
  const lines = state.history.map((entry): HistoryLine => {
    const release = releases.complete.get(entry.release);
    const line = { ...entry, current: entry.serial === latest, kept: release !== undefined };
    return release === undefined
      ? line
      : { ...line, origin: release.origin, plugins: release.plugins.length };
  });
  const named = new Set(state.history.map(({ release }) => release));
  return {
    root: layout.root,
    lines: lines.toReversed(),
    unlisted: newestFirst(state, releases.complete.values())
      .map(({ id }) => id)
      .filter((id) => !named.has(id)),
    warnings: [...releases.damaged.values()].map(({ message }) => message),
  };
}
