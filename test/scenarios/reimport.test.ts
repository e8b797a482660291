import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { bundleParts, put, tarGz } from '../helpers/bundle.js';
import { cli, type CliRun } from '../helpers/cli.js';
import { testKey, type TestKey } from '../helpers/keys.js';
import { startStore } from '../helpers/store.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import type { RawEntry } from '../helpers/tar.js';
import { rawZip, zipEntries } from '../helpers/zip.js';

let top: string;
let volume: string;
let dev: TestKey;
let pub: string;
beforeEach(async () => {
  top = await tempDir();
  volume = join(top, 'volume');
  dev = await testKey('dev');
  ({ pub } = await dev.writeTo(top));
});

const imported = (...bundle: string[]): Promise<CliRun> =>
  cli(['import', ...bundle, '--to', volume, '--public-key', pub, '--json']);

const firstPayload = (entries: readonly RawEntry[]): number =>
  entries.findIndex(({ name = '' }) => name.startsWith('plugins/'));
const changed = (entries: readonly RawEntry[]): RawEntry[] =>
  entries.map((entry, index) =>
    index === entries.findLastIndex(({ body }) => body !== undefined)
      ? { ...entry, body: Buffer.from(entry.body!).fill(7, 10) }
      : entry,
  );
const canary: RawEntry = { name: '../../canary', body: Buffer.from('canary') };
const withCanary = (entries: readonly RawEntry[]): RawEntry[] =>
  entries.toSpliced(firstPayload(entries), 0, canary);

/** Damaged copies of the bundle that the volume has already. */
const damages: Record<string, (entries: readonly RawEntry[]) => Buffer> = {
  'a tar.gz without its last 100 bytes': (entries) => tarGz(entries).subarray(0, -100),
  'a tar.gz that ends behind its manifest': (entries) => tarGz(entries.slice(0, firstPayload(entries))),
  'a tar.gz with another payload': (entries) => tarGz(changed(entries)),
  'a tar.gz with ../../canary in front of its payload': (entries) => tarGz(withCanary(entries)),
  'a tar.gz with ../../canary behind its payload': (entries) => tarGz([...entries, canary]),
  'a tar.gz without its last file': (entries) => tarGz(entries.slice(0, -1)),
  'a tar.gz with junk behind it': (entries) => Buffer.concat([tarGz(entries), Buffer.from('junk')]),
  'a zip without its last 100 bytes': (entries) => rawZip(zipEntries(entries)).subarray(0, -100),
  'a zip with another payload': (entries) => rawZip(zipEntries(changed(entries))),
  'a zip with ../../canary': (entries) => rawZip(zipEntries(withCanary(entries))),
  'a zip with junk behind it': (entries) => Buffer.concat([rawZip(zipEntries(entries)), Buffer.from('junk')]),
};

describe.each(Object.keys(damages))('%s', (name) => {
  test('is refused also where the volume holds all of the bundle already', async () => {
    const { entries } = bundleParts([dev]);
    expect((await imported(await put(top, 'good.tar.gz', tarGz(entries)))).code).toBe(0);
    const before = await treeOf(join(volume, '.plugferry/releases'));
    const bad = await put(top, 'bad', damages[name]!(entries));
    const run = await imported(bad);
    expect(run.code, run.stdout).toBe(3);
    expect(run.stdout).not.toContain('unchanged');
    expect(await treeOf(join(volume, '.plugferry/releases'))).toEqual(before);
    expect(await readdir(join(volume, '.plugferry/staging'))).toEqual([]);
    // The same for a part of it, of which nothing is new either.
    expect((await imported(bad, '--plugin', 'key-auth')).code).toBe(3);
    expect(
      (await cli(['serve', '--import', bad, '--volume', volume, '--public-key', pub, '--port', '0'])).code,
    ).toBe(3);
  });
});

test.each(['short', 'changed', 'canary'])('a copy on a web server that is %s is refused', async (how) => {
  const { entries } = bundleParts([dev]);
  const web = await startStore();
  web.files.set('/good.tar.gz', tarGz(entries));
  const bad = {
    short: tarGz(entries).subarray(0, -100),
    changed: tarGz(changed(entries)),
    canary: tarGz(withCanary(entries)),
  };
  web.files.set('/bad.tar.gz', bad[how as keyof typeof bad]);
  expect((await imported(`${web.url}/good.tar.gz`)).code).toBe(0);
  const run = await imported(`${web.url}/bad.tar.gz`);
  expect(run.code, run.stdout).toBe(3);
});

test('damaged parts of a bundle that the volume holds are refused where verify refuses them', async () => {
  const { entries } = bundleParts([dev]);
  const good = await put(top, 'good.tar.gz', tarGz(entries));
  expect((await imported(good)).code).toBe(0);
  const split = await cli(['split', good, '--split-size', '1M', '--parity', '0', '--json']);
  expect(split.code, split.stdout).toBe(0);
  const part = await readFile(`${good}.part001`);
  const bundle = await readFile(good);
  const start = part.indexOf(bundle.subarray(0, 64));
  expect(start).toBeGreaterThan(0);
  // In the head, in the middle of a module, and in the last bytes of the bundle, behind all that the volume could want.
  for (const at of [20, Math.floor(bundle.length / 2), bundle.length - 4]) {
    const bytes = Buffer.from(part);
    bytes[start + at] = bytes[start + at]! ^ 0xff;
    const bad = await put(top, 'bad.part001', bytes);
    const run = await imported(bad);
    expect(run.code, `byte ${at}: ${run.stdout}`).toBe(3);
    expect((await cli(['verify', bad, '--public-key', pub])).code).toBe(3);
  }
  expect(JSON.parse((await imported(`${good}.part001`)).stdout)).toMatchObject({ outcome: 'unchanged' });
});

test('an undamaged copy is still unchanged', async () => {
  const { entries } = bundleParts([dev]);
  const good = await put(top, 'good.tar.gz', tarGz(entries));
  expect((await imported(good)).code).toBe(0);
  const run = await imported(good);
  expect(run.code).toBe(0);
  expect(JSON.parse(run.stdout)).toMatchObject({ outcome: 'unchanged' });
});
