import { execFileSync, spawnSync } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cli, errorCode, type CliRun } from '../helpers/cli.js';
import { get } from '../helpers/http.js';
import { testKey } from '../helpers/keys.js';
import { hasNginx, startNginx } from '../helpers/nginx.js';
import { startServe } from '../helpers/server.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { realModules, realTree, tinyTree } from '../helpers/tree.js';

/** Makes a key pair and a function that runs the binary in a directory. */
async function workplace() {
  const directory = await tempDir();
  const key = await testKey('dev');
  await key.writeTo(directory);
  const run = (...args: string[]): Promise<CliRun> =>
    cli(args, { cwd: directory, env: { SOURCE_DATE_EPOCH: '1767323045' } });
  const exported = (output: string, ...more: string[]): Promise<CliRun> =>
    run('export', 'plugins', '-o', output, '--signing-key', 'dev.key', '--allow-plain-key', ...more);
  return { directory, key, run, exported };
}

const sh = (command: string, cwd: string): string =>
  execFileSync('sh', ['-c', command], { cwd, env: { PATH: process.env['PATH'], LC_ALL: 'C' } }).toString();

describe('real modules', () => {
  test('go out, are accepted by stock tools, come in, and are served as they were', async () => {
    const { directory, key, run, exported } = await workplace();
    await realTree(directory);
    const made = await exported('edge.tar.gz');
    expect(made).toMatchObject({ code: 0, signal: null });

    // No Plugferry from here: tar, md5sum, sha256sum and openssl are enough.
    await mkdir(join(directory, 'stock'));
    sh('tar xzf ../edge.tar.gz', join(directory, 'stock'));
    const lines = Object.keys(realModules).length * 2 + 2;
    for (const tool of ['md5sum', 'sha256sum']) {
      const checked = sh(`${tool} -c checksums.${tool.slice(0, -3)}`, join(directory, 'stock'))
        .trim()
        .split('\n');
      expect(checked).toHaveLength(lines);
      expect(checked.filter((line) => !line.endsWith(': OK'))).toEqual([]);
    }
    const signature = `signatures/${key.keyId}.sig`;
    const openssl = `openssl dgst -sha256 -verify ../dev.pub -signature ${signature} manifest.json`;
    expect(sh(openssl, join(directory, 'stock'))).toBe('Verified OK\n');
    // The two equal modules were stored once.
    expect(sh('tar tvzf ../edge.tar.gz', join(directory, 'stock'))).toMatch(
      /^h.* plugins\/resvg\/2\.0\.0\/plugin\.wasm link to plugins\/resvg\/1\.0\.0\/plugin\.wasm$/m,
    );

    expect(await run('verify', 'edge.tar.gz', '--public-key', 'dev.pub')).toMatchObject({ code: 0 });
    expect(await run('import', 'edge.tar.gz', '--to', 'volume', '--public-key', 'dev.pub')).toMatchObject({
      code: 0,
    });
    const server = await startServe(join(directory, 'volume'));
    const nginx = hasNginx ? await startNginx(join(directory, 'volume')) : undefined;
    try {
      for (const [name, file] of Object.entries(realModules)) {
        const original = await readFile(file);
        for (const { url } of [server, ...(nginx === undefined ? [] : [nginx])]) {
          const { status, body } = await get(url, `/plugins/${name}/1.0.0/plugin.wasm`);
          expect([status, body.equals(original)], `${name} at ${url}`).toEqual([200, true]);
        }
      }
      const metadata = await get(server.url, '/plugins/resvg/2.0.0/metadata.txt');
      expect(metadata.body.toString()).toContain(`Size: ${(await readFile(realModules.resvg)).length} bytes`);
    } finally {
      await nginx?.stop();
      expect(await server.stop()).toMatchObject({ code: 0, signal: null });
    }
  });
});

