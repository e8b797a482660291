import { expect, test } from 'vitest';
import { rangeOf } from '../../src/server/range.js';

const size = 1000;

test.each([
  ['bytes=0-0', 0, 1],
  ['bytes=0-99', 0, 100],
  ['bytes=500-', 500, 500],
  ['bytes=999-', 999, 1],
  ['bytes=-1', 999, 1],
  ['bytes=-1000', 0, 1000],
  ['bytes=-1001', 0, 1000],
  ['bytes=900-5000', 900, 100],
  ['bytes=900-99999999999999999999', 900, 100],
  ['bytes=-99999999999999999999', 0, 1000],
  ['BYTES=0-9', 0, 10],
  ['bytes= 0-9 ', 0, 10],
  ['bytes=007-9', 7, 3],
])('%s is %d and %d more', (header, start, length) => {
  expect(rangeOf(header, size)).toEqual({ start, length });
});

test.each([
  'bytes=1000-',
  'bytes=1000-1001',
  'bytes=99999999999999999999-',
  'bytes=99999999999999999998-99999999999999999999',
  'bytes=-0',
  'bytes=9-5',
  'bytes=-',
  'bytes=',
  'bytes=a-b',
  'bytes=1x-5',
  'bytes=--5',
  'bytes=0x1-0x5',
  'bytes=1e2-',
  'bytes=0 - 9',
  'bytes=0-9-10',
])('%s cannot be satisfied', (header) => {
  expect(rangeOf(header, size)).toBe('unsatisfiable');
});

test.each([
  'bytes=0-0,5-9',
  'bytes=0-,0-,0-',
  'bytes=0-9,',
  `bytes=${'0-,'.repeat(5000)}0-`,
  'items=0-9',
  'bytes 0-9',
  '0-9',
  '',
])('%s is ignored', (header) => {
  expect(rangeOf(header, size)).toBe('whole');
});

test('an empty body has no parts', () => {
  expect(rangeOf('bytes=0-', 0)).toBe('whole');
  expect(rangeOf('bytes=-5', 0)).toBe('whole');
});
