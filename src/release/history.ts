import type { Origin, Release } from '../schema/release.js';
import type { HistoryEntry, State } from '../schema/state.js';
import { newestFirst } from './fates.js';

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
  /** Newest first; at most 500, the `audit.jsonl` of a volume keeps all. */
  readonly lines: readonly HistoryLine[];
  /** Ids of kept releases that no line names, because the state was lost. */
  readonly unlisted: readonly string[];
  readonly warnings: readonly string[];
}

/** What a state and the releases that are kept tell of the past. */
export function historyOf(
  state: State,
  current: string | undefined,
  kept: ReadonlyMap<string, Release>,
): Pick<History, 'lines' | 'unlisted'> {
  const latest = state.history.findLast(({ release }) => release === current)?.serial;
  const lines = state.history.map((entry): HistoryLine => {
    const release = kept.get(entry.release);
    const line = { ...entry, current: entry.serial === latest, kept: release !== undefined };
    return release === undefined
      ? line
      : { ...line, origin: release.origin, plugins: release.plugins.length };
  });
  const named = new Set(state.history.map(({ release }) => release));
  return {
    lines: lines.toReversed(),
    unlisted: newestFirst(state, kept.values())
      .map(({ id }) => id)
      .filter((id) => !named.has(id)),
  };
}