describe('exporting', () => {
  test('twice gives the same bytes, from wherever and in whatever time zone', async () => {
    const { directory, exported } = await workplace();
    await tinyTree(directory, { 'waf@1.0.0': 'a', 'key-auth@1.0.0': 'b', 'key-auth@2.0.0': 'b' });
    await exported('one.tar.gz');
    const other = join(directory, 'elsewhere');
    await tinyTree(other, { 'key-auth@2.0.0': 'b', 'key-auth@1.0.0': 'b', 'waf@1.0.0': 'a' });
    const second = await cli(
      ['export', other, '-o', '../two.tar.gz', '--signing-key', '../dev.key', '--allow-plain-key'],
      { cwd: other, env: { SOURCE_DATE_EPOCH: '1767323045', TZ: 'America/New_York', LC_ALL: 'zh_CN.UTF-8' } },
    );
    expect(second).toMatchObject({ code: 0 });
    const [one, two] = await Promise.all(
      ['one', 'two'].map((name) => readFile(join(directory, `${name}.tar.gz`))),
    );
    expect(one!.equals(two!)).toBe(true);
  });

  test('takes a selection, and says what there is when nothing fits', async () => {
    const { directory, run, exported } = await workplace();
    await tinyTree(directory, { 'waf@1.0.0': 'a', 'key-auth@1.0.0': 'b', 'hmac-auth@2.0.0': 'c' });
    expect(await exported('auth.tar.gz', '--plugin', '*-auth', '--exclude', 'hmac-*')).toMatchObject({
      code: 0,
    });
    const inspected = JSON.parse((await run('inspect', 'auth.tar.gz', '--json')).stdout) as {
      verified: boolean;
      manifest: { plugins: { name: string; source: unknown }[] };
    };
    expect(inspected.verified).toBe(false);
    expect(inspected.manifest.plugins.map(({ name }) => name)).toEqual(['key-auth']);
    const nothing = await exported('none.tar.gz', '--plugin', 'jwt-*', '--json');
    expect([nothing.code, errorCode(nothing)]).toEqual([2, 'E_SELECTION']);
    for (const name of ['waf', 'key-auth', 'hmac-auth']) expect(nothing.stderr).toContain(name);
    expect([...(await treeOf(directory)).keys()].filter((name) => name.includes('none'))).toEqual([]);
  });

  test('does not replace a file without --force, and never a directory', async () => {
    const { directory, exported } = await workplace();
    await tinyTree(directory, { 'waf@1.0.0': 'a' });
    await writeFile(join(directory, 'set.tar.gz'), 'precious');
    const refused = await exported('set.tar.gz', '--json');
    expect([refused.code, errorCode(refused)]).toEqual([6, 'E_EXISTS']);
    expect(await readFile(join(directory, 'set.tar.gz'), 'utf8')).toBe('precious');
    expect(await exported('set.tar.gz', '--force')).toMatchObject({ code: 0 });
    await mkdir(join(directory, 'dir.tar.gz'));
    expect(errorCode(await exported('dir.tar.gz', '--force', '--json'))).toBe('E_EXISTS');
    const missing = await exported('no/such/set.tar.gz', '--json');
    expect([missing.code, errorCode(missing)]).toEqual([2, 'E_NOT_FOUND']);
  });

  test('refuses what the tree says wrongly, naming both values', async () => {
    const { directory, exported } = await workplace();
    await tinyTree(directory, { 'waf@1.0.0': 'a' });
    const metadata = ['Plugin Name: waf', 'Size: 5 bytes', 'Last Modified: 2020-09-13T12:26:40'];
    const lines = [...metadata, 'Created: 2026-11-22T13:47:41.135492', `MD5: ${'0'.repeat(32)}`, ''];
    await writeFile(join(directory, 'plugins/waf/1.0.0/metadata.txt'), lines.join('\n'));
    const refused = await exported('set.tar.gz', '--json');
    expect([refused.code, errorCode(refused)]).toEqual([3, 'E_METADATA']);
    await writeFile(join(directory, 'plugins/waf/1.0.0/plugin.wasm'), '<!doctype html>');
    const page = await exported('set.tar.gz', '--json');
    expect([page.code, errorCode(page)]).toEqual([5, 'E_WASM']);
  });
});

