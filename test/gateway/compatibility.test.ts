import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { claimed, incompatibilities, refuseUnfit } from '../../src/gateway/compatibility.js';
import { profileNames, readGatewayProfile } from '../../src/gateway/profile.js';
import type { ModuleFacts } from '../../src/schema/manifest.js';
import { cli, errorCode } from '../helpers/cli.js';
import { testKey } from '../helpers/keys.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { wasmHeader } from '../helpers/wasm.js';

const profiles = join(import.meta.dirname, '../../examples/gateway-profiles');
const wasi = 'wasi_snapshot_preview1';

/** A plugin as the Go SDK builds it, with what is given changed. */
const facts = (changes: Partial<ModuleFacts> = {}): ModuleFacts => ({
  abi: ['proxy_abi_version_0_2_1'],
  start: ['_initialize'],
  imports: [
    { module: 'env', names: ['proxy_get_log_level', 'proxy_http_call', 'proxy_log'] },
    { module: wasi, names: ['clock_time_get', 'fd_write', 'random_get'] },
  ],
  exports: ['_initialize', 'malloc', 'memory', 'proxy_abi_version_0_2_1'],
  ...changes,
});

const reasons = async (
  profile: string,
  changes?: Partial<ModuleFacts>,
): Promise<[string, readonly string[]][]> =>
  incompatibilities({ facts: facts(changes) }, await readGatewayProfile(profile)).map(({ kind, missing }) => [
    kind,
    missing,
  ]);

describe('a module', () => {
  /** Envoy 1.40 itself was asked: it takes a module without a start function, and offers all of WASI preview 1. */
  const envoys = ['envoy', 'envoy-1.40'];

  test.each(profileNames)('that keeps to what all gateways offer fits %s', async (profile) => {
    expect(await reasons(profile)).toEqual([]);
  });

  test.each<[why: string, changes: Partial<ModuleFacts>, kind: string, missing: string]>([
    ['no ABI version', { abi: [] }, 'abi', 'proxy_abi_version_0_2_1'],
    ['an unknown ABI version', { abi: ['proxy_abi_version_9_0_0'] }, 'abi', 'proxy_abi_version_0_2_1'],
    ['no start function', { exports: ['malloc'] }, 'start', '_initialize'],
    ['no allocator', { exports: ['_initialize'] }, 'allocate', 'malloc'],
    [
      'another WASI',
      { imports: [{ module: 'wasi_snapshot_preview2', names: ['now'] }] },
      'wasi',
      'wasi_snapshot_preview2.now',
    ],
    [
      'a foreign module',
      { imports: [{ module: 'gojs', names: ['runtime.wasmExit'] }] },
      'import',
      'gojs.runtime.wasmExit',
    ],
    [
      'a function nobody has',
      { imports: [{ module: 'env', names: ['proxy_fly', 'proxy_log'] }] },
      'import',
      'env.proxy_fly',
    ],
  ])('with %s fits none, and the reason is named', async (...[, changes, kind, missing]) => {
    for (const profile of profileNames.filter((name) => kind !== 'start' || !envoys.includes(name))) {
      const found = await reasons(profile, changes);
      expect(found.map(([each]) => each)).toContain(kind);
      expect(found.flatMap(([, names]) => names)).toContain(missing);
      expect(found.flatMap(([, names]) => names)).not.toContain('env.proxy_log');
    }
  });

  test.each<[incident: string, module: string, name: string, fits: string[]]>([
    ['higress-standalone#151', wasi, 'fd_pread', [...envoys, 'higress']],
    ['higress#502', wasi, 'path_unlink_file', [...envoys, 'higress']],
    [
      'envoy#20483 in newer hosts',
      wasi,
      'fd_prestat_get',
      [...envoys, 'higress', 'higress-early', 'higress-no-files'],
    ],
    ['nottinygc#8', wasi, 'sched_yield', [...envoys, 'higress', 'higress-no-files']],
    ['wasm-go#31', 'env', 'proxy_inject_encoded_data_to_filter_chain', ['higress', 'higress-no-files']],
    ['Redis plugins', 'env', 'proxy_redis_call', ['higress', 'higress-early', 'higress-no-files']],
  ])('of the incident %s (%s.%s) fits just the gateways that have it', async (...[, module, name, fits]) => {
    const fitting: string[] = [];
    for (const profile of profileNames) {
      const found = await reasons(profile, { imports: [{ module, names: [name] }] });
      if (found.length === 0) fitting.push(profile);
      else expect(found).toEqual([['import', [`${module}.${name}`]]]);
    }
    expect(fitting).toEqual(fits);
  });

  test('is offered a function only for its ABI version', async () => {
    const imports = [{ module: 'env', names: ['proxy_get_configuration'] }];
    expect(await reasons('envoy', { imports })).toEqual([['import', ['env.proxy_get_configuration']]]);
    expect(await reasons('envoy', { imports, abi: ['proxy_abi_version_0_1_0'] })).toEqual([]);
  });
});

