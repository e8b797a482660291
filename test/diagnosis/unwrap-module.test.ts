import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { NoModule, unboxed, type Box } from '../../src/diagnosis/unwrap-module.js';
import { rawTar } from '../helpers/tar.js';
import { tinyModule } from '../helpers/wasm.js';

/** In pieces of a size that no header fits into. */
async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function open(bytes: Buffer, size = 7): Promise<{ module: Buffer; boxes: Box[] }> {
  const boxes: Box[] = [];
  const chunks: Buffer[] = [];
  for await (const chunk of unboxed(pieces(bytes, size), (box) => boxes.push(box))) chunks.push(chunk);
  return { module: Buffer.concat(chunks), boxes };
}

const module = tinyModule('x');
const tar = rawTar([
  { name: 'plugin.wasm', body: module },
  { name: 'other.wasm', body: tinyModule('other') },
]);

describe('a module', () => {
  test.each([
    ['bare', module, []],
    ['in gzip', gzipSync(module), ['gzip']],
    ['in tar, as its first file', tar, ['tar']],
    ['in tar.gz', gzipSync(tar), ['gzip', 'tar']],
    ['in gzip twice', gzipSync(gzipSync(module)), ['gzip', 'gzip']],
    [
      'behind a pax header',
      rawTar([
        { name: 'PaxHeader', type: 'x', body: Buffer.from('20 comment=something\n') },
        { name: 'a', body: module },
      ]),
      ['tar'],
    ],
  ])('%s is found, in pieces of any size', async (_what, bytes, boxes) => {
    for (const size of [1, 7, 512, 100_000]) expect(await open(bytes, size)).toEqual({ module, boxes });
  });
});

test.each([
  ['nothing', Buffer.alloc(0), 'nothing at all'],
  ['a page', Buffer.from('<html>404</html>'), '<html>'],
  ['a magic alone', module.subarray(0, 4), 'shorter than 8'],
  ['an empty archive', Buffer.from(gzipSync(Buffer.alloc(0))), 'nothing at all'],
  ['a cut archive', tar.subarray(0, 520), 'in the middle'],
  [
    'boxes without an end',
    [1, 2, 3, 4, 5, 6].reduce((bytes) => gzipSync(bytes), module),
    'more than 4 boxes',
  ],
])('%s is none', async (_what, bytes, says) => {
  const error: unknown = await open(bytes).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(NoModule);
  expect(String(error)).toContain(says);
});

test('damaged gzip is an error, not a hang', async () => {
  const bytes = gzipSync(module);
  await expect(open(bytes.subarray(0, bytes.length - 9))).rejects.toThrow('unexpected end of file');
});
