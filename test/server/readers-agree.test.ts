import { execFileSync } from 'node:child_process';
import {
  appendFile,
  mkdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { exportBundle, importBundle, rollbackVolume } from '../../src/index.js';
import type { Release } from '../../src/schema/release.js';
import { cli, errorCode, finished, start, type Started } from '../helpers/cli.js';
import { indexOf } from '../../src/server/index-of.js';
import { printed } from '../helpers/corpus.js';
import { freePort, get } from '../helpers/http.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';

const module = '/plugins/waf/1.0.0/plugin.wasm';
const trust = { insecureSkipSignature: true } as const;

/** A volume with two releases; the second one, which has one plugin more, is current. */
async function twoReleases(): Promise<{ root: string; first: string; second: string }> {
  const dir = await tempDir();
  const root = join(dir, 'volume');
  const releases: string[] = [];
  for (const [sequence, plugins] of [
    { 'waf@1.0.0': 'a', 'key-auth@1.0.0': 'b' },
    { 'cors@1.0.0': 'c' },
  ].entries()) {
    const tree = join(dir, `tree-${sequence}`);
    await tinyTree(tree, plugins);
    const output = join(dir, `${sequence}.tar.gz`);
    await exportBundle({ source: tree, output, sequence: sequence + 1 });
    releases.push((await importBundle({ bundle: output, to: root, trust })).release);
  }
  const [first = '', second = ''] = releases;
  return { root, first, second };
}

const recordOf = (root: string, id: string): string => join(root, '.plugferry/releases', id, 'release.json');

async function alter(file: string, change: (release: Release) => void): Promise<void> {
  const release = JSON.parse(await readFile(file, 'utf8')) as Release;
  change(release);
  await writeFile(file, `${JSON.stringify(release, null, 2)}\n`);
}

const otherDigit = (hex: string): string => `${hex.startsWith('0') ? '1' : '0'}${hex.slice(1)}`;

/** What may be wrong with the record of release `id`. */
const damages: Readonly<Record<string, (root: string, id: string) => Promise<void>>> = {
  'one digit of a digest is another': (root, id) =>
    alter(recordOf(root, id), ({ plugins: [plugin] }) => {
      plugin!.files[0]!.sha256 = otherDigit(plugin!.files[0]!.sha256);
    }),
  'one version is another': (root, id) =>
    alter(recordOf(root, id), ({ plugins: [plugin] }) => {
      plugin!.version = '1.0.1';
    }),
  'a plugin is left out': (root, id) => alter(recordOf(root, id), ({ plugins }) => void plugins.pop()),
  'a plugin is listed twice': (root, id) =>
    alter(recordOf(root, id), ({ plugins }) => void plugins.push(plugins.at(-1)!)),
  'the order is another': (root, id) => alter(recordOf(root, id), ({ plugins }) => void plugins.reverse()),
  'a file is listed twice': (root, id) =>
    alter(recordOf(root, id), ({ plugins: [plugin] }) => void plugin!.files.push(plugin!.files[0]!)),
  'a name leads elsewhere': (root, id) =>
    alter(recordOf(root, id), ({ plugins: [plugin] }) => {
      plugin!.name = '../waf';
    }),
  'the time of its making is none': (root, id) =>
    alter(recordOf(root, id), (release) => {
      release.createdAt = '2026-99-99T99:99:99Z';
    }),
  'the id is another': (root, id) =>
    alter(recordOf(root, id), (release) => {
      release.id = otherDigit(id);
    }),
  'a blank was added': async (root, id) =>
    writeFile(recordOf(root, id), `${await readFile(recordOf(root, id), 'utf8')} `),
  'a key stands there twice': async (root, id) =>
    writeFile(
      recordOf(root, id),
      (await readFile(recordOf(root, id), 'utf8')).replace('"tool"', '"tool": "x",\n  "tool"'),
    ),
  'it is gone': (root, id) => rm(recordOf(root, id)),
  'the state of the volume is damaged': (root) => writeFile(join(root, '.plugferry/state.json'), '{}\n'),
};

/** What may be wrong with a file of release `id`, which its record still lists. */
const bodies: Readonly<Record<string, (file: string) => Promise<unknown>>> = {
  'a module is missing': (file) => rm(file),
  'a module is cut off': (file) => truncate(file, 10),
  'a module is longer': (file) => appendFile(file, 'x'),
  'a module was replaced by a link': async (file) => {
    await rename(file, join(file, '../../other'));
    await symlink('../other', file);
  },
  'a module was replaced by a directory': async (file) => {
    await rm(file);
    await mkdir(file);
  },
  'a module was replaced by a pipe': async (file) => {
    await rm(file);
    execFileSync('mkfifo', [file]);
  },
  'a module was changed in place': async (file) => {
    const bytes = await readFile(file);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await writeFile(file, bytes);
    await utimes(file, new Date(), new Date(Date.now() + 5000));
  },
  'the directory of a version was replaced by a link': async (file) => {
    await rename(join(file, '..'), join(file, '../../../../away'));
    await symlink('../../away', join(file, '..'));
  },
  'the directory of a version was replaced by a file': async (file) => {
    await rm(join(file, '..'), { recursive: true });
    await writeFile(join(file, '..'), '');
  },
  'the directory of a plugin is missing': (file) => rm(join(file, '../..'), { recursive: true }),
  'a metadata.txt is missing': (file) => rm(join(file, '../metadata.txt')),
};

/** The code with which a command is refused. */
async function refusal(args: readonly string[]): Promise<string> {
  const { exit, stdout } = await printed([...args, '--json']);
  return exit === 3 ? (JSON.parse(stdout) as { error: { code: string } }).error.code : `exit ${exit}`;
}

/** `serve`, as it is run; `said` is its stderr so far. */
async function serving(root: string): Promise<{ url: string; child: Started; said: () => string }> {
  const port = await freePort();
  const child = start(['serve', root, '--port', String(port)]);
  const end = finished(child);
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await end;
  });
  return { url: `http://127.0.0.1:${port}`, child, said: () => child.printed.stderr };
}

