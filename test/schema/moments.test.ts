import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isMoment } from '../../src/schema/moment.js';
import { documentBytes, parseDocument } from '../../src/schema/parse.js';
import type { State } from '../../src/schema/state.js';

const schemas = join(import.meta.dirname, '../../schemas');

test.each([
  ['2036-02-29T23:59:59Z', true],
  ['0000-01-01T00:00:00Z', true],
  ['9999-12-31T23:59:59Z', true],
  ['2036-02-30T00:00:00Z', false],
  ['2035-02-29T00:00:00Z', false],
  ['1900-02-29T00:00:00Z', false],
  ['2036-01-01T24:00:00Z', false],
  ['2036-01-01T23:59:60Z', false],
  ['2036-01-01T00:00:00.000Z', false],
  ['2036-01-01T00:00:00', false],
  ['2036-01-01T00:00:00+00:00', false],
  ['2036-1-1T00:00:00Z', false],
  ['+012036-01-01T00:00:00Z', false],
  ['2036-01-01', false],
  ['', false],
])('%s is a time: %s', (text, expected) => {
  expect(isMoment(text)).toBe(expected);
  const state: State = {
    type: 'plugferry.state/v1',
    serial: 0,
    sets: [],
    history: [],
    lastSeenCreatedAt: text,
  };
  const read = () =>
    parseDocument('state', documentBytes(state), { file: 'state.json', code: 'E_RELEASE', hint: '' });
  if (expected) expect(read()).toEqual(state);
  else expect(read).toThrow(expect.objectContaining({ code: 'E_RELEASE' }) as Error);
});

/** Every object in a schema. */
const nodesOf = (node: unknown): Readonly<Record<string, unknown>>[] =>
  typeof node !== 'object' || node === null
    ? []
    : [node as Readonly<Record<string, unknown>>, ...Object.values(node).flatMap(nodesOf)];

test('every time in every format is checked so', () => {
  const files = readdirSync(schemas).filter((name) => name.endsWith('.schema.json'));
  const times = files
    .flatMap((name) => nodesOf(JSON.parse(readFileSync(join(schemas, name), 'utf8'))))
    .filter(({ pattern }) => typeof pattern === 'string' && pattern.includes('T\\d'));
  expect(times.length).toBeGreaterThanOrEqual(5);
  for (const time of times) expect(time).toMatchObject({ format: 'date-time' });
});
