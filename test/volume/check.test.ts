import { chmod, readdir, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkVolume, type Finding } from '../../src/volume/check.js';
import { receipt } from '../../src/volume/receipt.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { expectClean } from './invariants.js';
import { importInto, keyId, plainTree } from './scene.js';

async function volume(): Promise<{ root: string; release: string }> {
  const root = await tempDir();
  const { release } = await importInto(root, { plugins: { 'waf@1.0.0': 'one', 'cors@1.0.0': 'two' } });
  return { root, release: release.id };
}

const wasm = 'plugins/waf/1.0.0/plugin.wasm';

const damages: Record<
  string,
  [(root: string, release: string) => Promise<unknown>, readonly Finding['kind'][]]
> = {
  'other bytes of the same size': [(root) => writeFile(join(root, wasm), 'onx'), ['changed', 'changed']],
  'a file that is gone': [(root) => unlink(join(root, wasm)), ['missing']],
  'a file replaced by a link': [
    async (root) => {
      await unlink(join(root, wasm));
      await symlink('/etc/passwd', join(root, wasm));
    },
    ['missing'],
  ],
  'a file that nobody listed': [(root) => writeFile(join(root, 'plugins/waf/evil.wasm'), ''), ['extra']],
  'a version that nobody listed': [(root) => symlink('1.0.0', join(root, 'plugins/waf/latest')), ['extra']],
  'a damaged release.json': [
    (root, release) => writeFile(join(root, '.plugferry/releases', release, 'release.json'), '{}\n'),
    ['unreadable'],
  ],
  'a link to nothing': [
    (root, release) => rm(join(root, '.plugferry/releases', release), { recursive: true }),
    ['unreadable'],
  ],
  'a blob that is gone, whose bytes the release still has': [
    async (root) => {
      const [blob] = await readdir(join(root, '.plugferry/blobs/sha256'));
      await rename(
        join(root, '.plugferry/blobs/sha256', blob!),
        join(root, '.plugferry/blobs/sha256', 'f'.repeat(64)),
      );
    },
    ['changed'],
  ],
  'a state that everybody may write': [
    (root) => chmod(join(root, '.plugferry/state.json'), 0o666),
    ['exposed'],
  ],
};

test.each(Object.keys(damages))('names %s', async (name) => {
  const { root, release } = await volume();
  const [damage, kinds] = damages[name]!;
  await damage(root, release);
  const before = await treeOf(root);
  const { findings } = await checkVolume(root);
  expect(findings.map(({ kind }) => kind)).toEqual(kinds);
  expect(await treeOf(root)).toEqual(before);
});

test('says which plugin, what was expected and what is there', async () => {
  const { root, release } = await volume();
  await writeFile(join(root, wasm), 'onx');
  const { findings } = await checkVolume(root);
  expect(findings).toContainEqual({
    kind: 'changed',
    path: `.plugferry/releases/${release}/${wasm}`,
    release,
    plugin: 'waf@1.0.0',
    expected: '7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed',
    found: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
});

test('an altered manifest among the evidence is found', async () => {
  const { root, release } = await volume();
  const evidence = join(root, '.plugferry/releases', release, 'evidence');
  const [manifest] = await readdir(evidence);
  await writeFile(join(evidence, manifest!, 'manifest.json'), 'other');
  expect((await checkVolume(root)).findings).toMatchObject([{ kind: 'changed', expected: manifest }]);
});

test('reads every distinct file once and finds nothing in a sound volume', async () => {
  const { root, release } = await volume();
  await importInto(root, { plugins: { 'waf@2.0.0': 'one' }, sequence: 2 });
  const check = await checkVolume(root);
  // Two modules, one metadata.txt, two manifests.
  expect(check).toMatchObject({ plain: false, releases: 2, files: 5, findings: [] });
  expect(check.release).not.toBe(release);
  await expectClean(root);
});

test('a plain tree has nothing to be compared with', async () => {
  const root = await tempDir();
  await plainTree(root, { 'waf@1.0.0': 'one' });
  expect(await checkVolume(root)).toMatchObject({ plain: true, releases: 0, files: 0, findings: [] });
});

test('a receipt says what came in, on whose word, and when it was current', async () => {
  const { root, release } = await volume();
  const second = await importInto(root, { plugins: { 'waf@2.0.0': 'two' }, sequence: 2 });
  const document = await receipt(root);
  expect(document).toMatchObject({
    type: 'plugferry.receipt/v1',
    current: true,
    release: { id: second.release.id },
    activations: [{ action: 'import', previous: release }],
    audit: [{ action: 'import', result: 'done', keyIds: [keyId], sequence: 2 }],
  });
  expect(document.evidence.map(({ keyIds }) => keyIds)).toEqual([[keyId], [keyId]]);
  expect(await receipt(root, { release: release.slice(0, 8) })).toMatchObject({
    current: false,
    release: { id: release },
  });
  await expect(receipt(root, { release: 'ffffffff' })).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
});

test('there is no receipt for a plain tree', async () => {
  const root = await tempDir();
  await plainTree(root, { 'waf@1.0.0': 'one' });
  await expect(receipt(root)).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
});
