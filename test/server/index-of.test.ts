import { execFileSync } from 'node:child_process';
import { chmod, mkdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isPlugferryError } from '../../src/errors.js';
import { digestOf } from '../../src/stream/digest.js';
import { indexOf } from '../../src/server/index-of.js';
import type { PluginIndex } from '../../src/server/plugin-index.js';
import {
  addRelease,
  moduleBytes,
  plainTree,
  releaseIdOf,
  samplePlugins,
  temporaryDirectory,
  volume,
  writePlugins,
} from './trees.js';

const patient = new AbortController().signal;
const wasm = moduleBytes(5000, 'a');

const refusal = async (
  root: string,
): Promise<{ code: string; message: string; hint: string | undefined }> => {
  const error: unknown = await indexOf(root, patient).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isPlugferryError(error)) throw new Error('expected a PlugferryError', { cause: error });
  return { code: error.code, message: error.message, hint: error.hint };
};

const digestsOf = (index: PluginIndex) =>
  Object.fromEntries([...index.files].map(([path, { digest }]) => [path, digest]));

const sampleDigests = Object.fromEntries(
  Object.entries(samplePlugins).flatMap(([id, files]) =>
    Object.entries(files).map(([name, content]) => [
      `/plugins/${id}/${name}`,
      digestOf(Buffer.from(content)),
    ]),
  ),
);

test('a plain tree, given by its parent or by itself, and a volume have the same files', async () => {
  const plain = await plainTree();
  const index = await indexOf(plain, patient);
  expect(digestsOf(index)).toEqual(sampleDigests);
  expect(index).toMatchObject({ release: undefined, notes: [] });
  expect(digestsOf(await indexOf(join(plain, 'plugins'), patient))).toEqual(sampleDigests);

  const imported = await volume();
  for (const root of [imported, join(imported, 'plugins')]) {
    const released = await indexOf(root, patient);
    expect(digestsOf(released)).toEqual(sampleDigests);
    expect(released).toMatchObject({ release: releaseIdOf(samplePlugins), notes: [] });
  }
});

test('an index stays with the release that was current when it was made', async () => {
  const [one, two] = [{ 'a/1.0.0': { 'plugin.wasm': wasm } }, { 'b/1.0.0': { 'plugin.wasm': wasm } }];
  const root = await volume(one);
  const index = await indexOf(root, patient);
  await addRelease(root, two);
  await symlink(`.plugferry/releases/${releaseIdOf(two)}/plugins`, join(root, 'next'));
  await rename(join(root, 'next'), join(root, 'plugins'));
  expect([...index.files.values()].map(({ path }) => path)).toEqual([
    join(root, '.plugferry/releases', releaseIdOf(one), 'plugins/a/1.0.0/plugin.wasm'),
  ]);
  expect([...(await indexOf(root, patient)).files.keys()]).toEqual(['/plugins/b/1.0.0/plugin.wasm']);
});

test('what does not belong in a plugin-server tree is left out and named', async () => {
  const root = await plainTree({
    'good/1.0.0': { 'plugin.wasm': wasm, 'README.md': 'not for the gateway' },
    'Bad Name/1.0.0': { 'plugin.wasm': wasm },
    'good/..2': { 'plugin.wasm': wasm },
    'good/a b': { 'plugin.wasm': wasm },
    'con/1.0.0': { 'plugin.wasm': wasm },
    'half/1.0.0': { 'metadata.txt': 'no module here' },
    '.hidden/1.0.0': { 'plugin.wasm': wasm },
  });
  const plugins = join(root, 'plugins');
  await writeFile(join(plugins, 'loose.wasm'), wasm);
  await mkdir(join(plugins, 'folder/1.0.0/plugin.wasm'), { recursive: true });
  const { files, notes } = await indexOf(root, patient);
  expect([...files.keys()]).toEqual(['/plugins/good/1.0.0/plugin.wasm']);
  expect(notes).toEqual([
    'not served, not a directory: loose.wasm',
    'not served, not a plugin name: Bad Name, con',
    'not served, not a plugin version: good/a b',
    'not served, plugin.wasm is missing: half/1.0.0',
    'not served, plugin.wasm is not a regular file: folder/1.0.0',
  ]);
});

