import { isAfter, isBeyond } from '../plugin/numbering.js';
import { compareText } from '../plugin/plugin.js';
import { documentBytes, parseDocument } from '../schema/parse.js';
import type { Release } from '../schema/release.js';
import type { HistoryEntry, SeenBundle, State } from '../schema/state.js';

/** As many as `schemas/state.schema.json` allows; audit.jsonl keeps all. */
const maxHistory = 500;

export const emptyState: State = { type: 'plugferry.state/v1', serial: 0, sets: [], history: [] };

/**
 * The bytes of state.json.
 *
 * @throws PlugferryError `E_LIMIT` for a state that could not be read back, which the number of sets alone can bring about.
 */
export function stateBytes(state: State): Buffer {
  const bytes = documentBytes(state);
  const hint = 'A volume remembers the bundles of at most 1000 plugin sets. Use another volume for more.';
  parseDocument('state', bytes, { file: 'state.json', code: 'E_LIMIT', hint });
  return bytes;
}

/**
 * `state` with the floor raised by a verified bundle. A floor is never lowered (security page 1.5); one that is beyond the last of all
 * epochs, which was taken once, is replaced by what the root of the receiver let in after it.
 */
export function withSeen(state: State, seen: SeenBundle): State {
  const known = state.sets.find(({ set }) => set === seen.set);
  const latest = state.lastSeenCreatedAt;
  return {
    ...state,
    lastSeenCreatedAt: latest !== undefined && latest >= seen.createdAt ? latest : seen.createdAt,
    sets:
      known !== undefined && !isAfter(seen, known)
        ? state.sets
        : [...state.sets.filter(({ set }) => set !== seen.set), seen].toSorted((a, b) =>
            compareText(a.set, b.set),
          ),
  };
}

/** `state` with one more entry and its serial. */
export function withEntry(state: State, entry: Omit<HistoryEntry, 'serial'>): State {
  const serial = state.serial + 1;
  return { ...state, serial, history: [...state.history, { serial, ...entry }].slice(-maxHistory) };
}

/** The floor that the kept releases prove: for a volume whose state is missing or was written by a run that lost its lock. */
export function withReleases(state: State, releases: Iterable<Release>): State {
  // Only a policy gets over such a floor, and here there is none.
  const stuck = new Set(state.sets.filter(isBeyond).map(({ set }) => set));
  let next = state;
  for (const { origin } of releases) {
    const { bundle, unsigned } = origin;
    if (bundle !== undefined && unsigned !== true && !stuck.has(bundle.set)) next = withSeen(next, bundle);
  }
  return next;
}