describe('importing', () => {
  const importTo = ['--to', 'volume', '--public-key', 'dev.pub', '--json'] as const;

  test('merges, leaves unchanged what is there already, and refuses other bytes under an old name', async () => {
    const { directory, run, exported } = await workplace();
    await tinyTree(directory, { 'waf@1.0.0': 'a', 'key-auth@1.0.0': 'b' });
    await exported('one.tar.gz', '--sequence', '1');
    expect(await run('import', 'one.tar.gz', ...importTo)).toMatchObject({ code: 0 });
    const again = await run('import', 'one.tar.gz', ...importTo);
    expect((JSON.parse(again.stdout) as { outcome: string }).outcome).toBe('unchanged');

    await tinyTree(directory, { 'waf@2.0.0': 'c' });
    await exported('two.tar.gz', '--plugin', 'waf@2.0.0', '--sequence', '2');
    expect(await run('import', 'two.tar.gz', ...importTo)).toMatchObject({ code: 0 });
    const listed = await run('list', 'volume', '--json');
    const ids = (JSON.parse(listed.stdout) as { plugins: { name: string; version: string }[] }).plugins;
    expect(ids.map(({ name, version }) => `${name}@${version}`)).toEqual([
      'key-auth@1.0.0',
      'waf@1.0.0',
      'waf@2.0.0',
    ]);

    await tinyTree(directory, { 'waf@1.0.0': 'other' });
    await exported('three.tar.gz', '--sequence', '3');
    const before = await treeOf(join(directory, 'volume/plugins/'));
    const refused = await run('import', 'three.tar.gz', ...importTo);
    expect([refused.code, errorCode(refused)]).toEqual([6, 'E_CONFLICT']);
    expect(await treeOf(join(directory, 'volume/plugins/'))).toEqual(before);
    const forced = await run('import', 'three.tar.gz', ...importTo, '--allow-overwrite');
    expect(forced).toMatchObject({ code: 0 });
    expect(await treeOf(join(directory, 'volume/plugins/'))).not.toEqual(before);
  });

  test('--plugin takes a part, also of modules that the bundle stores once', async () => {
    const { directory, run, exported } = await workplace();
    await tinyTree(directory, { 'waf@1.0.0': 'a', 'waf@2.0.0': 'a', 'key-auth@1.0.0': 'b' });
    await exported('set.tar.gz');
    expect(await run('import', 'set.tar.gz', ...importTo, '--plugin', 'waf@2.*')).toMatchObject({ code: 0 });
    const paths = [...(await treeOf(join(directory, 'volume/plugins/'))).keys()];
    expect(paths.filter((path) => path.endsWith('.wasm'))).toEqual(['waf/2.0.0/plugin.wasm']);
    const nothing = await run('import', 'set.tar.gz', ...importTo, '--plugin', 'jwt-*');
    expect([nothing.code, errorCode(nothing)]).toEqual([2, 'E_SELECTION']);
  });

  test('adopts a plain tree and destroys nothing of it', async () => {
    const { directory, run, exported } = await workplace();
    await tinyTree(directory, { 'waf@2.0.0': 'new' });
    await exported('set.tar.gz');
    await tinyTree(join(directory, 'volume'), { 'waf@1.0.0': 'old', 'mine@0.1': 'own' });
    await writeFile(join(directory, 'volume/plugins/mine/README.md'), 'notes');
    const before = await treeOf(join(directory, 'volume/plugins'));
    expect(await run('import', 'set.tar.gz', ...importTo)).toMatchObject({ code: 0 });
    const after = await treeOf(join(directory, 'volume/plugins/'));
    for (const [path, content] of before) {
      if (path.endsWith('plugin.wasm')) expect(after.get(path)).toBe(content);
    }
    expect(after.has('waf/2.0.0/plugin.wasm')).toBe(true);
    // What is no plugin is not served on, but it is still there, in the release that the tree became.
    const everything = [...(await treeOf(join(directory, 'volume'))).entries()];
    expect(everything.some(([path, content]) => path.endsWith('README.md') && content === 'notes')).toBe(
      true,
    );
  });

  test.each([
    ['unsigned', 'E_UNSIGNED', 4],
    ['signed by a stranger', 'E_SIGNER_UNKNOWN', 4],
    ['without a key to check with', 'E_TRUST_MISSING', 4],
    ['cut', 'E_GZIP', 3],
    ['a zip by mistake', 'E_CONTAINER', 3],
    ['not there', 'E_NOT_FOUND', 2],
    // A directory is where parts lie.
    ['a directory', 'E_PARTS', 3],
  ])('a bundle that is %s: %s, and there is no volume afterwards', async (what, code, exit) => {
    const { directory, run, exported } = await workplace();
    await tinyTree(directory, { 'waf@1.0.0': 'a' });
    await exported('good.tar.gz');
    const bad = join(directory, 'bad.tar.gz');
    if (what === 'unsigned') await run('export', 'plugins', '-o', 'bad.tar.gz');
    else if (what === 'cut')
      await writeFile(bad, (await readFile(join(directory, 'good.tar.gz'))).subarray(0, -20));
    else if (what === 'a zip by mistake') await writeFile(bad, Buffer.from('504b0304deadbeef', 'hex'));
    else if (what === 'a directory') await mkdir(bad);
    else if (what !== 'not there') await copyFile(join(directory, 'good.tar.gz'), bad);
    if (what === 'signed by a stranger') await (await testKey()).writeTo(directory);
    const keys = { 'without a key to check with': [], 'signed by a stranger': ['--public-key', 'ada.pub'] }[
      what
    ];
    const refused = await run(
      'import',
      'bad.tar.gz',
      '--to',
      'volume',
      '--json',
      ...(keys ?? ['--public-key', 'dev.pub']),
    );
    expect([refused.code, errorCode(refused)]).toEqual([exit, code]);
    expect(refused.stderr).toContain('what to do:');
    expect(spawnSync('test', ['-e', join(directory, 'volume/plugins')]).status).toBe(1);
  });

  test('--insecure-skip-signature is said aloud and marks the release', async () => {
    const { directory, run } = await workplace();
    await tinyTree(directory, { 'waf@1.0.0': 'a' });
    await run('export', 'plugins', '-o', 'set.tar.gz');
    const taken = await run('import', 'set.tar.gz', '--to', 'volume', '--insecure-skip-signature');
    expect(taken.code).toBe(0);
    expect(taken.stderr).toContain('warning: the signature is not checked');
    const release = [...(await treeOf(join(directory, 'volume')))].find(([path]) =>
      path.endsWith('release.json'),
    )?.[1];
    expect(JSON.parse(release ?? '{}')).toMatchObject({ origin: { unsigned: true, signers: [] } });
  });
});