test('a refusal names eight plugins and counts the rest; the details hold all', async () => {
  const plugins = Array.from({ length: 11 }, (_, at) => ({
    name: `p${at}`,
    version: '1.0.0',
    wasm: facts(at === 5 ? {} : { abi: [] }),
  }));
  const profile = await readGatewayProfile('higress');
  const error = (() => {
    try {
      refuseUnfit(claimed(plugins), profile);
    } catch (thrown) {
      return thrown;
    }
    return undefined;
  })();
  expect(error).toMatchObject({ code: 'E_GATEWAY', details: { plugins: { length: 10 } } });
  expect(String(error)).toMatch(/cannot run 10 of 11 plugins: p0@1\.0\.0 .*; and 2 more$/);
  expect(String(error)).not.toContain('p5@');
});

test('every profile of the examples comes with the program, and the README of the examples names it', async () => {
  const files = (await readdir(profiles)).filter((file) => file.endsWith('.json'));
  expect([...files.map((file) => file.replace('.json', '')), 'envoy'].sort()).toEqual(
    [...profileNames].sort(),
  );
  const readme = await readFile(join(profiles, 'README.md'), 'utf8');
  for (const name of profileNames) {
    expect(readme).toContain(`\`${name}\``);
    expect(
      await readGatewayProfile(join(profiles, `${name === 'envoy' ? 'envoy-1.40' : name}.json`)),
    ).toEqual(await readGatewayProfile(name));
  }
});

describe('--gateway-profile', () => {
  async function journey(): Promise<{
    directory: string;
    run: (...args: string[]) => ReturnType<typeof cli>;
  }> {
    const directory = await tempDir();
    const key = await testKey('dev');
    await key.writeTo(directory);
    await tinyTree(directory, { 'waf@1.0.0': 'a' });
    return { directory, run: (...args) => cli([...args, '--json'], { cwd: directory }) };
  }
  const signing = ['--signing-key', 'dev.key', '--allow-plain-key'];
  const trusting = ['--public-key', 'dev.pub'];

  /** `higress` without the one function that the tiny modules import. */
  async function narrowProfile(directory: string): Promise<string> {
    const profile = JSON.parse(await readFile(join(profiles, 'higress.json'), 'utf8')) as {
      name: string;
      imports: { names: string[] }[];
    };
    profile.name = 'narrow';
    for (const group of profile.imports) group.names = group.names.filter((name) => name !== 'proxy_log');
    const file = join(directory, 'narrow.json');
    await writeFile(file, JSON.stringify(profile));
    return file;
  }

  test('lets through what fits, and shows it among the checks of verify', async () => {
    const { run } = await journey();
    const profile = ['--gateway-profile', 'higress'];
    expect(await run('export', '.', '-o', 'a.tar.gz', ...signing, ...profile)).toMatchObject({ code: 0 });
    const verified = await run('verify', 'a.tar.gz', ...trusting, ...profile);
    expect(verified.code).toBe(0);
    const { checks } = JSON.parse(verified.stdout) as { checks: unknown[] };
    expect(checks).toContainEqual({
      check: 'gateway',
      result: 'passed',
      detail: 'gateway "higress" (read from its sources, not tried) can run all 1 plugins',
    });
    expect(await run('import', 'a.tar.gz', '--to', 'volume', ...trusting, ...profile)).toMatchObject({
      code: 0,
    });
  });

  test('refuses on export, verify and import, naming plugin and function, and nothing is written', async () => {
    const { directory, run } = await journey();
    await narrowProfile(directory);
    const profile = ['--gateway-profile', './narrow.json'];
    await run('export', '.', '-o', 'a.tar.gz', ...signing);
    const before = await treeOf(directory);
    for (const args of [
      ['export', '.', '-o', 'b.tar.gz', ...signing],
      ['verify', 'a.tar.gz', ...trusting],
      ['import', 'a.tar.gz', '--to', 'volume', ...trusting],
    ]) {
      const refused = await run(...args, ...profile);
      expect([args[0], refused.code, errorCode(refused)]).toEqual([args[0], 5, 'E_GATEWAY']);
      expect(refused.stderr).toContain('waf@1.0.0 imports env.proxy_log');
    }
    expect(await treeOf(directory)).toEqual(before);
  });

  test('refuses a module that is no plugin at all', async () => {
    const { directory, run } = await journey();
    await writeFile(join(directory, 'plugins/waf/1.0.0/plugin.wasm'), wasmHeader);
    const refused = await run('export', '.', '-o', 'b.tar.gz', ...signing, '--gateway-profile', 'envoy');
    expect(errorCode(refused)).toBe('E_GATEWAY');
    expect(refused.stderr).toContain('it is not a proxy-wasm plugin');
  });

  test.each([
    ['a name that there is not', 'higress-9', 'E_USAGE'],
    ['a file that there is not', './none.json', 'E_NOT_FOUND'],
    ['a directory', './plugins/', 'E_NOT_FOUND'],
    ['a file that is no profile', './dev.pub.json', 'E_USAGE'],
  ])('refuses %s', async (_what, profile, code) => {
    const { directory, run } = await journey();
    await writeFile(join(directory, 'dev.pub.json'), '{"type": "x"}');
    const refused = await run('export', '.', '-o', 'b.tar.gz', ...signing, '--gateway-profile', profile);
    expect([refused.code, errorCode(refused)]).toEqual([2, code]);
  });
});
