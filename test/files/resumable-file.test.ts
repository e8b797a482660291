import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { sha256Of } from '../../src/stream/digest.js';
import { sha256OfFile } from '../../src/files/digest-of-file.js';
import { ResumableFile } from '../../src/files/resumable-file.js';
import { failWith, watchFileSystem } from '../helpers/faults.mjs';
import { tempDir } from '../helpers/temp.js';
import { noise } from '../helpers/wasm.js';

const mega = 1024 * 1024;
const content = noise('resumable', 20 * mega);
const origin = { from: 'https://server.example/file', version: '"one"' };
const nothing = (): void => undefined;

async function* pieces(from: number, to: number, error?: Error): AsyncGenerator<Buffer> {
  for (let at = from; at < to; at += 300_000) yield content.subarray(at, Math.min(to, at + 300_000));
  if (error !== undefined) throw error;
}

const stream = (from: number, to: number, error?: Error): Readable =>
  Readable.from(pieces(from, to, error), { objectMode: false });

test('what came before a break stays, and the digest after it is that of the whole', async () => {
  const directory = await tempDir();
  const path = join(directory, 'file');
  const first = new ResumableFile(path);
  expect(await first.beginning(origin)).toEqual({ size: 0, version: undefined });
  await first.open(0, origin);
  const broken = first.fill(stream(0, 17 * mega, new Error('broken')), nothing);
  await expect(broken).rejects.toThrow('broken');
  await first.keep();
  expect(await sha256OfFile(`${path}.part`)).toBe(sha256Of(content.subarray(0, 17 * mega)));

  const second = new ResumableFile(path);
  const { size } = await second.beginning(origin);
  expect(size).toBe(17 * mega);
  await second.open(size, origin);
  let written = 0;
  await second.fill(stream(size, content.length), (bytes) => (written += bytes));
  expect(written).toBe(3 * mega);
  expect(await second.finish()).toBe(sha256Of(content));
  await second.publish(false);
  await second.keep();
  expect(await readdir(directory)).toEqual(['file']);
});

test('a disk that fails once while it takes the bytes is not believed when it says later that all is well', async () => {
  const directory = await tempDir();
  const file = new ResumableFile(join(directory, 'file'));
  await file.open(0, origin);
  let syncs = 0;
  const restore = await watchFileSystem((call) => {
    if (call.name !== 'handle.datasync' && call.name !== 'handle.sync') return undefined;
    syncs += 1;
    // Linux tells each failure to write back once (fsync(2)).
    return syncs === 1 ? failWith('EIO', call) : undefined;
  });
  onTestFinished(restore);
  await file.fill(stream(0, mega), nothing);
  await file.finish();
  await expect(file.publish(false)).rejects.toMatchObject({ code: 'E_IO' });
  await file.discard();
  expect(await readdir(directory)).toEqual([]);
});