const statusOf = (url: string, path: string): Promise<number> =>
  get(url, path).then(
    ({ status }) => status,
    () => 0,
  );

const patience = { timeout: 60_000, interval: 50 };

describe('serve refuses what list refuses', () => {
  test.each(Object.entries(damages))('where %s', async (_what, damage) => {
    const { root, second } = await twoReleases();
    await damage(root, second);
    const listed = await cli(['list', root, '--json']);
    expect(errorCode(listed)).toBe('E_RELEASE');
    const served = await cli(['serve', root, '--port', '0', '--json']);
    expect(errorCode(served)).toBe('E_RELEASE');
    expect(served.code).toBe(listed.code);
  });

  test.each(Object.entries(bodies))('where %s', async (_what, damage) => {
    const { root, second } = await twoReleases();
    await damage(join(root, '.plugferry/releases', second, 'plugins/waf/1.0.0/plugin.wasm'));
    await expect(indexOf(root, new AbortController().signal)).rejects.toMatchObject({ code: 'E_RELEASE' });
    for (const args of [
      ['list', root],
      ['diff', root, root],
      ['receipt', root],
    ])
      expect([args[0], await refusal(args)]).toEqual([args[0], 'E_RELEASE']);
    // What leads out of it says what is wrong, and works.
    const verified = await printed(['verify', root, '--json']);
    expect([verified.exit, verified.stdout]).toEqual([3, expect.stringContaining('waf')]);
    expect(await printed(['history', root])).toMatchObject({ exit: 0 });
  });

  test('and goes on with the release before where the next one is damaged', async () => {
    const { root, first, second } = await twoReleases();
    await rollbackVolume(root, {});
    await damages['one digit of a digest is another']!(root, second);
    const { url, said } = await serving(root);
    await expect.poll(() => statusOf(url, module), patience).toBe(200);
    const { headers } = await get(url, module);
    await relink(root, `.plugferry/releases/${second}/plugins`);
    await expect
      .poll(said, patience)
      .toMatch(/the change is refused, the release before goes on: E_RELEASE: .*was altered/);
    expect((await get(url, module)).headers).toMatchObject({ etag: headers.etag });
    expect(await statusOf(url, '/readyz')).toBe(200);
    expect(JSON.parse((await get(url, '/plugins/index.json')).body.toString())).toMatchObject({
      release: first,
    });
  });

  test('a module that was changed in place is not sent with the digest that was recorded', async () => {
    const { root, first, second } = await twoReleases();
    const file = join(root, '.plugferry/releases', second, module);
    const bytes = await readFile(file);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await writeFile(file, bytes);
    await utimes(file, new Date(), new Date(Date.now() + 1000));
    expect(errorCode(await cli(['rollback', root, '--to', first, '--json']))).toBe('E_RELEASE');
    expect(errorCode(await cli(['serve', root, '--port', '0', '--json']))).toBe('E_RELEASE');
  });
});

