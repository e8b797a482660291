import { emptyState, stateBytes, withEntry, withReleases, withSeen } from '../../src/release/state.js';
import { expect, test } from 'vitest';
import type { Release } from '../../src/schema/release.js';
import type { HistoryEntry, SeenBundle } from '../../src/schema/state.js';
import { settledState } from '../../src/volume/state.js';

const [a, b, c] = ['a', 'b', 'c'].map((letter) => letter.repeat(64)) as [string, string, string];
const seen = (changes: Partial<SeenBundle> = {}): SeenBundle => ({
  set: 'edge',
  epoch: 1,
  sequence: 5,
  manifestSha256: a,
  createdAt: '2026-05-01T00:00:00Z',
  ...changes,
});

test.each([
  ['a higher sequence', { sequence: 6, manifestSha256: b }, b],
  ['a higher epoch, whatever its sequence', { epoch: 2, sequence: 1, manifestSha256: b }, b],
  ['an equal sequence', { manifestSha256: b }, a],
  ['a lower sequence', { sequence: 4, manifestSha256: b }, a],
  ['a lower epoch, whatever its sequence', { epoch: 0, sequence: 99, manifestSha256: b }, a],
])('%s: the floor only grows', (_, changes, manifestSha256) => {
  const state = withSeen(withSeen(emptyState, seen()), seen(changes));
  expect(state.sets).toMatchObject([{ set: 'edge', manifestSha256 }]);
});

test('every set has a floor of its own, and the latest creation time counts for all', () => {
  let state = withSeen(emptyState, seen({ createdAt: '2026-06-01T00:00:00Z' }));
  state = withSeen(state, seen({ set: 'core', createdAt: '2026-01-01T00:00:00Z' }));
  expect(state.sets.map(({ set }) => set)).toEqual(['core', 'edge']);
  expect(state.lastSeenCreatedAt).toBe('2026-06-01T00:00:00Z');
});

const entry = (release: string, previous?: string): Omit<HistoryEntry, 'serial'> => ({
  at: '2026-05-01T00:00:00Z',
  action: 'import',
  release,
  ...(previous === undefined ? {} : { previous }),
  by: 'ada@bench',
});

test('a change counts once the link follows it', () => {
  const state = [entry(a), entry(b, a)].reduce(withEntry, emptyState);
  expect(settledState(state, b)).toEqual(state);
  expect(settledState(state, a).history.map(({ release }) => release)).toEqual([a]);
  // The number is used up all the same.
  expect(settledState(state, a).serial).toBe(2);
});

test('a change that a moved link contradicts in another way is history all the same', () => {
  const state = [entry(a), entry(b, a)].reduce(withEntry, emptyState);
  expect(settledState(state, c).history).toHaveLength(2);
  expect(settledState(state, undefined).history).toHaveLength(2);
  const first = withEntry(emptyState, entry(a));
  expect(settledState(first, undefined)).toEqual(first);
  const adopted = withEntry(emptyState, { ...entry(a), action: 'adopt' });
  expect(settledState(adopted, undefined).history).toEqual([]);
});

test('kept releases prove a floor, those without a signature do not', () => {
  const release = (origin: Release['origin']): Release => ({
    type: 'plugferry.release/v1',
    id: a,
    createdAt: '2026-05-01T00:00:00Z',
    tool: 'test',
    origin,
    plugins: [],
  });
  const state = withReleases(emptyState, [
    release({ kind: 'adopted' }),
    release({ kind: 'import', bundle: seen() }),
    release({ kind: 'import', bundle: seen({ sequence: 1000 }), unsigned: true }),
  ]);
  expect(state.sets).toEqual([seen()]);
});

test('what could not be read back is not written', () => {
  const many = Array.from({ length: 1001 }, (_, index) =>
    seen({ set: `set-${String(index).padStart(4, '0')}` }),
  );
  const full = many.slice(0, 1000).reduce(withSeen, emptyState);
  expect(stateBytes(full).length).toBeGreaterThan(0);
  expect(() => stateBytes(withSeen(full, many[1000]!))).toThrow(expect.objectContaining({ code: 'E_LIMIT' }));
});

test('the history keeps the newest 500', () => {
  const state = Array.from({ length: 600 }, () => entry(a)).reduce(withEntry, emptyState);
  expect(state.history).toHaveLength(500);
  expect(state.history.at(-1)?.serial).toBe(600);
  expect(stateBytes(state).length).toBeGreaterThan(0);
});
