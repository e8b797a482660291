import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ModuleFacts } from '../../src/schema/manifest.js';
import { bundleParts, put, somePlugins, tarGz } from '../helpers/bundle.js';
import { cli } from '../helpers/cli.js';
import { testKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';
import { pluginModule, typeOf, type PluginParts } from '../oracle/plugin-module.js';

/** A signed bundle whose manifest claims of its first module what `change` makes of the truth. */
async function lying(change: (facts: ModuleFacts) => void): Promise<string> {
  const directory = await tempDir();
  const key = await testKey('dev');
  await key.writeTo(directory);
  const parts = bundleParts([key], somePlugins, (manifest) => {
    const [plugin] = manifest.plugins;
    if (plugin !== undefined) change(plugin.wasm);
    return manifest;
  });
  await put(directory, 'edge.tar.gz', tarGz(parts.entries));
  return directory;
}

const lies: readonly (readonly [string, (facts: ModuleFacts) => void])[] = [
  ['an import less', (facts) => (facts.imports = [])],
  ['an import more', (facts) => facts.imports.push({ module: 'zzz', names: ['fly'] })],
  ['another import', (facts) => (facts.imports = [{ module: 'env', names: ['launch_missiles'] }])],
  ['another ABI', (facts) => (facts.abi = ['proxy_abi_version_0_1_0'])],
  ['no start function', (facts) => (facts.start = [])],
  ['a start function more', (facts) => (facts.start = ['_initialize', '_start'])],
  ['a toolchain', (facts) => (facts.toolchain = 'Rust')],
  ['no exports', (facts) => (facts.exports = [])],
  ['exports in another order', (facts) => facts.exports.reverse()],
];

describe('a manifest that claims of a module what is not so', () => {
  test.each(lies)(
    '%s: verify and import refuse it, with no gateway profile and with one',
    async (...[, change]) => {
      const directory = await lying(change);
      for (const args of [
        ['verify', 'edge.tar.gz'],
        ['verify', 'edge.tar.gz', '--gateway-profile', 'envoy'],
        ['import', 'edge.tar.gz', '--to', 'volume'],
      ]) {
        const run = await cli([...args, '--public-key', 'dev.pub', '--json'], { cwd: directory });
        expect(run.code).not.toBe(0);
        expect(run.code).not.toBe(1);
        if (!args.includes('--gateway-profile')) {
          expect(run.stderr + run.stdout).toContain('E_MANIFEST');
          expect(run.stderr + run.stdout).toMatch(
            /claimed .*, found |exports of the module of .* are out of order/,
          );
        }
      }
      await expect(readdir(join(directory, 'volume', 'plugins'))).rejects.toMatchObject({ code: 'ENOENT' });
    },
  );
});

describe('a module that a gateway cannot run', () => {
  test.each<[what: string, parts: PluginParts, said: string]>([
    [
      'v128 in an exported function',
      { types: [typeOf('v128 -> void')], functions: [{ type: 2 }], exports: [['x', 0, 3]] },
      'would take the gateway down',
    ],
    ['an exported tag', { tags: [[0, 0]], exports: [['x', 4, 0]] }, 'would take the gateway down'],
    [
      'a function of another type',
      { types: [typeOf('i32 i32 -> i32')], imports: [['env', 'proxy_log', [0, 2]]] },
      'imports env.proxy_log as i32 i32 -> i32, and the gateway offers it as i32 i32 i32 -> i32',
    ],
    ['another page size', { memories: [[8, 1, 0]] }, 'custom-page-sizes'],
  ])('%s: export, verify and import refuse it', async (...[, parts, said]) => {
    const directory = await tempDir();
    await (await testKey('dev')).writeTo(directory);
    const plugin = join(directory, 'tree/plugins/waf/1.0.0');
    await mkdir(plugin, { recursive: true });
    await writeFile(join(plugin, 'plugin.wasm'), pluginModule(parts));
    const run = (...args: string[]): ReturnType<typeof cli> => cli([...args, '--json'], { cwd: directory });
    const signing = ['--signing-key', 'dev.key', '--allow-plain-key'];
    const gateway = ['--gateway-profile', 'envoy'];
    const trusting = ['--public-key', 'dev.pub'];
    expect(await run('export', 'tree', '-o', 'edge.tar.gz', ...signing)).toMatchObject({ code: 0 });
    for (const refused of [
      await run('export', 'tree', '-o', 'other.tar.gz', ...signing, ...gateway),
      await run('verify', 'edge.tar.gz', ...trusting, ...gateway),
      await run('import', 'edge.tar.gz', '--to', 'volume', ...trusting, ...gateway),
    ]) {
      expect(refused.code).toBe(5);
      expect(refused.stderr + refused.stdout).toContain('E_GATEWAY');
      expect(refused.stderr + refused.stdout).toContain(said);
    }
    // What is there already is asked again, where a gateway is named.
    expect(await run('import', 'edge.tar.gz', '--to', 'volume', ...trusting)).toMatchObject({ code: 0 });
    const again = await run('import', 'edge.tar.gz', '--to', 'volume', ...trusting, ...gateway);
    expect(again.code).toBe(5);
  });
});

test('what takes Envoy down is not carried to Higress either, which runs modules in the same way', async () => {
  const directory = await tempDir();
  await (await testKey('dev')).writeTo(directory);
  const plugin = join(directory, 'tree/plugins/waf/1.0.0');
  await mkdir(plugin, { recursive: true });
  const killer = {
    types: [typeOf('v128 -> void')],
    functions: [{ type: 2 }],
    exports: [['x', 0, 3]],
  } as const;
  await writeFile(join(plugin, 'plugin.wasm'), pluginModule(killer));
  for (const profile of ['higress', 'higress-early', 'higress-no-files']) {
    const args = [
      'export',
      'tree',
      '-o',
      'b.tar.gz',
      '--allow-plain-key',
      '--signing-key',
      'dev.key',
      '--json',
    ];
    const run = await cli([...args, '--gateway-profile', profile], { cwd: directory });
    expect(run.code).toBe(5);
    expect(run.stdout).toContain('would take the gateway down');
  }
});