async function relink(root: string, target: string): Promise<void> {
  await rm(join(root, 'plugins'), { recursive: true, force: true });
  await symlink(target, join(root, 'plugins'));
}

/** What may become of the link of a volume, by hand, by a restore, or by an unmount. */
const losses: Readonly<Record<string, (root: string) => Promise<unknown>>> = {
  'the link is removed': (root) => rm(join(root, 'plugins')),
  'the link leads to /etc': (root) => relink(root, '/etc'),
  'the link leads nowhere': (root) => relink(root, '.plugferry/releases/nowhere/plugins'),
  'the link leads to itself': (root) => relink(root, 'plugins'),
  'the link leads to the volume': (root) => relink(root, '.'),
  'the link leads to a plain tree': async (root) => {
    await tinyTree(join(root, '../elsewhere'), { 'other@1.0.0': 'x' });
    await relink(root, '../elsewhere/plugins');
  },
  'an empty directory stands in its place': async (root) => {
    await rm(join(root, 'plugins'));
    await mkdir(join(root, 'plugins'));
  },
  'a file stands in its place': async (root) => {
    await rm(join(root, 'plugins'));
    await writeFile(join(root, 'plugins'), '');
  },
};

/** What may become of a whole volume that is served. */
const disappearances: Readonly<Record<string, (root: string) => Promise<unknown>>> = {
  'the volume is moved away': (root) => rename(root, `${root}.away`),
  'the volume is unmounted': async (root) => {
    await rename(root, `${root}.away`);
    await mkdir(root);
  },
  'the volume is unmounted from a place that held an older plain tree': async (root) => {
    await rename(root, `${root}.away`);
    await tinyTree(root, { 'other@1.0.0': 'x' });
  },
  'only its releases are left out of a restore': async (root) => {
    await rename(root, `${root}.away`);
    await mkdir(join(root, '.plugferry'), { recursive: true });
    await mkdir(join(root, 'plugins'));
  },
};

