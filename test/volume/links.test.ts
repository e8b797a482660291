import {
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { dirname, join, relative } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { isPlugferryError } from '../../src/errors.js';
import {
  aliasPlugin,
  convertBundle,
  exportBundle,
  importBundle,
  listPlugins,
  pruneVolume,
  rollbackVolume,
  verifyVolume,
  volumeHistory,
  volumeReceipt,
} from '../../src/index.js';
import { cli, errorCode } from '../helpers/cli.js';
import { testKey, type TestKey } from '../helpers/keys.js';
import { hasSshd, startSshd } from '../helpers/sshd.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';

let top: string;
let volume: string;
let victim: string;
let dev: TestKey;
let pub: string;
let next: string;
let zip: string;
const control = (...names: string[]): string => join(volume, '.plugferry', ...names);

/** A volume with two releases, a bundle for a third, and somebody's files elsewhere. */
beforeEach(async () => {
  top = await tempDir();
  [volume, victim] = [join(top, 'volume'), join(top, 'victim')];
  dev = await testKey('dev');
  ({ pub } = await dev.writeTo(top));
  for (const [sequence, plugins] of [
    { 'waf@1.0.0': 'a' },
    { 'jwt@1.0.0': 'b' },
    { 'cors@1.0.0': 'c' },
  ].entries()) {
    const source = await tinyTree(join(top, `tree${sequence}`), plugins);
    next = join(top, `${sequence}.tar.gz`);
    await exportBundle({ source, output: next, signer: dev, sequence: sequence + 1 });
    if (sequence < 2) await imported(next);
  }
  zip = join(top, 'next.zip');
  await convertBundle({ bundle: next, output: zip });
  await mkdir(join(victim, 'sha256'), { recursive: true });
  await mkdir(join(victim, 'sub/deep'), { recursive: true });
  await writeFile(join(victim, 'data'), 'precious');
  await writeFile(join(victim, 'sha256', 'f'.repeat(64)), 'precious');
  await writeFile(join(victim, 'sub/deep/more'), 'precious');
});

const imported = (bundle: string, allowDowngrade = false): Promise<unknown> =>
  importBundle({ bundle, to: volume, trust: { publicKeys: [dev.trusted] }, allowDowngrade });

/** The code and the message with which something ended; undefined when it succeeded. */
async function ended(work: Promise<unknown>): Promise<readonly [string, string] | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (!isPlugferryError(error)) throw error;
    return [error.code, error.message];
  }
}

/** What is behind the link: every file with its content, and the times of the directories. */
async function behind(path: string): Promise<unknown> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) return 'nothing';
  if (!stats.isDirectory()) return [await readFile(path, 'utf8'), stats.mtimeMs];
  const times = [stats.mtimeMs];
  for (const name of await readdir(path, { recursive: true }))
    times.push((await lstat(join(path, name))).mtimeMs);
  return [await treeOf(path), times];
}

const directories = ['staging', 'blobs', 'blobs/sha256', 'releases', 'lock', ''];
const files = ['state.json', 'audit.jsonl'];

/** Ways to put a link in the place of `path`. */
const spoils: Record<string, (path: string) => Promise<void>> = {
  'a link to elsewhere': async (path) => {
    const target = files.some((file) => path.endsWith(file)) ? join(victim, 'data') : victim;
    await rm(path, { recursive: true, force: true });
    await symlink(target, path);
  },
  'a relative link to what was there': async (path) => {
    const target = join(victim, 'moved');
    if (path.endsWith('lock')) await mkdir(target);
    else await rename(path, target);
    await symlink(relative(dirname(path), target), path);
  },
  'a dangling link': async (path) => {
    await rm(path, { recursive: true, force: true });
    await symlink(join(victim, 'none'), path);
  },
};

const verbs: Record<string, () => Promise<unknown>> = {
  import: () => imported(next),
  'import of a zip': () => imported(zip),
  rollback: () => rollbackVolume(volume, {}),
  prune: () => pruneVolume(volume, { keep: 1 }),
  'prune that only says': () => pruneVolume(volume, { keep: 1, dryRun: true }),
  alias: () => aliasPlugin(volume, { name: 'waf', version: '2.0.0', existing: '1.0.0' }),
  history: () => volumeHistory(volume),
  receipt: () => volumeReceipt(volume),
  list: () => listPlugins({ location: volume }),
};

const all = [...directories, ...files].flatMap((name) =>
  Object.keys(spoils).map((how) => [name, how] as const),
);

test.each(all)(
  '.plugferry/%s that is %s is refused by every verb, and nothing behind it is touched',
  async (name, how) => {
    await spoils[how]!(control(...(name === '' ? [] : [name])));
    const before = await behind(victim);
    for (const [verb, run] of Object.entries(verbs)) {
      expect(await ended(run()), verb).toEqual(['E_RELEASE', expect.stringContaining('is a symbolic link')]);
      expect(await behind(victim), verb).toEqual(before);
    }
    const findings = await verifyVolume(volume).then(
      (check) => check.findings.length,
      (error: unknown) => (isPlugferryError(error) ? error.code : error),
    );
    expect(['E_RELEASE', 1, 2, 3]).toContain(findings);
    expect(await behind(victim)).toEqual(before);
  },
);

