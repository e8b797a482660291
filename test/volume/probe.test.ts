import { chmod, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { probeFileSystem } from '../../src/volume/probe.js';
import { rollback } from '../../src/volume/rollback.js';
import { failWith, watchFileSystem, type FileSystemCall } from '../helpers/faults.mjs';
import { tempDir } from '../helpers/temp.js';
import { expectClean, servedBy } from './invariants.js';
import { actor, importInto, plainTree, served } from './scene.js';

let restore: (() => void) | undefined;
afterEach(() => {
  restore?.();
  restore = undefined;
});

/** A file system on which calls of this name fail, as those of USB sticks and network shares do. */
async function without(
  name: string,
  code: string,
  matches: (call: FileSystemCall) => boolean = () => true,
): Promise<void> {
  restore = await watchFileSystem((call) =>
    call.name === name && matches(call) ? failWith(code, call) : undefined,
  );
}

test('an ordinary file system can do everything', async () => {
  const root = await tempDir();
  expect(await probeFileSystem(root, join(root, 'probe'))).toEqual({
    hardLinks: true,
    caseSensitive: true,
    directorySync: true,
  });
});

test.each(['EPERM', 'ENOTSUP', 'ENOSYS'])(
  'without symbolic links (%s) it is refused, with the way out',
  async (code) => {
    const root = await tempDir();
    await plainTree(root, { 'waf@1.0.0': 'one' });
    await without('symlink', code);
    await expect(importInto(root, { plugins: { 'cors@1.0.0': 'two' } })).rejects.toMatchObject({
      code: 'E_FILESYSTEM',
      message: expect.stringContaining('symbolic links'),
      hint: expect.stringContaining('USB sticks'),
    });
    expect(await servedBy(root)).toEqual({ 'waf@1.0.0': 'one' });
  },
);

test('without a rename over links it is refused', async () => {
  const root = await tempDir();
  await without('rename', 'EINVAL', ({ args }) => String(args[0]).endsWith('probe/next'));
  const refused = importInto(root, { plugins: { 'waf@1.0.0': 'one' } });
  await expect(refused).rejects.toMatchObject({ code: 'E_FILESYSTEM' });
});

test.each(['EPERM', 'ENOTSUP', 'EMLINK'])(
  'without hard links (%s) every release holds copies',
  async (code) => {
    const root = await tempDir();
    await plainTree(root, { 'waf@1.0.0': 'one' });
    await without('link', code);
    await importInto(root, { plugins: { 'cors@1.0.0': 'two' } });
    expect(await servedBy(root)).toEqual({ 'waf@1.0.0': 'one', 'cors@1.0.0': 'two' });
    const { nlink, mode } = await stat(join(root, 'plugins/cors/1.0.0/plugin.wasm'));
    expect([nlink, mode & 0o777]).toEqual([1, 0o644]);
    await expectClean(root);
    await rollback(root, {}, { actor });
    expect(await servedBy(root)).toEqual({ 'waf@1.0.0': 'one' });
  },
);

test('one file that must not be linked (protected_hardlinks) is copied, the others are not', async () => {
  const root = await tempDir();
  await plainTree(root, { 'waf@1.0.0': 'one', 'cors@1.0.0': 'two' });
  await without('link', 'EPERM', ({ args }) => String(args[1]).includes('plugins/waf'));
  await importInto(root, { plugins: { 'key-auth@1.0.0': 'three' } });
  expect((await stat(join(root, 'plugins/waf/1.0.0/plugin.wasm'))).nlink).toBe(1);
  expect((await stat(join(root, 'plugins/cors/1.0.0/plugin.wasm'))).nlink).toBe(3);
  await expectClean(root);
});

test('without a flush for directories it goes on, and says so', async () => {
  const root = await tempDir();
  restore = await watchFileSystem((call) => {
    if (call.name !== 'handle.sync') return undefined;
    return isDirectory(call.handle).then((directory) => (directory ? failWith('EINVAL', call) : undefined));
  });
  await importInto(root, { plugins: { 'waf@1.0.0': 'one' } });
  const { warnings } = await rollback(root, { to: (await currentId(root)).slice(0, 8) }, { actor });
  expect(warnings.join()).toContain('power cut');
  expect(await served(root, 'waf@1.0.0')).toBe('one');
});

const isDirectory = async (handle: object): Promise<boolean> =>
  (await (handle as { stat(): Promise<{ isDirectory(): boolean }> }).stat()).isDirectory();

const currentId = async (root: string): Promise<string> => {
  const [id] = await readdir(join(root, '.plugferry/releases'));
  return id!;
};

test('two versions that differ in case alone are refused where the file system would mix them up', async () => {
  const root = await tempDir();
  const plugins = { 'waf@1.0.0-RC1': 'one', 'waf@1.0.0-rc1': 'two' };
  // What lstat finds under FILE is the probe's own file.
  restore = await watchFileSystem((call) => {
    if (call.name === 'lstat' && String(call.args[0]).endsWith('probe/FILE')) {
      (call.args as string[])[0] = String(call.args[0]).replace('FILE', 'file');
    }
    return undefined;
  });
  await expect(importInto(root, { plugins })).rejects.toMatchObject({
    code: 'E_FILESYSTEM',
    message: expect.stringContaining('1.0.0-RC1'),
  });
  restore();
  await importInto(root, { plugins });
  expect(await servedBy(root)).toEqual(plugins);
});

test.each([
  ['EXDEV', 'a directory of a lower layer of a container image'],
  ['EBUSY', 'a mount point'],
])('a plugins directory that cannot be moved (%s) is refused and stays', async (code) => {
  const root = await tempDir();
  await plainTree(root, { 'waf@1.0.0': 'one' });
  await without('rename', code, ({ args }) => String(args[0]) === join(root, 'plugins'));
  const refused = importInto(root, { plugins: { 'cors@1.0.0': 'two' } });
  await expect(refused).rejects.toMatchObject({
    code: 'E_FILESYSTEM',
    hint: expect.stringContaining('one directory higher'),
  });
  expect(await servedBy(root)).toEqual({ 'waf@1.0.0': 'one' });
});

test('bytes that read back differently are not published', async () => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'waf@1.0.0': 'one' } });
  // A medium that loses what it was given: the file changes between its flush and the second reading.
  restore = await watchFileSystem((call) => {
    if (call.name !== 'open' || !String(call.args[0]).includes('/incoming/')) return undefined;
    if (call.change !== undefined) return undefined;
    return writeFile(String(call.args[0]), 'rotten').then(() => undefined);
  });
  const refused = importInto(root, { plugins: { 'cors@1.0.0': 'two' }, sequence: 2 });
  await expect(refused).rejects.toMatchObject({
    code: 'E_IO',
    hint: expect.stringContaining('not reliable'),
  });
  restore();
  expect(await servedBy(root)).toEqual({ 'waf@1.0.0': 'one' });
  await importInto(root, { plugins: { 'cors@1.0.0': 'two' }, sequence: 2 });
  await expectClean(root);
});

