import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { sha256Of } from '../../src/stream/digest.js';
import { TrailingHash } from '../../src/files/background-hash.js';
import { tempDir } from '../helpers/temp.js';
import { noise } from '../helpers/wasm.js';

const mega = 1024 * 1024;
const content = noise('trailing', 40 * mega);

async function scene(bytes: Buffer = Buffer.alloc(0)) {
  const path = join(await tempDir(), 'file');
  await writeFile(path, bytes);
  const handle = await open(path, 'r+');
  const hash = new TrailingHash(handle);
  onTestFinished(async () => {
    await hash.close();
    await handle.close();
  });
  return { handle, hash };
}

test.each([
  ['an empty file', 0, mega],
  ['a small one', 100_000, 30_000],
  ['one that is just large enough for a thread', 16 * mega, 16 * mega],
  ['a large one', content.length, mega + 1],
])('%s: the digest is that of the file as it grew', async (_what, size, step) => {
  const { handle, hash } = await scene();
  for (let at = 0; at < size; at += step) {
    const end = Math.min(size, at + step);
    await handle.write(content, at, end - at, at);
    hash.grown(end);
  }
  expect(await hash.digest(size)).toBe(sha256Of(content.subarray(0, size)));
});

test('what counts is what stands in the file, up to where it was asked for', async () => {
  const { hash } = await scene(content);
  expect(await hash.digest(20 * mega)).toBe(sha256Of(content.subarray(0, 20 * mega)));
});

test.each([
  ['here', 100_000],
  ['on a thread', content.length],
])('a file that became shorter has no digest: %s', async (_where, size) => {
  const { handle, hash } = await scene(content.subarray(0, size));
  await handle.truncate(size - 1);
  hash.grown(size);
  await expect(hash.digest(size)).rejects.toThrow('became shorter');
});

test('a file that cannot be read has no digest', async () => {
  const { hash } = await scene(content);
  const unreadable = await open(join(await tempDir(), 'other'), 'w');
  const other = new TrailingHash(unreadable);
  other.grown(content.length);
  await expect(other.digest(content.length)).rejects.toThrow('EBADF');
  await other.close();
  await unreadable.close();
  expect(await hash.digest(1)).toBe(sha256Of(content.subarray(0, 1)));
});

test('closing ends a thread that is not done, and a digest asked for then is none', async () => {
  const { hash } = await scene(content);
  hash.grown(content.length);
  const digest = hash.digest(content.length);
  digest.catch(() => undefined);
  await hash.close();
  await digest.then(
    (found) => {
      // It may just have been done.
      expect(found).toBe(sha256Of(content));
    },
    (error: unknown) => {
      expect(String(error)).toContain('the hashing thread ended');
    },
  );
});
