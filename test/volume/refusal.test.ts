import { appendFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { exportBundle } from '../../src/index.js';
import { digestOf } from '../../src/stream/digest.js';
import { releaseId } from '../../src/release/release.js';
import { changeVolume } from '../../src/volume/change.js';
import { readVolume } from '../../src/volume/read.js';
import { bundleParts, put, tarGz } from '../helpers/bundle.js';
import { cli, errorCode, finished, start, type CliRun } from '../helpers/cli.js';
import { failWith, watchFileSystem } from '../helpers/faults.mjs';
import { testKey, type TestKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { actor, arrive, importInto } from './scene.js';

let top: string;
let volume: string;
let dev: TestKey;
let pub: string;
let first: string;
let second: string;
beforeEach(async () => {
  top = await tempDir();
  volume = join(top, 'volume');
  dev = await testKey('dev');
  ({ pub } = await dev.writeTo(top));
  const make = async (name: string, plugins: Readonly<Record<string, string>>, sequence: number) => {
    const source = await tinyTree(join(top, name), plugins);
    await exportBundle({ source, output: join(top, `${name}.tar.gz`), signer: dev, sequence });
    return join(top, `${name}.tar.gz`);
  };
  first = await make('first', { 'waf@1.0.0': 'a' }, 1);
  second = await make('second', { 'jwt@1.0.0': 'b', 'cors@1.0.0': 'c' }, 2);
});

const control = (...names: string[]): string => join(volume, '.plugferry', ...names);
const imported = (bundle: string, ...more: string[]): Promise<CliRun> =>
  cli(['import', bundle, '--to', volume, '--public-key', pub, '--json', ...more]);
const blobs = async (): Promise<string[]> =>
  (await readdir(control('blobs/sha256')).catch(() => [])).toSorted();
const staged = (): Promise<string[]> => readdir(control('staging')).catch(() => []);
const releases = async (): Promise<string[]> => (await readdir(control('releases'))).toSorted();

/** Runs what must fail, and sees that nothing of it is left. */
async function expectNothingLeft(work: () => Promise<unknown>): Promise<void> {
  const [stored, made] = [await blobs(), await releases()];
  await work();
  expect(await blobs()).toEqual(stored);
  expect(await releases()).toEqual(made);
  expect(await staged()).toEqual([]);
}

/** The id that a volume with the first bundle has once the second one is in, too. */
async function nextId(): Promise<string> {
  const there = join(top, 'elsewhere');
  for (const bundle of [first, second])
    expect((await cli(['import', bundle, '--to', there, '--public-key', pub])).code).toBe(0);
  return releaseId((await readVolume(there)).current!.plugins);
}

test.each([
  [
    'a forged release stands in its place',
    async (id: string) => {
      await mkdir(control('releases', id, 'plugins'), { recursive: true });
      await writeFile(control('releases', id, 'release.json'), '{"type":"plugferry.release/v1"}\n');
    },
  ],
  [
    'a release without its description stands in its place',
    async (id: string) => {
      await mkdir(control('releases', id, 'plugins'), { recursive: true });
    },
  ],
])('an import that is refused because %s leaves no bytes behind', async (_, forge) => {
  await imported(first);
  await forge(await nextId());
  await expectNothingLeft(async () => {
    const run = await imported(second);
    expect([run.code, errorCode(run)], run.stdout).toEqual([3, 'E_RELEASE']);
  });
});

test('an import whose carried-on bytes are damaged leaves none of the new ones', async () => {
  await imported(first);
  await writeFile(join(volume, 'plugins/waf/1.0.0/plugin.wasm'), 'other');
  await expectNothingLeft(async () => {
    expect((await imported(second)).code).toBe(3);
  });
});

test.each([
  ['a tar.gz whose last module is damaged', 'tar'],
  ['a tar.gz that is cut short', 'short'],
  ['a tar.gz with something behind its end', 'long'],
])('%s leaves no bytes behind', async (_, how) => {
  await imported(first);
  const parts = bundleParts([dev], [{ name: 'other', version: '1.0.0' }]);
  const last = parts.entries.findLastIndex(({ body }) => body !== undefined);
  const entries = parts.entries.map((entry, index) =>
    index === last && how === 'tar' ? { ...entry, body: Buffer.from(entry.body!).fill(1, 20) } : entry,
  );
  const whole = tarGz(entries);
  const file = await put(top, 'bad.tar.gz', how === 'short' ? whole.subarray(0, -40) : whole);
  if (how === 'long') await appendFile(file, 'junk');
  await expectNothingLeft(async () => {
    expect((await imported(file)).code).toBe(3);
  });
});

test('bytes that were in the store before stay when an import that brought them anew is refused', async () => {
  await imported(first);
  const id = await nextId();
  await mkdir(control('releases', id, 'plugins'), { recursive: true });
  const stored = await blobs();
  const both = join(top, 'both.tar.gz');
  const source = await tinyTree(join(top, 'both'), { 'waf@1.0.0': 'a', 'jwt@1.0.0': 'b', 'cors@1.0.0': 'c' });
  await exportBundle({ source, output: both, signer: dev, sequence: 3 });
  // Damaged, so that the bundle brings it once more.
  const wasm = await readFile(join(volume, 'plugins/waf/1.0.0/plugin.wasm'));
  const { sha256 } = digestOf(wasm);
  await writeFile(control('blobs/sha256', sha256), 'other');
  await expectNothingLeft(async () => {
    expect((await imported(both)).code).toBe(3);
  });
  expect(await blobs()).toEqual(stored);
});

test.each(['ENOSPC', 'EIO'])(
  '%s at any change of an import that is then refused leaves no bytes behind',
  async (errno) => {
    const root = join(top, 'swept');
    await importInto(root, { plugins: { 'waf@1.0.0': 'old' } });
    const here = join(root, '.plugferry');
    const blobsBefore = (await readdir(join(here, 'blobs/sha256'))).toSorted();
    const releasesBefore = await readdir(join(here, 'releases'));
    let refusals = 0;
    for (let step = 0, more = true; more; step += 1) {
      more = false;
      let state = '';
      const restore = await watchFileSystem((call) => {
        if (call.change !== step) return undefined;
        more = true;
        return failWith(errno, call);
      });
      const failed = await importInto(root, { plugins: { 'jwt@1.0.0': 'new' }, sequence: 2 }).then(
        () => false,
        () => true,
      );
      restore();
      state = await readFile(join(here, 'state.json'), 'utf8');
      // Once the state says that it is to be current, the next run decides.
      if (!failed || state.includes('"serial": 2')) break;
      refusals += 1;
      expect((await readdir(join(here, 'blobs/sha256'))).toSorted(), `step ${step}`).toEqual(blobsBefore);
      expect(await readdir(join(here, 'releases')), `step ${step}`).toEqual(releasesBefore);
      await rm(join(here, 'staging'), { recursive: true, force: true });
    }
    expect(refusals).toBeGreaterThan(20);
  },
);

test('a change that is stopped when its bytes are in the store takes them out again', async () => {
  await importInto(volume, { plugins: { 'waf@1.0.0': 'old' } });
  const stop = new AbortController();
  await expectNothingLeft(async () => {
    const restore = await watchFileSystem(({ name, args }) => {
      if (name === 'rename' && String(args[1]).includes('/blobs/sha256/')) stop.abort(new Error('stopped'));
      return undefined;
    });
    const stopped = changeVolume(volume, { actor, signal: stop.signal }, (change) =>
      arrive(change, { plugins: { 'jwt@1.0.0': 'new' }, sequence: 2 }),
    );
    await expect(stopped).rejects.toThrow();
    restore();
  });
});

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s in the middle of an import leaves no bytes behind',
  async (signal) => {
    await imported(first);
    const bytes = await readFile(second);
    await expectNothingLeft(async () => {
      const child = start(['import', '-', '--to', volume, '--public-key', pub, '--json']);
      // All but the end: the modules are being staged, and the rest never comes.
      child.stdin?.write(bytes.subarray(0, -30));
      await expect.poll(staged).not.toEqual([]);
      child.kill(signal);
      const run = await finished(child);
      expect(run.code, run.stdout + run.stderr).toBe(signal === 'SIGINT' ? 130 : 143);
    });
    expect((await stat(volume)).isDirectory()).toBe(true);
  },
);

test('what a refused import of a volume that was not there leaves is empty', async () => {
  const parts = bundleParts([dev]);
  const file = await put(top, 'cut.tar.gz', tarGz(parts.entries).subarray(0, -60));
  const run = await imported(file);
  expect(run.code).toBe(3);
  expect(await blobs()).toEqual([]);
  expect(await staged()).toEqual([]);
});
