import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sha256Of } from '../../src/stream/digest.js';
import { CurrentIndex, type OpenFile } from '../../src/server/current-index.js';
import { indexOf } from '../../src/server/index-of.js';
import { moduleBytes, plainTree } from './trees.js';

const patient = AbortSignal.any([]);
const path = '/plugins/a/1.0.0/plugin.wasm';

async function opened(current: CurrentIndex): Promise<OpenFile> {
  const found = await current.open(path);
  if (found === undefined || 'refused' in found) throw new Error('expected an open file', { cause: found });
  await found.handle.close();
  return found;
}

async function currentOf(bytes: Buffer): Promise<{ current: CurrentIndex; file: string }> {
  const root = await plainTree({ 'a/1.0.0': { 'plugin.wasm': bytes } });
  const current = new CurrentIndex(patient);
  current.replace(await indexOf(root, patient));
  return { current, file: join(root, path) };
}

test('however many ask for a changed file, it is read once', async () => {
  const { current, file } = await currentOf(moduleBytes(1000, 'old'));
  await writeFile(file, moduleBytes(2_000_000, 'new'));
  const all = await Promise.all(Array.from({ length: 20 }, () => opened(current)));
  expect(new Set(all.map((one) => one.file)).size).toBe(1);
  expect(all[0]?.file.digest.sha256).toBe(sha256Of(moduleBytes(2_000_000, 'new')));
});

test('two changes within one tick of the clock are told apart', async () => {
  const { current, file } = await currentOf(moduleBytes(100, 'start'));
  for (let i = 0; i < 60; i += 1) {
    await writeFile(file, moduleBytes(100, `a${i}`));
    await opened(current);
    // At once, in place, and of the same length.
    const handle = await open(file, 'r+');
    await handle.write(moduleBytes(100, `b${i}`));
    await handle.close();
    const found = await opened(current);
    expect(found.file.digest.sha256).toBe(sha256Of(await readFile(file)));
  }
});

test('an index that came meanwhile is not changed by what was found for the old one', async () => {
  const { current, file } = await currentOf(moduleBytes(1000, 'old'));
  await writeFile(file, moduleBytes(2_000_000, 'new'));
  const opening = opened(current);
  const next = await indexOf(await plainTree(), patient);
  current.replace(next);
  await opening;
  expect(current.index).toBe(next);
});

test('a path that is not in the index is not looked for', async () => {
  const { current } = await currentOf(moduleBytes(100, 'a'));
  expect(await current.open('/etc/passwd')).toBeUndefined();
  expect(await new CurrentIndex(patient).open(path)).toBeUndefined();
});

test('when the server stops nothing is read again', async () => {
  const root = await plainTree({ 'a/1.0.0': { 'plugin.wasm': moduleBytes(1000, 'a') } });
  const stop = new AbortController();
  const current = new CurrentIndex(stop.signal);
  current.replace(await indexOf(root, patient));
  await writeFile(join(root, path), moduleBytes(1000, 'b'));
  stop.abort();
  expect(await current.open(path)).toEqual({ refused: 'not read any more: the server stops' });
});
