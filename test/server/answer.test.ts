import { expect, test } from 'vitest';
import { answerTo } from '../../src/server/answer.js';

const sha256 = 'ab'.repeat(32);
const etag = `"${sha256}"`;
const modified = Date.UTC(2026, 2, 1, 12, 0, 0);
const date = 'Sun, 01 Mar 2026 12:00:00 GMT';
const earlier = 'Sun, 01 Mar 2026 11:59:59 GMT';
const later = 'Sun, 01 Mar 2026 12:00:01 GMT';
const body = { type: 'application/wasm', size: 1000, sha256, modified };
const other = `"${'cd'.repeat(32)}"`;

const answer = (headers: Record<string, string>, method = 'GET') => answerTo({ method, headers }, body);

test('the whole file, with all that is known of it', () => {
  expect(answer({})).toEqual({
    status: 200,
    headers: {
      'Content-Type': 'application/wasm',
      'Content-Length': 1000,
      ETag: etag,
      'Last-Modified': date,
      'Accept-Ranges': 'bytes',
      'Cache-Control': 'no-cache',
      'Repr-Digest': `sha-256=:${Buffer.alloc(32, 0xab).toString('base64')}:`,
    },
    part: { start: 0, length: 1000 },
  });
});

test.each<[Record<string, string>, number]>([
  // If-None-Match: a list or *, compared weakly, before any date.
  [{ 'if-none-match': etag }, 304],
  [{ 'if-none-match': `W/${etag}` }, 304],
  [{ 'if-none-match': `${other}, ${etag}` }, 304],
  [{ 'if-none-match': `${other},W/${etag},${other}` }, 304],
  [{ 'if-none-match': `"a, b" , ${etag}` }, 304],
  [{ 'if-none-match': '*' }, 304],
  [{ 'if-none-match': other }, 200],
  [{ 'if-none-match': sha256 }, 200],
  [{ 'if-none-match': `"x${sha256}"` }, 200],
  [{ 'if-none-match': '' }, 200],
  [{ 'if-none-match': `"${'"'.repeat(5000)}` }, 200],
  [{ 'if-none-match': other, 'if-modified-since': date }, 200],
  [{ 'if-none-match': etag, 'cache-control': 'no-cache' }, 304],
  // If-Modified-Since: the very date.
  [{ 'if-modified-since': date }, 304],
  [{ 'if-modified-since': earlier }, 200],
  [{ 'if-modified-since': later }, 200],
  [{ 'if-modified-since': 'yesterday' }, 200],
  // If-Match: compared strongly, before If-Unmodified-Since and If-None-Match.
  [{ 'if-match': etag }, 200],
  [{ 'if-match': '*' }, 200],
  [{ 'if-match': `${other}, ${etag}` }, 200],
  [{ 'if-match': `W/${etag}` }, 412],
  [{ 'if-match': other }, 412],
  [{ 'if-match': '' }, 412],
  [{ 'if-match': other, 'if-none-match': etag }, 412],
  [{ 'if-match': etag, 'if-none-match': etag }, 304],
  [{ 'if-match': etag, 'if-unmodified-since': earlier }, 200],
  [{ 'if-unmodified-since': date }, 200],
  [{ 'if-unmodified-since': earlier }, 412],
  [{ 'if-unmodified-since': 'yesterday' }, 200],
  // Range, only behind a matching If-Range, and only after the conditions.
  [{ range: 'bytes=0-9' }, 206],
  [{ range: 'bytes=0-9', 'if-range': etag }, 206],
  [{ range: 'bytes=0-9', 'if-range': `W/${etag}` }, 200],
  [{ range: 'bytes=0-9', 'if-range': other }, 200],
  [{ range: 'bytes=0-9', 'if-range': `${other}, ${etag}` }, 200],
  [{ range: 'bytes=0-9', 'if-range': date }, 200],
  [{ range: 'bytes=0-9', 'if-none-match': etag }, 304],
  [{ range: 'bytes=0-9', 'if-match': other }, 412],
  [{ range: 'bytes=5000-' }, 416],
  [{ range: 'bytes=5000-', 'if-range': other }, 200],
  [{ range: 'bytes=0-9,20-29' }, 200],
])('%j: %d', (headers, status) => {
  expect(answer(headers).status).toBe(status);
});

test('a part says which one it is', () => {
  const { headers, part } = answer({ range: 'bytes=-100' });
  expect(part).toEqual({ start: 900, length: 100 });
  expect(headers).toMatchObject({
    'Content-Range': 'bytes 900-999/1000',
    'Content-Length': 100,
    ETag: etag,
    'Repr-Digest': expect.any(String) as string,
  });
});

test('HEAD knows no ranges, but conditions', () => {
  expect(answer({ range: 'bytes=0-9' }, 'HEAD')).toEqual(answer({}, 'HEAD'));
  expect(answer({ range: 'bytes=5000-' }, 'HEAD').status).toBe(200);
  expect(answer({ 'if-none-match': etag }, 'HEAD').status).toBe(304);
  expect(answer({ 'if-match': other }, 'HEAD').status).toBe(412);
});

test('an error carries nothing that describes the file', () => {
  expect(answer({ 'if-match': other })).toEqual({ status: 412, headers: {} });
  expect(answer({ range: 'bytes=5000-' })).toEqual({
    status: 416,
    headers: { 'Content-Range': 'bytes */1000' },
  });
});

test('304 carries what a cache needs and no more', () => {
  expect(answer({ 'if-none-match': etag })).toEqual({
    status: 304,
    headers: { ETag: etag, 'Cache-Control': 'no-cache' },
  });
});

test('a date that lies ahead is not sent', () => {
  const { headers } = answerTo({ method: 'GET', headers: {} }, { ...body, modified: Date.now() + 3_600_000 });
  expect(Date.parse(String(headers['Last-Modified']))).toBeLessThanOrEqual(Date.now());
});

test('a body without a date has no Last-Modified and ignores dates', () => {
  const page = { type: 'text/html', size: 10, sha256 };
  expect(answerTo({ method: 'GET', headers: {} }, page).headers).not.toHaveProperty('Last-Modified');
  for (const header of ['if-modified-since', 'if-unmodified-since']) {
    expect(answerTo({ method: 'GET', headers: { [header]: date } }, page).status).toBe(200);
  }
});