test('a wrong directory is told in a few lines', async () => {
  const root = await temporaryDirectory();
  for (let i = 0; i < 40; i += 1) await mkdir(join(root, `Folder ${String(i).padStart(2, '0')}`));
  const { files, notes } = await indexOf(root, patient);
  expect(files.size).toBe(0);
  expect(notes).toEqual([
    'not served, not a plugin name: Folder 00, Folder 01, Folder 02, Folder 03, Folder 04 and 35 more',
    `${root} holds no plugins`,
  ]);
});

test('a link may lead about inside the tree, and never out of it', async () => {
  const outside = await temporaryDirectory();
  await writePlugins(outside, { 'evil/1.0.0': { 'plugin.wasm': wasm } });
  const root = await plainTree({ 'good/1.0.0': { 'plugin.wasm': wasm } });
  const plugins = join(root, 'plugins');
  await symlink('1.0.0', join(plugins, 'good/latest'));
  await symlink('good', join(plugins, 'alias'));
  await symlink(join(outside, 'evil'), join(plugins, 'evil'));
  await mkdir(join(plugins, 'leaf/1.0.0'), { recursive: true });
  await symlink('/etc/passwd', join(plugins, 'leaf/1.0.0/plugin.wasm'));
  await symlink('loop', join(plugins, 'loop'));
  // A sibling whose name begins like the root's must not pass for inside.
  await writePlugins(`${plugins}-more`, { 'x/1.0.0': { 'plugin.wasm': wasm } });
  await symlink(`${plugins}-more/x`, join(plugins, 'sibling'));
  const { files, notes } = await indexOf(root, patient);
  expect([...files.keys()]).toEqual([
    '/plugins/alias/1.0.0/plugin.wasm',
    '/plugins/alias/latest/plugin.wasm',
    '/plugins/good/1.0.0/plugin.wasm',
    '/plugins/good/latest/plugin.wasm',
  ]);
  expect(notes).toContain('not served, plugin.wasm is a link that leads out of the tree: leaf/1.0.0');
  expect(notes).toContain('not served, a link that leads out of the tree: evil, sibling');
  expect(notes).toContain('not served, a link that leads nowhere: loop');
});

test('a FIFO in place of a module does not hang the start', async () => {
  const root = await plainTree({ 'good/1.0.0': { 'plugin.wasm': wasm } });
  const pipe = join(root, 'plugins/pipe/1.0.0');
  await mkdir(pipe, { recursive: true });
  execFileSync('mkfifo', [join(pipe, 'plugin.wasm')]);
  const { files, notes } = await indexOf(root, patient);
  expect(files.size).toBe(1);
  expect(notes).toEqual(['not served, plugin.wasm is not a regular file: pipe/1.0.0']);
});

test('a module larger than a gateway loads is left out without being read', async () => {
  const root = await plainTree({ 'good/1.0.0': { 'plugin.wasm': wasm }, 'big/1.0.0': { 'plugin.wasm': '' } });
  await truncate(join(root, 'plugins/big/1.0.0/plugin.wasm'), 256 * 1024 * 1024 + 1);
  const { notes } = await indexOf(root, patient);
  expect(notes).toEqual([
    'not served, plugin.wasm is larger than the 256.0 MiB that a gateway loads: big/1.0.0',
  ]);
});

test.skipIf(userInfo().uid === 0)('an unreadable module is left out and named', async () => {
  const root = await plainTree({ 'a/1.0.0': { 'plugin.wasm': wasm } });
  await chmod(join(root, 'plugins/a/1.0.0/plugin.wasm'), 0);
  const { files, notes } = await indexOf(root, patient);
  expect(files.size).toBe(0);
  expect(notes[0]).toBe('not served, plugin.wasm is unreadable (EACCES): a/1.0.0');
});

