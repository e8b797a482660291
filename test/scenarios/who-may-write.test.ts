import { execFileSync } from 'node:child_process';
import {
  chmod,
  chown,
  link,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { binary, cli, errorCode, type CliOptions } from '../helpers/cli.js';
import { testKey } from '../helpers/keys.js';
import { expectNoSecret, secret } from '../helpers/secrets.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { canMount, mounted, remount } from '../volume/mount.js';

const isRoot = process.geteuid?.() === 0;
// eslint-disable-next-line no-console
if (!isRoot) console.warn('tests with files of several users are skipped: they need root');

/** Debian's www-data, whose group has no other member, and nobody, whose group has. */
const loner = 33;
const nobody = 65534;
const hasLoner = ((): boolean => {
  try {
    return execFileSync('getent', ['passwd', 'www-data']).toString().startsWith('www-data:x:33:33:');
  } catch {
    return false;
  }
})();

async function scene() {
  const home = await tempDir();
  await tinyTree(join(home, 'tree'), { 'waf@1.0.0': 'a' });
  const { key, pub } = await (await testKey()).writeTo(home);
  const made = await cli(['export', 'tree', '-o', 'b.tar.gz', '--signing-key', key, '--allow-plain-key'], {
    cwd: home,
  });
  expect(made.code).toBe(0);
  const run = (args: string[], options: CliOptions = {}) => cli(args, { cwd: home, ...options });
  const importTo = (to: string, ...[more = [], options]: [string[]?, CliOptions?]) =>
    run(['import', 'b.tar.gz', '--to', to, '--public-key', pub, ...more], options);
  return { home, pub, run, importTo, at: (...names: string[]) => join(home, ...names) };
}

/** Owner and group are given as `33`, or `[0, 33]`. */
async function directory(path: string, mode: number, owner?: number | [number, number]): Promise<string> {
  await mkdir(path, { recursive: true });
  const [uid, gid = uid] = [owner ?? []].flat();
  if (uid !== undefined) await chown(path, uid, gid ?? uid);
  await chmod(path, mode);
  return path;
}

describe('a volume', () => {
  test('whose root everybody may write is refused before anything is written, with the chmod that mends it', async () => {
    const { at, importTo } = await scene();
    for (const mode of [0o777, 0o1777, 0o775, 0o757]) {
      const root = await directory(at('ww'), mode);
      const run = await importTo('ww');
      expect([run.code, run.stderr]).toEqual([3, expect.stringContaining(`chmod go-w "${root}"`)]);
      expect(await readdir(root)).toEqual([]);
    }
    await chmod(at('ww'), 0o755);
    expect((await importTo('ww')).code).toBe(0);
  });

  test('below a directory that everybody may write is refused, and nothing is made there', async () => {
    const { at, importTo } = await scene();
    const open = await directory(at('open'), 0o777);
    const inside = await directory(at('open/inner/volume'), 0o755);
    for (const to of ['open/new/volume', 'open/volume', inside]) {
      const run = await importTo(to);
      expect([run.code, run.stderr]).toEqual([3, expect.stringContaining(`${open}: mode 777 lets others`)]);
    }
    expect(await readdir(open)).toEqual(['inner']);
    expect(await readdir(inside)).toEqual([]);
  });

  test('behind a link that stands where others may exchange it is refused', async () => {
    const { at, importTo } = await scene();
    const real = await directory(at('real'), 0o755);
    await directory(at('open'), 0o777);
    await symlink(real, at('open/link'));
    await symlink('open/link', at('way'));
    for (const to of ['way', 'way/deeper', 'open/../way']) expect((await importTo(to)).code, to).toBe(3);
    expect(await readdir(real)).toEqual([]);
  });

  test('below a sticky directory is fine where what is used of it is ours', async () => {
    const { at, importTo } = await scene();
    await directory(at('tmp'), 0o1777);
    expect((await importTo('tmp/ours')).code).toBe(0);
    expect((await importTo('tmp/new/ours')).code).toBe(0);
    await symlink('ours', at('tmp/link'));
    expect((await importTo('tmp/link')).code).toBe(0);
  });

  test.skipIf(!isRoot)(
    'that somebody else owns, or a directory above it, is refused to root too',
    async () => {
      const { at, importTo } = await scene();
      const theirs = await directory(at('theirs'), 0o755, nobody);
      const run = await importTo('theirs');
      expect([run.code, run.stderr]).toEqual([3, expect.stringContaining(`chown root "${theirs}"`)]);
      expect(run.stderr).toContain('Run as the user who owns');
      expect((await importTo('theirs/deeper')).code).toBe(3);
      expect(await readdir(theirs)).toEqual([]);
      await directory(at('tmp'), 0o1777);
      await directory(at('tmp/theirs'), 0o755, nobody);
      await directory(at('tmp/theirs/volume'), 0o755);
      for (const to of ['tmp/theirs', 'tmp/theirs/volume']) expect((await importTo(to)).code, to).toBe(3);
      // The same as its owner.
      expect((await importTo('theirs', [], { user: nobody })).code).toBe(0);
    },
  );

  test.skipIf(!isRoot || !hasLoner)(
    'in a group that only its owner is in is fine, as umask 002 makes it',
    async () => {
      const { at, importTo } = await scene();
      await directory(at('own'), 0o775, loner);
      expect((await importTo('own', [], { user: loner })).code).toBe(0);
      // As fsGroup makes the root of a claim.
      await directory(at('claim'), 0o2775, [0, loner]);
      expect((await importTo('claim', [], { user: loner })).code).toBe(0);
      // The group of nobody is that of others, too.
      await directory(at('shared'), 0o775, nobody);
      expect((await importTo('shared', [], { user: nobody })).code).toBe(3);
      expect(await readdir(at('shared'))).toEqual([]);
    },
  );

  test('that others may write is used where it is named as safe: said aloud, logged, and no wider', async () => {
    const { at, importTo, run } = await scene();
    const shared = await directory(at('shared'), 0o2777);
    const safe = ['--safe-directory', 'shared'];
    const first = await importTo('shared', safe);
    expect([first.code, first.stderr]).toEqual([0, expect.stringContaining('named as a safe directory')]);
    const [line = ''] = (await readFile(join(shared, '.plugferry/audit.jsonl'), 'utf8')).split('\n');
    expect(JSON.parse(line)).toMatchObject({ result: 'done', safeDirectories: [shared] });
    expect((await run(['verify', 'shared', ...safe])).code).toBe(0);
    const found = await run(['verify', 'shared', '--json']);
    expect(JSON.parse(found.stdout)).toMatchObject({
      findings: [{ kind: 'exposed', path: shared, found: 'mode 2777 lets others write it' }],
    });
    for (const args of [
      ['prune', 'shared'],
      ['alias', 'shared', 'waf', '1.0.1=1.0.0'],
      ['rollback', 'shared'],
    ])
      expect((await run(args)).code, args[0]).toBe(3);
    expect((await run(['alias', 'shared', 'waf', '1.0.1=1.0.0', ...safe])).code).toBe(0);
    // Not what is above it, nor what is in it.
    await chmod(join(shared, '.plugferry'), 0o777);
    expect((await importTo('shared', safe)).code).toBe(3);
    await chmod(join(shared, '.plugferry'), 0o755);
    await chmod(at(), 0o777);
    expect((await run(['prune', 'shared', ...safe])).code).toBe(3);
  });
});

describe('under umask 077', () => {
  test('a new volume, and what is made above it, can be read by other users', async () => {
    const { home, pub, at } = await scene();
    const before = process.umask(0o077);
    try {
      const run = await cli(['import', 'b.tar.gz', '--to', 'um/deep/vol', '--public-key', pub], {
        cwd: home,
      });
      expect([run.code, run.stderr]).toEqual([0, expect.not.stringContaining('warning')]);
    } finally {
      process.umask(before);
    }
    for (const made of ['um', 'um/deep', 'um/deep/vol', 'um/deep/vol/.plugferry'])
      expect((await stat(at(made))).mode & 0o777, made).toBe(0o755);
    expect((await stat(at('um/deep/vol/.plugferry/audit.jsonl'))).mode & 0o777).toBe(0o644);
  });

  test('a directory that was there and lets nobody in is named', async () => {
    const { at, importTo } = await scene();
    const closed = await directory(at('closed'), 0o700);
    const run = await importTo('closed/vol');
    expect([run.code, run.stderr]).toEqual([0, expect.stringContaining(`chmod o+x "${closed}"`)]);
    expect((await stat(closed)).mode & 0o777).toBe(0o700);
    // Once: whoever made it so was told.
    expect((await importTo('closed/vol')).stderr).not.toContain('chmod o+x');
  });
});

describe('a trust store or a configuration', () => {
  test('below a directory that others may write is refused: they could exchange it', async () => {
    const { at, pub, run } = await scene();
    const verify = () => run(['verify', 'b.tar.gz', '--trust', 'pp/in/trust', '--json']);
    await directory(at('pp/in'), 0o755);
    for (const args of [
      ['trust', 'init', 'pp/in/trust'],
      ['trust', 'add', 'pp/in/trust', pub, '--name', 'dev', '--role', 'dev'],
      ['trust', 'set', 'pp/in/trust', 'default', '--require', 'dev=1'],
    ])
      expect((await run(args)).stderr).not.toContain('error');
    await writeFile(at('pp/in/plugferry.yaml'), 'type: plugferry.config/v1\ndefaults: { set: x }\n');
    const configured = () => run(['config', 'show', '--config', 'pp/in/plugferry.yaml', '--json']);
    expect([(await verify()).code, (await configured()).code]).toEqual([0, 0]);
    await chmod(at('pp'), 0o777);
    expect([(await verify()).code, (await configured()).code]).toEqual([4, 2]);
    await chmod(at('pp'), 0o1777);
    expect([(await verify()).code, (await configured()).code]).toEqual([0, 0]);
  });
});

describe('a key file', () => {
  const secretFile = async (path: string, mode: number): Promise<string> => {
    await writeFile(path, `${secret('four words of yours')}\n`);
    await chmod(path, mode);
    return path;
  };

  test('with a secret that others may read or write is refused, with the chmod that mends it', async () => {
    const { at, run } = await scene();
    const keygen = (name: string, options: CliOptions = {}) =>
      run(['keygen', name, '--passphrase-file', 'pass', '--json'], options);
    for (const mode of [0o644, 0o640, 0o660, 0o606, 0o602, 0o604, 0o777]) {
      await secretFile(at('pass'), mode);
      const refused = await keygen('k');
      expect([refused.code, errorCode(refused)], mode.toString(8)).toEqual([2, 'E_EXPOSED']);
      expect(refused.stdout).toContain('chmod 600');
    }
    expect(await readdir(at())).not.toContain('k.key');
    for (const mode of [0o600, 0o400]) {
      await chmod(at('pass'), mode);
      expect((await keygen(`k${mode}`)).code).toBe(0);
    }
    // As Secrets are mounted: behind links.
    await symlink('pass', at('link'));
    await chmod(at('pass'), 0o644);
    expect((await run(['keygen', 'k2', '--passphrase-file', 'link'])).code).toBe(2);
    // What the shell opened is the shell's business.
    const words = [process.execPath, binary, 'keygen', 'k3', '--passphrase-fd', '3'];
    const shell = ['-c', 'exec "$@" 3<pass 2>&1', 'sh', ...words];
    expectNoSecret(execFileSync('/bin/sh', shell, { cwd: at(), encoding: 'utf8' }), 'keygen');
  });

  test('private: one that others may read does not sign', async () => {
    const { at, run } = await scene();
    await chmod(at('ada.key'), 0o644);
    const args = [
      'export',
      'tree',
      '-o',
      'c.tar.gz',
      '--signing-key',
      'ada.key',
      '--allow-plain-key',
      '--json',
    ];
    expect(errorCode(await run(args))).toBe('E_EXPOSED');
    expect(await readdir(at())).not.toContain('c.tar.gz');
    await chmod(at('ada.key'), 0o600);
    expect((await run(args)).code).toBe(0);
  });

  test('public: one that others may change is refused, also by its directory', async () => {
    const { at, pub, run } = await scene();
    await directory(at('open/in'), 0o755);
    await writeFile(at('open/in/k.pub'), await readFile(pub));
    const verify = () => run(['verify', 'b.tar.gz', '--public-key', 'open/in/k.pub', '--json']);
    expect((await verify()).code).toBe(0);
    for (const [path, bad, good] of [
      ['open/in/k.pub', 0o666, 0o644],
      ['open/in/k.pub', 0o664, 0o444],
      ['open/in', 0o777, 0o755],
      ['open', 0o777, 0o755],
    ] as const) {
      await chmod(at(path), bad);
      const refused = await verify();
      expect([refused.code, errorCode(refused)], path).toEqual([2, 'E_EXPOSED']);
      expect(refused.stdout).toContain('chmod go-w');
      await chmod(at(path), good);
    }
    expect((await verify()).code).toBe(0);
  });

  test.skipIf(!isRoot || !hasLoner)('of other users, and of groups', async () => {
    const { at, run } = await scene();
    const keygen = async (options: CliOptions = {}) =>
      (
        await run(['keygen', '../out/k', '--passphrase-file', 'pass', '--json'], {
          cwd: at('keys'),
          ...options,
        })
      ).code;
    await directory(at('keys'), 0o755);
    const attempt = async (
      mode: number,
      [uid, gid]: [number, number],
      user: number,
    ): Promise<number | null> => {
      await directory(at('out'), 0o755, user);
      await secretFile(at('keys/pass'), mode);
      await chown(at('keys/pass'), uid, gid);
      const code = await keygen({ user });
      await rm(at('out'), { recursive: true });
      return code;
    };
    // Root reads what its caller has.
    expect(await attempt(0o600, [loner, loner], 0)).toBe(0);
    expect(await attempt(0o644, [loner, loner], 0)).toBe(2);
    // What root lays down for the group of a service; never for everybody.
    expect(await attempt(0o640, [0, nobody], nobody)).toBe(0);
    expect(await attempt(0o644, [0, nobody], nobody)).toBe(2);
    expect(await attempt(0o660, [0, nobody], nobody)).toBe(2);
    // The user's own group, under umask 002.
    expect(await attempt(0o660, [loner, loner], loner)).toBe(0);
    expect(await attempt(0o660, [nobody, nobody], nobody)).toBe(2);
    expect(await attempt(0o644, [loner, loner], nobody)).toBe(2);
  });

  test.skipIf(!isRoot)(
    'public: of another user is refused to root, unless that one called sudo',
    async () => {
      const { pub, run } = await scene();
      await chown(pub, nobody, nobody);
      const verify = (env = {}) => run(['verify', 'b.tar.gz', '--public-key', pub, '--json'], { env });
      const refused = await verify();
      expect([errorCode(refused), refused.stdout]).toEqual(['E_EXPOSED', expect.stringContaining('chown 0')]);
      expect((await verify({ SUDO_UID: String(nobody) })).code).toBe(0);
      expect((await verify({ SUDO_UID: String(loner) })).code).toBe(2);
    },
  );

  test.skipIf(!canMount)(
    'on a read-only mount is taken as it is: Secrets of containers are mounted so',
    async () => {
      const { at, run } = await scene();
      const place = await mounted('size=64k');
      await secretFile(join(place, 'pass'), 0o444);
      remount(place, 'ro');
      expect((await run(['keygen', at('k'), '--passphrase-file', join(place, 'pass')])).code).toBe(0);
    },
  );

  test('of a server or a network: tokens, client keys and SSH keys, too', async () => {
    const { at, run } = await scene();
    await secretFile(at('token'), 0o644);
    await writeFile(at('hosts'), '');
    await chmod(at('hosts'), 0o666);
    const far = ['verify', 'sftp://a@127.0.0.1:1/b.tar.gz', '--public-key', 'ada.pub', '--json'];
    const near = ['verify', 'b.tar.gz', '--public-key', 'ada.pub', '--json'];
    expect(errorCode(await run([...near, '--http-token-file', 'token']))).toBe('E_EXPOSED');
    await writeFile(at('ca.pem'), '');
    await chmod(at('ca.pem'), 0o666);
    expect(errorCode(await run([...near, '--ca-file', 'ca.pem']))).toBe('E_EXPOSED');
    expect(errorCode(await run([...far, '--known-hosts', 'hosts']))).toBe('E_EXPOSED');
  });
});

describe('verify names', () => {
  const findings = async (run: Awaited<ReturnType<typeof scene>>['run']) => {
    const { stdout } = await run(['verify', 'vol', '--json']);
    return (JSON.parse(stdout) as { findings: { kind: string; path: string; found?: string }[] }).findings;
  };

  test('files and directories that others may write, links, and files with a name elsewhere', async () => {
    const { at, run, importTo } = await scene();
    expect((await importTo('vol')).code).toBe(0);
    expect(await findings(run)).toEqual([]);
    const release = `.plugferry/releases/${(await readdir(at('vol/.plugferry/releases')))[0] ?? ''}`;
    const module = `${release}/plugins/waf/1.0.0/plugin.wasm`;
    await chmod(at('vol', release, 'plugins/waf'), 0o777);
    await chmod(at('vol/.plugferry/audit.jsonl'), 0o666);
    await link(at('vol', module), at('elsewhere.wasm'));
    await rename(at('vol', release, 'evidence'), at('evidence'));
    await symlink(at('evidence'), at('vol', release, 'evidence'));
    const found = await findings(run);
    expect(found.map(({ kind }) => kind).sort()).toEqual(['exposed', 'exposed', 'exposed', 'missing']);
    const about = (path: string) => found.find((each) => each.path === path)?.found;
    expect(about(`${release}/plugins/waf`)).toBe('mode 777 lets others write it');
    expect(about('.plugferry/audit.jsonl')).toBe('mode 666 lets others write it');
    expect(about(`${release}/evidence`)).toBe('a symbolic link');
    expect(found.filter(({ found: text = '' }) => text.startsWith('has 3 names, expected 2'))).toHaveLength(
      1,
    );
  });

  test.skipIf(!isRoot)('files of another user, and a root that is one', async () => {
    const { at, run, importTo } = await scene();
    expect((await importTo('vol')).code).toBe(0);
    const [release = ''] = await readdir(at('vol/.plugferry/releases'));
    const record = `.plugferry/releases/${release}/release.json`;
    await chown(at('vol', record), nobody, nobody);
    await chown(at('vol'), nobody, nobody);
    const found = await findings(run);
    expect(found.map(({ path }) => path)).toEqual([record, at('vol')]);
    expect(new Set(found.map(({ found: text }) => text))).toEqual(
      new Set([`user ${nobody} owns it, expected root`]),
    );
  });

  test.skipIf(!isRoot)('nothing in a volume that all belongs to another user than who asks', async () => {
    const { at, run, importTo } = await scene();
    await directory(at('theirs'), 0o755, nobody);
    await directory(at('theirs/vol'), 0o755, nobody);
    expect((await importTo('theirs/vol', [], { user: nobody })).code).toBe(0);
    expect((await run(['verify', 'theirs/vol'])).code).toBe(0);
  });
});
