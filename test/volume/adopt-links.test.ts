import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exportBundle } from '../../src/index.js';
import { cli, errorCode } from '../helpers/cli.js';
import { get } from '../helpers/http.js';
import { startServe } from '../helpers/server.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';

async function linkedTree(): Promise<{ root: string; importing: readonly string[] }> {
  const dir = await tempDir();
  const root = join(dir, 'tree');
  await tinyTree(root, { 'jwt@1.0.0': 'a' });
  const output = join(dir, 'b.tar.gz');
  await exportBundle({
    source: await tinyTree(join(dir, 'new'), { 'cors@1.0.0': 'c' }),
    output,
    sequence: 1,
  });
  return { root, importing: ['import', output, '--to', root, '--insecure-skip-signature', '--json'] };
}

test('a version that is a link is served after an import as it was before', async () => {
  const { root, importing } = await linkedTree();
  const plugins = join(root, 'plugins');
  await symlink('1.0.0', join(plugins, 'jwt/latest'));
  await symlink('latest', join(plugins, 'jwt/newest'));
  await symlink(join(plugins, 'jwt'), join(plugins, 'jwt2'));
  await mkdir(join(plugins, 'jwt3/1.0.0'), { recursive: true });
  await symlink('../../jwt/latest/plugin.wasm', join(plugins, 'jwt3/1.0.0/plugin.wasm'));
  const paths = ['jwt/1.0.0', 'jwt/latest', 'jwt/newest', 'jwt2/1.0.0', 'jwt2/latest', 'jwt3/1.0.0'].map(
    (id) => `/plugins/${id}/plugin.wasm`,
  );
  const expectServed = async (): Promise<void> => {
    const server = await startServe(root, ['--no-access-log']);
    try {
      for (const path of paths) expect([path, (await get(server.url, path)).status]).toEqual([path, 200]);
    } finally {
      await server.stop();
    }
  };
  await expectServed();
  const { warnings, release, previous } = JSON.parse((await cli(importing)).stdout) as {
    warnings: readonly string[];
    release: string;
    previous: string;
  };
  await expectServed();
  expect(warnings).toEqual([
    expect.stringContaining(`it has links, so release ${previous} was made of copies`),
  ]);
  // What it was stands beside the volume, and both releases hold files of their own.
  const aside = (await readdir(root)).find((name) => name.startsWith('plugins.replaced-'));
  expect((await treeOf(join(root, aside ?? ''))).get('jwt/latest')).toBe('-> 1.0.0');
  for (const id of [release, previous]) {
    const kept = await treeOf(join(root, '.plugferry/releases', id, 'plugins'));
    expect([...kept.values()].filter((content) => content.startsWith('-> '))).toEqual([]);
  }
  expect((await cli(['verify', root, '--json'])).code).toBe(0);
  expect((await cli(['rollback', root])).code).toBe(0);
  await expectServed();
});

test.each([
  ['a name', async (root: string) => symlink('/etc', join(root, 'plugins/etc'))],
  ['a version', async (root: string) => symlink('/etc', join(root, 'plugins/jwt/2.0.0'))],
  [
    'a module',
    async (root: string) => {
      await mkdir(join(root, 'plugins/jwt/2.0.0'));
      await symlink('/etc/hostname', join(root, 'plugins/jwt/2.0.0/plugin.wasm'));
    },
  ],
])('%s that is a link out of the tree is refused before anything changes', async (_what, link) => {
  const { root, importing } = await linkedTree();
  await link(root);
  const before = await treeOf(join(root, 'plugins'));
  const run = await cli(importing);
  expect([errorCode(run), run.code]).toEqual(['E_RELEASE', 3]);
  expect(run.stdout).toContain('is a link that leads out of the tree');
  expect(await treeOf(join(root, 'plugins'))).toEqual(before);
  expect(await readdir(join(root, '.plugferry/releases'))).toEqual([]);
});
