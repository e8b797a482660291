import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { prune } from '../../src/volume/prune.js';
import { rollback } from '../../src/volume/rollback.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { expectClean, servedBy } from './invariants.js';
import { actor, importInto } from './scene.js';

const hour = 3_600_000;
const at = (hours: number) => ({ actor, clock: () => new Date(Date.UTC(2026, 0, 1) + hours * hour) });

/** Four releases an hour and a half apart, of which the third shares its module with the second. */
async function fourReleases(): Promise<{ root: string; ids: string[] }> {
  const root = await tempDir();
  const ids: string[] = [];
  const modules = ['one', 'two', 'two', 'four'];
  for (const [index, module] of modules.entries()) {
    const plugins = { [`waf@1.${index}.0`]: module };
    const arrival = { plugins, sequence: index + 1, mode: 'replace' as const, options: at(index * 1.5) };
    ids.push((await importInto(root, arrival)).release.id);
  }
  return { root, ids };
}

test('keeps the current and the newest releases and every byte that they use', async () => {
  const { root, ids } = await fourReleases();
  const pruned = await prune(root, { keep: 2 }, at(100));
  expect(pruned.releases.map(({ id, fate }) => [ids.indexOf(id), fate])).toEqual([
    [3, 'current'],
    [2, 'newest'],
    [1, 'removed'],
    [0, 'removed'],
  ]);
  expect(pruned).toMatchObject({ files: 1, bytes: 3, dryRun: false });
  expect(await readdir(join(root, '.plugferry/releases'))).toHaveLength(2);
  await expectClean(root);
  await rollback(root, {}, at(100));
  expect(await servedBy(root)).toEqual({ 'waf@1.2.0': 'two' });
});

test('a dry run says the same and does nothing', async () => {
  const { root } = await fourReleases();
  const before = await treeOf(join(root, '.plugferry'));
  const planned = await prune(root, { keep: 1, dryRun: true }, at(100));
  expect(await treeOf(join(root, '.plugferry'))).toEqual(before);
  const done = await prune(root, { keep: 1 }, at(100));
  expect({ ...done, dryRun: true }).toEqual(planned);
});

test('what was current within the hour stays, for readers that are still at it', async () => {
  const { root, ids } = await fourReleases();
  const pruned = await prune(root, { keep: 1 }, at(5));
  expect(pruned.releases.find(({ id }) => id === ids[2])?.fate).toBe('in use within the hour');
  expect(await readdir(join(root, '.plugferry/releases'))).toHaveLength(2);
});

test('an old release that a rollback made current stays', async () => {
  const { root, ids } = await fourReleases();
  await rollback(root, { to: ids[0]! }, at(50));
  await prune(root, { keep: 1 }, at(100));
  expect(await servedBy(root)).toEqual({ 'waf@1.0.0': 'one' });
  await expectClean(root);
});

test.each([0, -1, 1.5, Number.NaN])('keeping %d releases is refused', async (keep) => {
  const { root } = await fourReleases();
  await expect(prune(root, { keep }, at(100))).rejects.toMatchObject({ code: 'E_USAGE' });
});

test('while a release is damaged no bytes go, because nobody knows what it uses', async () => {
  const { root, ids } = await fourReleases();
  await writeFile(join(root, '.plugferry/releases', ids[1]!, 'release.json'), 'damaged');
  const pruned = await prune(root, { keep: 1 }, at(100));
  expect(pruned).toMatchObject({ files: 0, bytes: 0 });
  expect(pruned.warnings.join()).toContain('damaged release');
  expect(await readdir(join(root, '.plugferry/blobs/sha256'))).toHaveLength(4);
  expect((await stat(join(root, '.plugferry/releases', ids[1]!))).isDirectory()).toBe(true);
});
