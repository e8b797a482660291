import { PlugferryError } from '../errors.js';
import type { Release } from '../schema/release.js';
import type { State } from '../schema/state.js';

/**
 * A release that was current less than this long ago (milliseconds) stays: readers on network file systems may still go by
 * the old link, and gateways may still be downloading (security page 5.1 step 12 and 5.2).
 */
export const grace = 60 * 60_000;

export interface PrunedRelease {
  readonly id: string;
  readonly createdAt: string;
  /** Why it stays; `removed` when it goes. */
  readonly fate: 'current' | 'newest' | 'in use within the hour' | 'removed';
}

/** @throws PlugferryError `E_USAGE` for a number of releases that cannot be kept. */
export function demandKeep(keep: number): void {
  if (!Number.isSafeInteger(keep) || keep < 1) {
    throw new PlugferryError('E_USAGE', `cannot keep ${keep} releases`, {
      hint: 'Keep at least 1: the release that is current always stays.',
      details: { found: keep, expected: 'a whole number from 1' },
    });
  }
}

/** What decides which releases stay. */
export interface Keeping {
  readonly state: State;
  readonly current: string | undefined;
  readonly keep: number;
  readonly now: Date;
}

/** What becomes of each release, newest first. */
export function fatesOf(releases: Iterable<Dated>, { state, current, keep, now }: Keeping): PrunedRelease[] {
  const all = newestFirst(state, releases);
  const others = all.filter(({ id }) => id !== current);
  const newest = new Set(others.slice(0, current === undefined ? keep : keep - 1).map(({ id }) => id));
  return all.map((release): PrunedRelease => {
    const { id, createdAt } = release;
    if (id === current) return { id, createdAt, fate: 'current' };
    if (newest.has(id)) return { id, createdAt, fate: 'newest' };
    const recent = now.getTime() - lastServed(state, release) < grace;
    return { id, createdAt, fate: recent ? 'in use within the hour' : 'removed' };
  });
}

/** When a release ceased to be current, in milliseconds since 1970; its creation, if it was never left for another. */
function lastServed({ history }: State, { id, createdAt }: Dated): number {
  const last = history.findLastIndex(({ release }) => release === id);
  const left = last === -1 ? undefined : history[last + 1];
  return Date.parse(left?.at ?? createdAt);
}

type Dated = Pick<Release, 'id' | 'createdAt'>;

/** By last activation; releases that the history does not name come last, by creation. */
export function newestFirst<Kept extends Dated>(state: State, releases: Iterable<Kept>): Kept[] {
  const last = new Map(state.history.map(({ release, serial }) => [release, serial]));
  const rank = ({ id }: Dated): number => last.get(id) ?? 0;
  return [...releases].toSorted(
    (a, b) => rank(b) - rank(a) || Date.parse(b.createdAt) - Date.parse(a.createdAt),
  );
}