test('links as kubelet makes them in a projected volume are followed', async () => {
  const root = await temporaryDirectory();
  await writePlugins(join(root, '..2026_03_01'), { 'key-auth/1.0.0': { 'plugin.wasm': wasm } });
  await symlink('..2026_03_01', join(root, '..data'));
  await symlink('..data/key-auth', join(root, 'key-auth'));
  const { files, notes } = await indexOf(root, patient);
  expect([...files.keys()]).toEqual(['/plugins/key-auth/1.0.0/plugin.wasm']);
  expect(notes).toEqual([]);
});

test('an empty volume and an empty directory are served, with a note', async () => {
  const empty = await temporaryDirectory();
  await mkdir(join(empty, '.plugferry'));
  expect((await indexOf(empty, patient)).notes).toEqual([
    `${empty} is an empty volume: nothing is imported yet`,
  ]);
  const bare = await temporaryDirectory();
  const index = await indexOf(bare, patient);
  expect(index.notes).toEqual([`${bare} holds no plugins`]);
  expect([...index.pages.keys()]).toContain('/');
});

test('a missing directory, and a file in its place', async () => {
  const root = await temporaryDirectory();
  await writeFile(join(root, 'file'), '');
  expect(await refusal(join(root, 'none'))).toMatchObject({
    code: 'E_NOT_FOUND',
    message: expect.stringContaining(join(root, 'none')) as string,
    hint: expect.stringContaining('plugferry import') as string,
  });
  expect((await refusal(join(root, 'file'))).code).toBe('E_NOT_FOUND');
});

test.each<[string, (release: string, root: string) => Promise<unknown>, string]>([
  ['a module is missing', (release) => rm(join(release, 'plugins/a/1.0.0/plugin.wasm')), 'is missing'],
  [
    'a module is short',
    (release) => truncate(join(release, 'plugins/a/1.0.0/plugin.wasm'), 10),
    '10 bytes long',
  ],
  ['release.json is missing', (release) => rm(join(release, 'release.json')), 'cannot be read'],
  ['release.json is damaged', (release) => writeFile(join(release, 'release.json'), '{}\n'), 'release.json'],
  ['the release is gone', (release) => rm(release, { recursive: true }), 'not there'],
  ['the release has another name', async (release, root) => moveRelease(release, root), 'says it is release'],
  [
    'a module is a link to somewhere else',
    async (release) => {
      await rm(join(release, 'plugins/a/1.0.0/plugin.wasm'));
      await symlink('/etc/passwd', join(release, 'plugins/a/1.0.0/plugin.wasm'));
    },
    'leads out of the tree',
  ],
])('a volume in which %s is refused', async (_what, damage, message) => {
  const plugins = { 'a/1.0.0': { 'plugin.wasm': wasm } };
  const root = await volume(plugins);
  await damage(join(root, '.plugferry/releases', releaseIdOf(plugins)), root);
  expect(await refusal(root)).toMatchObject({
    code: 'E_RELEASE',
    message: expect.stringContaining(message) as string,
    hint: expect.any(String) as string,
  });
});

async function moveRelease(release: string, root: string): Promise<void> {
  await rename(release, join(root, '.plugferry/releases/elsewhere'));
  await rm(join(root, 'plugins'));
  await symlink('.plugferry/releases/elsewhere/plugins', join(root, 'plugins'));
}

test('a release record that lists an unsafe path is refused', async () => {
  const root = await volume({ 'a/1.0.0': { 'plugin.wasm': wasm }, '../..': { 'plugin.wasm': wasm } });
  expect(await refusal(root)).toMatchObject({
    code: 'E_RELEASE',
    message: expect.stringContaining('a name that is not allowed') as string,
  });
});

test('an abort ends the reading', async () => {
  const reason = new Error('enough');
  await expect(indexOf(await plainTree(), AbortSignal.abort(reason))).rejects.toBe(reason);
});
