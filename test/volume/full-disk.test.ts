import { mkdir, statfs, truncate, writeFile, rm, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { isPlugferryError } from '../../src/errors.js';
import { changeVolume } from '../../src/volume/change.js';
import { checkVolume } from '../../src/volume/check.js';
import { prune } from '../../src/volume/prune.js';
import { readVolume } from '../../src/volume/read.js';
import { rollback } from '../../src/volume/rollback.js';
import { watchFileSystem } from '../helpers/faults.mjs';
import { expectClean, servedBy } from './invariants.js';
import { canMount, mounted, remount } from './mount.js';
import { actor, arrive, importInto, type Plugins } from './scene.js';

const later = { actor, clock: () => new Date(Date.now() + 2 * 3_600_000) };
const old: Plugins = { 'waf@1.0.0': 'one' };
const next: Plugins = { ...old, 'cors@1.0.0': 'c'.repeat(10_000), 'key-auth@1.0.0': 'k'.repeat(5_000) };
const arrival = { plugins: next, sequence: 2 };

let restore: (() => void) | undefined;
afterEach(() => {
  restore?.();
  restore = undefined;
});

/** Makes the early look at the free space see plenty, so that the disk really fills up. */
async function hideShortage(): Promise<void> {
  restore = await watchFileSystem(({ name }) => {
    if (name !== 'statfs') return undefined;
    return (result) => Object.assign(result as object, { bavail: 1e9, ffree: 1e9 });
  });
}

const outcomeOf = (change: Promise<unknown>): Promise<string> =>
  change.then(
    () => 'published',
    (error: unknown) => (isPlugferryError(error) ? error.code : String(error)),
  );

/** Leaves `bytes` free by means of a file beside the volume. */
async function leaveFree(mount: string, bytes: number): Promise<string> {
  const ballast = join(mount, 'ballast');
  await writeFile(ballast, '');
  const { bfree, bsize } = await statfs(mount);
  await writeFile(ballast, Buffer.alloc(Math.max(0, bfree * bsize - bytes)));
  return ballast;
}

test.skipIf(!canMount)(
  'on a disk that fills up at any point of an import the old release stays',
  async () => {
    const mount = await mounted('size=1m,nr_inodes=2000');
    const root = join(mount, 'volume');
    await mkdir(root);
    await importInto(root, { plugins: old });
    const outcomes: string[] = [];
    for (let pages = 0; outcomes.at(-1) !== 'published'; pages += 1) {
      const ballast = await leaveFree(mount, pages * 4096);
      await hideShortage();
      const outcome = await outcomeOf(importInto(root, arrival));
      restore?.();
      outcomes.push(outcome);
      expect(await servedBy(root)).toEqual(outcome === 'published' ? next : old);
      await rm(ballast);
      if (outcome !== 'published') {
        expect(await readdir(join(root, '.plugferry/staging')).catch(() => [])).toEqual([]);
      }
    }
    expect(outcomes.length).toBeGreaterThan(8);
    expect(new Set(outcomes)).toEqual(new Set(['E_NO_SPACE', 'published']));
    await importInto(root, arrival);
    await expectClean(root);
  },
);

test.skipIf(!canMount)(
  'on a disk that runs out of inodes at any point of an import the old release stays',
  async () => {
    const mount = await mounted('size=1m,nr_inodes=40');
    const root = join(mount, 'volume');
    await mkdir(root);
    await importInto(root, { plugins: old });
    const { files, ffree } = await statfs(mount);
    const used = files - ffree;
    const outcomes: string[] = [];
    for (let free = 0; outcomes.at(-1) !== 'published'; free += 1) {
      remount(mount, `nr_inodes=${used + free}`);
      await hideShortage();
      const outcome = await outcomeOf(importInto(root, arrival));
      restore?.();
      outcomes.push(outcome);
      expect(await servedBy(root)).toEqual(outcome === 'published' ? next : old);
    }
    expect(outcomes.length).toBeGreaterThan(8);
    expect(new Set(outcomes)).toEqual(new Set(['E_NO_SPACE', 'published']));
    remount(mount, 'nr_inodes=500');
    await importInto(root, arrival);
    await expectClean(root);
  },
);

test.skipIf(!canMount)('too little room is seen before anything is written, with need and have', async () => {
  const mount = await mounted('size=256k,nr_inodes=500');
  const root = join(mount, 'volume');
  const large = { plugins: { 'waf@2.0.0': 'x'.repeat(300_000) }, sequence: 2 };
  await importInto(root, { plugins: old });
  await changeVolume(root, { actor }, async (change) => {
    await expect(arrive(change, large)).rejects.toMatchObject({
      code: 'E_NO_SPACE',
      message: expect.stringMatching(/needs [\d.]+ KiB \(\d+ bytes\), has [\d.]+ KiB \(\d+ bytes\) free/),
    });
  });
  remount(mount, 'nr_inodes=45');
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`p${index}@1`, String(index)]));
  await expect(importInto(root, { plugins: many, sequence: 2 })).rejects.toMatchObject({
    code: 'E_NO_SPACE',
    message: expect.stringContaining('inodes'),
  });
  expect(await servedBy(root)).toEqual(old);
  await expectClean(root);
});

test.skipIf(!canMount)('on a disk that an import filled, rollback and prune still work', async () => {
  const mount = await mounted('size=512k,nr_inodes=2000');
  const root = join(mount, 'volume');
  await mkdir(root);
  await importInto(root, { plugins: old });
  await importInto(root, arrival);
  const ballast = await leaveFree(mount, 16 * 4096);
  await hideShortage();
  const large = { plugins: { 'waf@2.0.0': 'x'.repeat(100_000) }, sequence: 3 };
  await expect(importInto(root, large)).rejects.toMatchObject({ code: 'E_NO_SPACE' });
  restore?.();
  await rollback(root, {}, { actor });
  expect(await servedBy(root)).toEqual(old);
  await prune(root, { keep: 1 }, later);
  await truncate(ballast, 0);
  await expectClean(root);
});

test.skipIf(!canMount)(
  'a volume that is mounted read-only can be read and checked, and is not changed',
  async () => {
    const root = await mounted('size=1m');
    await importInto(root, { plugins: old });
    remount(root, 'ro');
    expect((await readVolume(root)).current?.plugins).toHaveLength(1);
    expect((await checkVolume(root)).findings).toEqual([]);
    await expect(importInto(root, arrival)).rejects.toMatchObject({
      code: 'E_IO',
      hint: expect.stringContaining('read-only'),
    });
    await expect(rollback(root, {}, { actor })).rejects.toMatchObject({ code: 'E_IO' });
    remount(root, 'rw');
    expect(await servedBy(root)).toEqual(old);
  },
);
