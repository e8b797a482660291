import {
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { isPlugferryError } from '../../src/errors.js';
import { exportBundle, importBundle } from '../../src/index.js';
import { cli, errorCode, type CliRun } from '../helpers/cli.js';
import { testKey, type TestKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { tinyModule } from '../helpers/wasm.js';

/** Only root may give files away. */
const isRoot = userInfo().uid === 0;
if (!isRoot) {
  // eslint-disable-next-line no-console
  console.warn('skipped: files of other users in a volume. Run the tests as root, for chown');
}
const stranger = 65534;
const waf = 'plugins/waf/1.0.0/plugin.wasm';
const good = tinyModule('waf', 2000);
const evil = Buffer.from(good).fill(0xee, 100);
const longAgo = new Date('2020-01-01T00:00:00Z');

let top: string;
let volume: string;
let dev: TestKey;
let pub: string;
let bundles: number;
beforeEach(async () => {
  top = await tempDir();
  volume = join(top, 'volume');
  dev = await testKey('dev');
  ({ pub } = await dev.writeTo(top));
  bundles = 0;
});

async function bundle(plugins: Readonly<Record<string, string>>): Promise<string> {
  bundles += 1;
  const source = await tinyTree(join(top, `tree${bundles}`), plugins);
  const output = join(top, `${bundles}.tar.gz`);
  await exportBundle({ source, output, signer: dev, sequence: bundles });
  return output;
}

const imported = (file: string): Promise<CliRun> =>
  cli(['import', file, '--to', volume, '--public-key', pub, '--json']);
const verified = async (): Promise<unknown> =>
  (JSON.parse((await cli(['verify', volume, '--json'])).stdout) as { findings: unknown }).findings;

/** Every file of the store and of the releases: its path, and whose it is. */
async function kept() {
  const found: { path: string; ino: number; uid: number; mode: number }[] = [];
  for (const part of ['blobs', 'releases']) {
    const directory = join(volume, '.plugferry', part);
    for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      const { ino, uid, mode } = await lstat(path);
      found.push({ path, ino, uid, mode: mode & 0o7777 });
    }
  }
  return found;
}

async function expectOurs(): Promise<void> {
  const { uid } = userInfo();
  for (const file of await kept()) {
    expect(file.uid, file.path).toBe(uid);
    expect(file.mode & 0o022, file.path).toBe(0);
  }
}

/** Other bytes of the same size, and an old time, written by whoever has the file itself. */
async function overwrite(path: string, bytes = evil): Promise<void> {
  const handle = await open(path, 'r+');
  await handle.write(bytes, 0, bytes.length, 0);
  await handle.close();
  await utimes(path, longAgo, longAgo);
}

/** What makes a tree not ours alone; returns how its other owner then writes the module. */
const shares: Record<string, { root?: true; share: () => Promise<() => Promise<unknown>> }> = {
  'a file of another user': {
    root: true,
    share: async () => {
      const handle = await open(join(volume, waf), 'r+');
      onTestFinished(() => handle.close());
      await handle.chown(stranger, stranger);
      return () => handle.write(evil, 0, evil.length, 0);
    },
  },
  'a tree of another user': {
    root: true,
    share: async () => {
      const plugins = join(volume, 'plugins');
      for (const path of [
        plugins,
        ...(await readdir(plugins, { recursive: true })).map((name) => join(plugins, name)),
      ])
        await chown(path, stranger, stranger);
      const handle = await open(join(volume, waf), 'r+');
      onTestFinished(() => handle.close());
      return () => handle.write(evil, 0, evil.length, 0);
    },
  },
  'a file that everybody may write': {
    share: async () => {
      await chmod(join(volume, waf), 0o666);
      const handle = await open(join(volume, waf), 'r+');
      onTestFinished(() => handle.close());
      return () => handle.write(evil, 0, evil.length, 0);
    },
  },
  'a file that has a second name elsewhere': {
    share: async () => {
      await link(join(volume, waf), join(top, 'second'));
      return () => overwrite(join(top, 'second'));
    },
  },
  'a file that a program has open for writing': {
    share: async () => {
      const handle = await open(join(volume, waf), 'r+');
      onTestFinished(() => handle.close());
      return () => handle.write(evil, 0, evil.length, 0);
    },
  },
  'a directory that its group may write': {
    share: async () => {
      await chmod(join(volume, 'plugins/waf/1.0.0'), 0o775);
      await chmod(join(volume, 'plugins'), 0o777);
      return () => Promise.resolve();
    },
  },
};

describe.each(Object.keys(shares))('a plain tree with %s', (name) => {
  const { root = false, share } = shares[name]!;
  test.skipIf(root && !isRoot)('is adopted as a copy that its other owner cannot change', async () => {
    await tinyTree(volume, { 'waf@1.0.0': 'waf', 'jwt@1.0.0': 'jwt' });
    // Open, so that nothing else gets its inode.
    const before = await open(join(volume, waf));
    onTestFinished(() => before.close());
    const { ino } = await before.stat();
    const change = await share();
    const run = await imported(await bundle({ 'waf@1.0.0': 'waf', 'cors@1.0.0': 'cors' }));
    expect(run.code, run.stdout).toBe(0);
    await change();
    await expectOurs();
    expect((await kept()).filter((file) => file.ino === ino)).toEqual([]);
    for (const id of await readdir(join(volume, '.plugferry/releases'))) {
      const bytes = await readFile(join(volume, '.plugferry/releases', id, waf));
      expect(bytes.equals(good), id).toBe(true);
    }
    expect(await verified()).toEqual([]);
    expect((await cli(['rollback', volume, '--json'])).code).toBe(0);
    expect((await readFile(join(volume, waf))).equals(good)).toBe(true);
    expect((await readdir(join(volume, 'plugins'))).toSorted()).toEqual(['jwt', 'waf']);
  });
});

test.skipIf(!isRoot)('a tree of another user stays, beside what was made of it', async () => {
  await tinyTree(volume, { 'waf@1.0.0': 'waf' });
  await writeFile(join(volume, 'plugins/notes.txt'), 'by hand');
  await chown(join(volume, 'plugins'), stranger, stranger);
  const run = await imported(await bundle({ 'cors@1.0.0': 'cors' }));
  expect(run.code, run.stdout).toBe(0);
  const [aside] = (await readdir(volume)).filter((name) => name.startsWith('plugins.replaced-'));
  expect(await readFile(join(volume, aside!, 'notes.txt'), 'utf8')).toBe('by hand');
  expect((await readFile(join(volume, aside!, 'waf/1.0.0/plugin.wasm'))).equals(good)).toBe(true);
});

test('signed bytes that were changed in place are put right by the same bundle', async () => {
  const file = await bundle({ 'waf@1.0.0': 'waf', 'cors@1.0.0': 'cors' });
  await imported(file);
  await overwrite(join(volume, waf));
  const run = await imported(file);
  expect(run.code, run.stdout).toBe(0);
  expect((await readFile(join(volume, waf))).equals(good)).toBe(true);
  expect(await verified()).toEqual([]);
});

test('bytes that were changed in place are not linked into the next release', async () => {
  await imported(await bundle({ 'waf@1.0.0': 'waf' }));
  await overwrite(join(volume, waf));
  const before = await readdir(join(volume, '.plugferry/blobs/sha256'));
  const releases = await readdir(join(volume, '.plugferry/releases'));
  const run = await imported(await bundle({ 'cors@1.0.0': 'cors' }));
  expect([run.code, errorCode(run)]).toEqual([3, 'E_RELEASE']);
  expect(await readdir(join(volume, '.plugferry/blobs/sha256'))).toEqual(before);
  expect(await readdir(join(volume, '.plugferry/releases'))).toEqual(releases);
  // The bundle that brings them puts them right, also among others.
  const both = await imported(await bundle({ 'waf@1.0.0': 'waf', 'cors@1.0.0': 'cors' }));
  expect(both.code, both.stdout).toBe(0);
  expect(await verified()).toEqual([]);
});

test('an alias of a module that was changed in place is refused', async () => {
  await imported(await bundle({ 'waf@1.0.0': 'waf' }));
  await overwrite(join(volume, waf));
  const run = await cli(['alias', volume, 'waf', '2.0.0=1.0.0', '--json']);
  expect([run.code, errorCode(run)]).toEqual([3, 'E_RELEASE']);
});

test('a release whose bytes were changed in place is not gone back to', async () => {
  await imported(await bundle({ 'waf@1.0.0': 'waf' }));
  await imported(await bundle({ 'cors@1.0.0': 'cors' }));
  const [blob] = (await kept()).filter(({ path }) => path.endsWith('plugin.wasm') && path.includes('waf'));
  await overwrite(blob!.path);
  const run = await cli(['rollback', volume, '--json']);
  expect([run.code, errorCode(run)]).toEqual([3, 'E_RELEASE']);
  expect(run.stdout).toContain('waf@1.0.0');
});

test('a release that lost its bytes gets them back from the store before it is gone back to', async () => {
  await imported(await bundle({ 'waf@1.0.0': 'waf' }));
  const first = await readdir(join(volume, '.plugferry/releases'));
  await imported(await bundle({ 'cors@1.0.0': 'cors' }));
  const inRelease = join(volume, '.plugferry/releases', first[0]!, waf);
  await writeFile(join(top, 'other'), evil);
  await rename(join(top, 'other'), inRelease);
  const run = await cli(['rollback', volume, '--json']);
  expect(run.code, run.stdout).toBe(0);
  expect(run.stdout + run.stderr).toContain('is repaired');
  expect((await readFile(inRelease)).equals(good)).toBe(true);
  expect(await verified()).toEqual([]);
});

test.skipIf(!isRoot)(
  'stored bytes that belong to another user are stored anew before they are linked',
  async () => {
    await imported(await bundle({ 'waf@1.0.0': 'waf' }));
    await chown(join(volume, waf), stranger, stranger);
    const run = await imported(await bundle({ 'cors@1.0.0': 'cors' }));
    expect(run.code, run.stdout).toBe(0);
    await expectOurs();
    expect(await verified()).toEqual([]);
  },
);

test('a stored file that everybody may write is stored anew before it is gone back to', async () => {
  await imported(await bundle({ 'waf@1.0.0': 'waf' }));
  await imported(await bundle({ 'cors@1.0.0': 'cors' }));
  await chmod(join(volume, waf), 0o666);
  const { ino } = await stat(join(volume, waf));
  const run = await cli(['rollback', volume, '--json']);
  expect(run.code, run.stdout).toBe(0);
  expect((await stat(join(volume, waf))).ino).not.toBe(ino);
  await expectOurs();
});

test('bytes that were put in the place of a blob, with its size, are brought anew', async () => {
  await imported(await bundle({ 'jwt@1.0.0': 'jwt' }));
  const file = await bundle({ 'waf@1.0.0': 'waf' });
  const blobs = join(volume, '.plugferry/blobs/sha256');
  await mkdir(blobs, { recursive: true });
  const { sha256Of } = await import('../../src/stream/digest.js');
  await writeFile(join(blobs, sha256Of(good)), evil);
  await utimes(join(blobs, sha256Of(good)), longAgo, longAgo);
  const run = await imported(file);
  expect(run.code, run.stdout).toBe(0);
  expect((await readFile(join(volume, waf))).equals(good)).toBe(true);
});

describe('what Plugferry keeps for itself, and others could exchange, is refused', () => {
  const places = ['', 'state.json', 'audit.jsonl', 'releases', 'blobs', 'blobs/sha256', 'staging', 'lock'];
  const again = async (file: string): Promise<string> => {
    const trust = { publicKeys: [dev.trusted] };
    return importBundle({ bundle: file, to: volume, trust }).then(
      () => 'imported',
      (error: unknown) => (isPlugferryError(error) ? error.code : String(error)),
    );
  };

  test.each(places)('.plugferry/%s', async (name) => {
    await again(await bundle({ 'waf@1.0.0': 'waf' }));
    const path = join(volume, '.plugferry', name);
    if (name === 'lock') await mkdir(path, { mode: 0o755 });
    const next = await bundle({ 'cors@1.0.0': 'cors' });
    const { mode, uid, gid } = await stat(path);
    for (const wider of [0o020, 0o002, 0o022]) {
      await chmod(path, mode | wider);
      expect([name, wider, await again(next)]).toEqual([name, wider, 'E_RELEASE']);
    }
    expect(JSON.stringify(await verified())).toContain('exposed');
    await chmod(path, mode);
    if (isRoot) {
      await chown(path, stranger, stranger);
      expect([name, 'owner', await again(next)]).toEqual([name, 'owner', 'E_RELEASE']);
      await chown(path, uid, gid);
    }
    const away = join(top, 'away');
    await rename(path, away);
    await symlink(away, path);
    expect([name, 'link', await again(next)]).toEqual([name, 'link', 'E_RELEASE']);
    await unlink(path);
    await (name.includes('.') ? mkdir(path) : writeFile(path, ''));
    expect([name, 'kind', await again(next)]).toEqual([name, 'kind', 'E_RELEASE']);
    await rm(path, { recursive: true });
    await rename(away, path);
    if (name === 'lock') await rm(path, { recursive: true });
    expect([name, await again(next)]).toEqual([name, 'imported']);
  });
});
