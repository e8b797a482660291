import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { history } from '../../src/volume/history.js';
import { prune } from '../../src/volume/prune.js';
import { readVolume } from '../../src/volume/read.js';
import { rollback } from '../../src/volume/rollback.js';
import { tempDir } from '../helpers/temp.js';
import { expectClean, floorOf } from './invariants.js';
import { actor, importInto, plainTree, served } from './scene.js';

const version = (number: number) => ({
  plugins: { 'waf@1.0.0': `v${number}` },
  sequence: number,
  allowOverwrite: true,
});

async function threeReleases(): Promise<{ root: string; ids: string[] }> {
  const root = await tempDir();
  const ids: string[] = [];
  for (const number of [1, 2, 3]) ids.push((await importInto(root, version(number))).release.id);
  return { root, ids };
}

test('going back twice goes back two steps, and then there is nothing more', async () => {
  const { root } = await threeReleases();
  await rollback(root, {}, { actor });
  expect(await served(root, 'waf@1.0.0')).toBe('v2');
  await rollback(root, {}, { actor });
  expect(await served(root, 'waf@1.0.0')).toBe('v1');
  await expect(rollback(root, {}, { actor })).rejects.toMatchObject({
    code: 'E_NOT_FOUND',
    hint: expect.stringContaining('--to'),
  });
  expect(await served(root, 'waf@1.0.0')).toBe('v1');
  await expectClean(root);
});

test('after an import that followed a rollback, back is where that import came from', async () => {
  const { root } = await threeReleases();
  await rollback(root, {}, { actor });
  await rollback(root, {}, { actor });
  await importInto(root, version(4));
  await rollback(root, {}, { actor });
  expect(await served(root, 'waf@1.0.0')).toBe('v1');
});

test('a release that was pruned away is stepped over', async () => {
  const { root, ids } = await threeReleases();
  await rm(join(root, '.plugferry/releases', ids[1]!), { recursive: true });
  await rollback(root, {}, { actor });
  expect(await served(root, 'waf@1.0.0')).toBe('v1');
});

test('a release is named by the beginning of its id, also forwards', async () => {
  const { root, ids } = await threeReleases();
  await rollback(root, { to: ids[0]!.slice(0, 12) }, { actor });
  expect(await served(root, 'waf@1.0.0')).toBe('v1');
  const { outcome, previous } = await rollback(root, { to: ids[2]! }, { actor });
  expect([outcome, previous]).toEqual(['published', ids[0]]);
  expect((await rollback(root, { to: ids[2]! }, { actor })).outcome).toBe('unchanged');
});

test.each(['', 'a', '0000000', '../../etc', '.'])('no release is found under %j', async (to) => {
  const { root, ids } = await threeReleases();
  await expect(rollback(root, { to }, { actor })).rejects.toMatchObject({
    code: 'E_NOT_FOUND',
    details: { releases: ids.toSorted() },
  });
});

test('a rollback does not lower the floor', async () => {
  const { root } = await threeReleases();
  await rollback(root, {}, { actor });
  expect(await floorOf(root)).toBe(3);
});

test('what was adopted can be gone back to, with everything that was in it', async () => {
  const root = await tempDir();
  await plainTree(root, { 'waf@0.9.0': 'zero' });
  await writeFile(join(root, 'plugins/notes.txt'), 'by hand');
  await importInto(root, { plugins: { 'cors@1.0.0': 'one' }, mode: 'replace' });
  expect(await readdir(join(root, 'plugins'))).toEqual(['cors']);
  await rollback(root, {}, { actor });
  expect((await readdir(join(root, 'plugins'))).toSorted()).toEqual(['notes.txt', 'waf']);
  expect(await served(root, 'waf@0.9.0')).toBe('zero');
});

test('a release whose files are damaged is not gone back to', async () => {
  const { root, ids } = await threeReleases();
  const file = join(root, '.plugferry/releases', ids[1]!, 'plugins/waf/1.0.0/plugin.wasm');
  await writeFile(file, 'xx');
  await expect(rollback(root, {}, { actor })).rejects.toMatchObject({
    code: 'E_RELEASE',
    message: expect.stringContaining('waf@1.0.0'),
  });
  expect(await served(root, 'waf@1.0.0')).toBe('v3');
});

test('a rollback leads out of a current release that cannot be read', async () => {
  const { root, ids } = await threeReleases();
  await writeFile(join(root, '.plugferry/releases', ids[2]!, 'release.json'), '{}');
  await expect(readVolume(root)).rejects.toMatchObject({ code: 'E_RELEASE' });
  const refused = importInto(root, version(4));
  await expect(refused).rejects.toMatchObject({
    code: 'E_RELEASE',
    hint: expect.stringContaining('rollback'),
  });
  const { warnings } = await rollback(root, { to: ids[1]! }, { actor });
  expect(warnings.join()).toContain('damaged release');
  expect(await served(root, 'waf@1.0.0')).toBe('v2');
});

test.each([
  ['nothing', async () => undefined],
  ['a plain tree', (root: string) => plainTree(root, { 'waf@1.0.0': 'one' })],
])('%s has no releases, and is not made a volume by asking', async (_, prepare) => {
  const root = await tempDir();
  await prepare(root);
  const before = await readdir(root);
  await expect(rollback(root, {}, { actor })).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
  await expect(prune(root, { keep: 3 }, { actor })).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
  await expect(rollback(join(root, 'none'), {}, { actor })).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
  expect(await readdir(root)).toEqual(before);
});

test('history tells what was current when, by whom, and what can still be gone back to', async () => {
  const { root, ids } = await threeReleases();
  await rollback(root, {}, { actor });
  await prune(root, { keep: 2 }, { actor, clock: () => new Date(Date.now() + 2 * 3_600_000) });
  const { lines, unlisted } = await history(root);
  expect(
    lines.map(({ action, release, current, kept }) => [action, ids.indexOf(release), current, kept]),
  ).toEqual([
    ['rollback', 1, true, true],
    ['import', 2, false, true],
    ['import', 1, false, true],
    ['import', 0, false, false],
  ]);
  expect(lines[0]).toMatchObject({ by: 'ada@bench', previous: ids[2], plugins: 1 });
  expect(unlisted).toEqual([]);
});

test('a lost state is made again from the releases, loudly', async () => {
  const { root, ids } = await threeReleases();
  await rm(join(root, '.plugferry/state.json'));
  const { warnings } = await rollback(root, { to: ids[0]! }, { actor });
  expect(warnings.join()).toContain('state.json is missing');
  expect(await floorOf(root)).toBe(3);
  const { serial } = (await readVolume(root)).state;
  expect(serial).toBe(4);
});

test('a refusal is in the audit log, escaped, and changes no serial', async () => {
  const { root } = await threeReleases();
  await expect(rollback(root, { to: 'evil \u001b[2J\u202e\n' }, { actor })).rejects.toThrow();
  const text = await readFile(join(root, '.plugferry/audit.jsonl'), 'utf8');
  expect(text).toMatch(/^[\x20-\x7e\n]*$/);
  const lines = text.trimEnd().split('\n');
  expect(lines).toHaveLength(4);
  expect(JSON.parse(lines[3]!)).toMatchObject({
    serial: 3,
    action: 'rollback',
    result: 'refused',
    code: 'E_NOT_FOUND',
    user: 'ada',
    host: 'bench',
  });
});