describe('404 means never', () => {
  test.each(Object.entries({ ...losses, ...disappearances }))(
    'also while a server runs and %s',
    async (_what, lose) => {
      const { root } = await twoReleases();
      const target = await readlink(join(root, 'plugins'));
      const { url, said } = await serving(root);
      await expect.poll(() => statusOf(url, module), patience).toBe(200);
      await lose(root);
      await expect.poll(said, patience).toContain('the change is refused, the release before goes on');
      // What was moved away cannot be read; it is still not gone for ever.
      const isThere = await readFile(join(root, '.plugferry/state.json')).then(
        () => true,
        () => false,
      );
      expect(await statusOf(url, module)).toBe(isThere ? 200 : 503);
      expect(await statusOf(url, '/plugins/cors/1.0.0/plugin.wasm')).toBe(isThere ? 200 : 503);
      if (!isThere) {
        await rm(root, { recursive: true, force: true });
        await rename(`${root}.away`, root);
      } else await relink(root, target);
      await expect.poll(() => statusOf(url, module), patience).toBe(200);
      await expect.poll(said, patience).toContain('now serving 3 plugins of release');
      expect(said()).not.toMatch(/"status":404/);
    },
  );

  test.each(Object.entries(losses))(
    'and list, diff and receipt refuse a volume where %s',
    async (_what, lose) => {
      const { root } = await twoReleases();
      await lose(root);
      for (const args of [
        ['list', root],
        ['diff', root, root],
        ['receipt', root],
      ])
        expect([args[0], await refusal(args)]).toEqual([args[0], 'E_RELEASE']);
      for (const verb of ['verify', 'history']) {
        const { stdout, stderr } = await printed([verb, root, '--json']);
        expect(stdout + stderr).toMatch(/is missing|does not lead|holds no|neither a directory/);
      }
    },
  );

  test('a tree that no import has turned into a release yet is still listed', async () => {
    const { root } = await twoReleases();
    await rm(join(root, 'plugins'));
    await tinyTree(root, { 'other@1.0.0': 'x' });
    expect(await printed(['list', root])).toMatchObject({
      exit: 0,
      stdout: expect.stringContaining('other') as string,
    });
  });

  test.each(Object.entries(losses))('also at the start, where %s', async (_what, lose) => {
    const { root } = await twoReleases();
    const target = await readlink(join(root, 'plugins'));
    await lose(root);
    const { url, said, child } = await serving(root);
    await expect
      .poll(said, patience)
      .toMatch(/nothing is served yet, all requests get 503.*E_RELEASE: .*plugins/);
    for (const path of [module, '/readyz', '/', '/plugins/', '/plugins/index.json', '/none'])
      expect([path, await statusOf(url, path)]).toEqual([path, 503]);
    expect((await get(url, '/readyz')).body.toString()).toContain('the volume has releases');
    expect(await statusOf(url, '/healthz')).toBe(200);
    expect(said()).not.toContain('serving 0 plugins');
    await relink(root, target);
    await expect.poll(() => statusOf(url, module), patience).toBe(200);
    expect(await statusOf(url, '/readyz')).toBe(200);
    expect(said().match(/nothing is served yet/g)).toHaveLength(1);
    expect(child.exitCode).toBeNull();
  });

  test.each(['state.json', 'releases'])('also where only %s is left', async (left) => {
    const { root } = await twoReleases();
    await rename(join(root, '.plugferry', left), join(root, 'kept'));
    await rm(join(root, '.plugferry'), { recursive: true });
    await rm(join(root, 'plugins'));
    await mkdir(join(root, '.plugferry'));
    await rename(join(root, 'kept'), join(root, '.plugferry', left));
    const { url } = await serving(root);
    await expect.poll(() => statusOf(url, '/readyz'), patience).toBe(503);
    expect(await statusOf(url, module)).toBe(503);
  });

  test('and a server that waits for a volume stops when it is told to', async () => {
    const { root } = await twoReleases();
    await rm(join(root, 'plugins'));
    const child = start(['serve', root, '--port', '0']);
    const end = finished(child);
    await expect.poll(() => child.printed.stderr, patience).toContain('nothing is served yet');
    child.kill('SIGTERM');
    expect(await end).toMatchObject({ signal: null, code: 143 });
  });

  test('a volume into which nothing was imported is still empty, and not waited for', async () => {
    const dir = await tempDir();
    await mkdir(join(dir, '.plugferry/releases'), { recursive: true });
    const { url } = await serving(dir);
    await expect.poll(() => statusOf(url, '/healthz'), patience).toBe(200);
    expect((await get(url, '/readyz')).body.toString()).toContain('no plugins');
  });
});