test('links that came with a copy of the volume, made by tar, are refused as well', async () => {
  await rm(control('staging'), { recursive: true });
  await symlink('../../victim', control('staging'));
  await mkdir(join(top, 'copy'));
  execFileSync('sh', ['-c', `tar -C '${volume}' -cf - . | tar -C '${join(top, 'copy')}' -xf -`]);
  const before = await behind(victim);
  expect(await readlink(join(top, 'copy/.plugferry/staging'))).toBe('../../victim');
  for (const args of [
    ['prune', join(top, 'copy'), '--keep', '1'],
    ['alias', join(top, 'copy'), 'waf', '2.0.0=1.0.0'],
  ]) {
    const run = await cli([...args, '--json']);
    expect([run.code, errorCode(run)], run.stdout).toEqual([3, 'E_RELEASE']);
  }
  expect(await behind(victim)).toEqual(before);
});

test('an audit log that has a second name elsewhere is not written', async () => {
  await rm(control('audit.jsonl'));
  await link(join(victim, 'data'), control('audit.jsonl'));
  expect(await ended(imported(next))).toMatchObject({ 0: 'E_RELEASE' });
  expect(await readFile(join(victim, 'data'), 'utf8')).toBe('precious');
});

test.each(['state.json', 'audit.jsonl'])(
  'a named pipe in the place of %s does not hang anybody',
  async (name) => {
    await rm(control(name));
    execFileSync('mkfifo', [control(name)]);
    for (const verb of ['import', 'rollback', 'receipt'])
      expect(await ended(verbs[verb]!()), verb).toMatchObject({ 0: 'E_RELEASE' });
  },
);

describe('inside a release', () => {
  const inside = {
    'the release itself': (id: string) => control('releases', id),
    'its plugins': (id: string) => control('releases', id, 'plugins'),
    'a plugin of it': (id: string) => control('releases', id, 'plugins/waf'),
    'a version of a plugin': (id: string) => control('releases', id, 'plugins/waf/1.0.0'),
    'a file': (id: string) => control('releases', id, 'plugins/waf/1.0.0/plugin.wasm'),
    'its description': (id: string) => control('releases', id, 'release.json'),
    'its evidence': (id: string) => control('releases', id, 'evidence'),
  };

  test.each(Object.entries(inside))(
    '%s that is a link: nothing behind it is read or written',
    async (what, pathOf) => {
      const current = (await readlink(join(volume, 'plugins'))).split('/')[2]!;
      const other = (await readdir(control('releases'))).find((id) => id !== current)!;
      for (const id of [current, other]) {
        const moved = join(victim, `${id} moved`);
        await rename(pathOf(id), moved);
        await symlink(moved, pathOf(id));
      }
      const before = await behind(victim);
      for (const [verb, run] of Object.entries(verbs)) {
        expect([undefined, 'E_RELEASE', 'E_NOT_FOUND'], verb).toContain((await ended(run()))?.[0]);
        expect(await behind(victim), verb).toEqual(before);
      }
      await ended(imported(join(top, '0.tar.gz'), true));
      await ended(imported(join(top, '1.tar.gz'), true));
      expect(await behind(victim), what).toEqual(before);
      const check = await verifyVolume(volume);
      expect(check.findings, what).not.toEqual([]);
      expect(await behind(victim), what).toEqual(before);
    },
  );
});

describe.skipIf(!hasSshd)('on a server', () => {
  test.each(['staging', 'blobs', 'blobs/sha256', 'releases', 'lock', '', 'state.json', 'audit.jsonl'])(
    '.plugferry/%s that is a link is refused, and nothing behind it is touched',
    async (name) => {
      const sshd = await startSshd();
      const reach = ['--identity', sshd.identity, '--known-hosts', sshd.knownHosts];
      await spoils['a relative link to what was there']!(control(...(name === '' ? [] : [name])));
      const before = await behind(victim);
      for (const args of [
        ['import', next, '--to', sshd.url(volume), '--public-key', pub],
        ['prune', sshd.url(volume), '--keep', '1'],
        ['rollback', sshd.url(volume)],
        ['history', sshd.url(volume)],
        ['receipt', sshd.url(volume)],
      ]) {
        const run = await cli([...args, ...reach, '--json']);
        expect([run.code, errorCode(run)], `${args[0]}: ${run.stdout}`).toEqual([3, 'E_RELEASE']);
        expect(await behind(victim), args[0]).toEqual(before);
      }
    },
  );
});

test('a state larger than any that Plugferry writes is refused before it is read', async () => {
  const file = await open(control('state.json'), 'r+');
  await file.truncate(64 * 1024 * 1024);
  await file.close();
  const audit = await open(control('audit.jsonl'), 'r');
  await audit.close();
  for (const args of [
    ['import', next, '--to', volume, '--public-key', pub],
    ['history', volume],
    ['rollback', volume],
  ]) {
    // A heap in which the file itself would not fit, let alone its text.
    const run = await cli([...args, '--json'], { node: ['--max-old-space-size=48'] });
    expect([run.code, errorCode(run)], run.stdout + run.stderr).toEqual([3, 'E_RELEASE']);
    expect(run.stdout).toContain('larger than');
  }
});