test('what the umask takes away is given back: web servers run as other users', async () => {
  const root = await tempDir();
  const before = process.umask(0o077);
  try {
    await importInto(root, { plugins: { 'waf@1.0.0': 'one' } });
  } finally {
    process.umask(before);
  }
  const { release } = await importInto(root, { plugins: { 'waf@1.0.0': 'one' } });
  const directories = [
    '.plugferry',
    '.plugferry/releases',
    `.plugferry/releases/${release.id}`,
    'plugins/waf',
  ];
  for (const path of directories) expect((await stat(join(root, path))).mode & 0o777, path).toBe(0o755);
  expect((await stat(join(root, '.plugferry/staging'))).mode & 0o777).toBe(0o700);
  expect((await stat(join(root, 'plugins/waf/1.0.0/plugin.wasm'))).mode & 0o777).toBe(0o644);
});

test('a state that its group may write is refused until it is tightened', async () => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'waf@1.0.0': 'one' } });
  await chmod(join(root, '.plugferry/state.json'), 0o664);
  const again = () => importInto(root, { plugins: { 'cors@1.0.0': 'two' }, sequence: 2 });
  await expect(again()).rejects.toMatchObject({
    code: 'E_RELEASE',
    hint: expect.stringContaining('fsGroup'),
  });
  await chmod(join(root, '.plugferry/state.json'), 0o644);
  await again();
});
