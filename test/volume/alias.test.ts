import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { alias } from '../../src/volume/alias.js';
import { history } from '../../src/volume/history.js';
import { rollback } from '../../src/volume/rollback.js';
import { tempDir } from '../helpers/temp.js';
import { expectClean, servedBy } from './invariants.js';
import { actor, importInto, plainTree, served } from './scene.js';

const asked = { name: 'key-auth', version: '2.0.0', existing: '1.0.0' };

test('serves the same file under one more version, marked, and undone by a rollback', async () => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'key-auth@1.0.0': 'module' } });
  const { release } = await alias(root, asked, { actor });
  const inode = async (version: string) =>
    (await stat(join(root, `plugins/key-auth/${version}/plugin.wasm`))).ino;
  expect(await inode('2.0.0')).toBe(await inode('1.0.0'));
  expect(release.plugins.map(({ version, aliasOf }) => [version, aliasOf])).toEqual([
    ['1.0.0', undefined],
    ['2.0.0', '1.0.0'],
  ]);
  expect(release.origin.kind).toBe('alias');
  expect((await history(root)).lines[0]).toMatchObject({ action: 'alias', current: true });
  await expectClean(root);
  await rollback(root, {}, { actor });
  expect(await servedBy(root)).toEqual({ 'key-auth@1.0.0': 'module' });
});

test('an alias of an alias names the version that was published; once more is no change', async () => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'key-auth@1.0.0': 'module' } });
  await alias(root, asked, { actor });
  const second = { name: 'key-auth', version: '3.0.0', existing: '2.0.0' };
  const { release } = await alias(root, second, { actor });
  expect(release.plugins[2]).toMatchObject({ version: '3.0.0', aliasOf: '1.0.0' });
  expect((await alias(root, second, { actor })).outcome).toBe('unchanged');
});

test('a version with other bytes is not taken over', async () => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'key-auth@1.0.0': 'module', 'key-auth@2.0.0': 'other' } });
  await expect(alias(root, asked, { actor })).rejects.toMatchObject({ code: 'E_CONFLICT' });
  expect(await served(root, 'key-auth@2.0.0')).toBe('other');
});

test('a version that was published with the same bytes stays what it is', async () => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'key-auth@1.0.0': 'module', 'key-auth@2.0.0': 'module' } });
  const { outcome, release } = await alias(root, asked, { actor });
  expect(outcome).toBe('unchanged');
  expect(release.plugins[1]!.aliasOf).toBeUndefined();
});

test('an import of the real version takes the mark off', async () => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'key-auth@1.0.0': 'module' } });
  await alias(root, asked, { actor });
  const { release, outcome } = await importInto(root, {
    plugins: { 'key-auth@2.0.0': 'module' },
    sequence: 2,
  });
  expect(outcome).toBe('unchanged');
  expect(release.plugins[1]!.aliasOf).toBeUndefined();
});

test.each([
  [{ ...asked, existing: '9.9.9' }, 'E_NOT_FOUND', '1.0.0'],
  [{ ...asked, name: 'nobody' }, 'E_NOT_FOUND', 'no version of nobody'],
  [{ ...asked, version: '../evil' }, 'E_USAGE', 'NAME VERSION=EXISTING'],
  [{ ...asked, name: 'UP' }, 'E_USAGE', 'NAME VERSION=EXISTING'],
])('refuses %j', async (request, code, hint) => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'key-auth@1.0.0': 'module' } });
  await expect(alias(root, request, { actor })).rejects.toMatchObject({
    code,
    hint: expect.stringContaining(hint),
  });
  expect(await servedBy(root)).toEqual({ 'key-auth@1.0.0': 'module' });
});

test('a plain tree is adopted for it', async () => {
  const root = await tempDir();
  await plainTree(root, { 'key-auth@1.0.0': 'module' });
  await alias(root, asked, { actor });
  expect(await served(root, 'key-auth@2.0.0')).toBe('module');
  await rollback(root, {}, { actor });
  expect(await servedBy(root)).toEqual({ 'key-auth@1.0.0': 'module' });
});
