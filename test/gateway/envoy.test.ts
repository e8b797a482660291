import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { incompatibilities } from '../../src/gateway/compatibility.js';
import { readGatewayProfile } from '../../src/gateway/profile.js';
import { inspectModule } from '../../src/wasm/module.js';
import { askAll, envoyBinary } from '../oracle/envoy.js';
import {
  featureModules,
  pluginModule,
  typeCodes,
  typeOf,
  vector,
  type PluginParts,
} from '../oracle/plugin-module.js';

const importing = (type: string, name = 'proxy_log', module = 'env'): PluginParts => ({
  types: [typeOf(type)],
  imports: [[module, name, [0, 2]]],
});
const exporting = (type: string, name = 'x'): PluginParts => ({
  without: [name],
  types: [typeOf(type)],
  functions: [{ type: 2, body: type.endsWith('void') ? [] : [0x00] }],
  exports: [[name, 0, 3]],
});
const names = Object.keys(typeCodes).filter((name) => !name.includes('0'));
const bytesOf = (name: string): readonly number[] => typeCodes[name] ?? [];
const cutNames = [1, 200];

/** What is asked of the gateway and of its profile: each a plugin that is right but for one thing. */
const cases: Readonly<Record<string, PluginParts>> = {
  plain: {},
  ...Object.fromEntries(
    names.map((name) => [`export of a function with ${name}`, exporting(`${name} -> void`)]),
  ),
  ...Object.fromEntries(
    names.map((name) => [
      `import of an unknown function with ${name}`,
      importing(`${name} -> void`, 'unknown'),
    ]),
  ),
  ...Object.fromEntries(
    names
      .filter((name) => !name.startsWith('('))
      .map((name) => [`export of a table of ${name}`, name])
      .filter(([, name]) => bytesOf(name ?? '')[0]! <= 0x74)
      .map(([title, name]) => [
        title,
        { tables: [[...bytesOf(name ?? ''), 0, 1]], exports: [['t', 1, 0]] } satisfies PluginParts,
      ]),
  ),
  ...Object.fromEntries(
    names
      .filter((name) => !name.startsWith('('))
      .map((name) => [
        `import of a global of ${name}`,
        { imports: [['env', 'g', [3, ...bytesOf(name), 0]]] } satisfies PluginParts,
      ]),
  ),
  ...Object.fromEntries(Object.entries(featureModules).map(([name, parts]) => [`feature ${name}`, parts])),
  ...Object.fromEntries(
    [
      'i32 i32 i32 -> i32',
      'i32 i32 -> i32',
      'i32 i32 i32 -> void',
      'i64 i32 i32 -> i32',
      'void -> void',
      'funcref -> i32',
    ].map((type) => [`proxy_log as ${type}`, importing(type)]),
  ),
  ...Object.fromEntries(
    ['sock_accept', 'fd_write', 'fd_nothing'].flatMap((name) =>
      ['wasi_snapshot_preview1', 'wasi_unstable', 'wasi_snapshot_preview2'].map((module) => [
        `${module}.${name}`,
        importing(name === 'fd_write' ? 'i32 i32 i32 i32 -> i32' : 'i32 i32 i32 -> i32', name, module),
      ]),
    ),
  ),
  ...Object.fromEntries(
    [
      '_initialize',
      '_start',
      'malloc',
      'proxy_on_memory_allocate',
      'proxy_on_request_headers',
      'proxy_on_tick',
      'proxy_on_done',
      'main',
      'anything',
    ].flatMap((name) =>
      ['i32 -> i32', 'void -> void', 'i32 i32 i32 -> i32', 'i64 -> f32'].map((type) => [
        `${name} as ${type}`,
        exporting(type, name),
      ]),
    ),
  ),
  'no ABI version': { without: ['proxy_abi_version_0_2_1'] },
  'unknown ABI version': { abi: 'proxy_abi_version_9_9_9' },
  'known ABI version behind an unknown one': {
    abi: 'proxy_abi_version_9_9_9',
    exports: [['proxy_abi_version_0_2_1', 0, 0]],
  },
  'ABI version that is a memory': {
    without: ['proxy_abi_version_0_2_1'],
    exports: [['proxy_abi_version_0_2_1', 2, 0]],
  },
  'function of 0.1.0 with 0.2.1 first': {
    ...importing('i32 i32 -> i32', 'proxy_get_configuration'),
    exports: [['proxy_abi_version_0_1_0', 0, 1]],
  },
  'function of 0.1.0 with 0.1.0 first': {
    ...importing('i32 i32 -> i32', 'proxy_get_configuration'),
    abi: 'proxy_abi_version_0_1_0',
    exports: [['proxy_abi_version_0_2_1', 0, 1]],
  },
  'headers of 0.1.0': {
    ...exporting('i32 i32 -> i32', 'proxy_on_request_headers'),
    abi: 'proxy_abi_version_0_1_0',
  },
  '_start of another type alone': {
    ...exporting('i32 -> i32', '_start'),
    without: ['_initialize'],
  },
  'main of another type alone': { ...exporting('i32 -> i32', 'main'), without: ['_initialize'] },
  'no start function': { without: ['_initialize'] },
  'no allocator': { without: ['malloc'] },
  'allocator that is a memory': { without: ['malloc'], exports: [['malloc', 2, 0]] },
  'other allocator': { without: ['malloc'], exports: [['proxy_on_memory_allocate', 0, 2]] },
  'other allocator of another type beside malloc': { exports: [['proxy_on_memory_allocate', 0, 1]] },
  'no exported memory': { without: ['memory'] },
  'imported memory': { memories: [], imports: [['env', 'memory', [2, 0, 1]]] },
  'imported memory of any name': { memories: [], imports: [['x', 'y', [2, 0, 1]]] },
  'two imported memories': {
    memories: [],
    imports: [
      ['a', 'm', [2, 0, 1]],
      ['a', 'n', [2, 0, 1]],
    ],
  },
  'imported shared memory': { memories: [], imports: [['env', 'memory', [2, 3, 1, 2]]] },
  'imported memory of 64 bits': { memories: [], imports: [['env', 'memory', [2, 4, 1]]] },
  'imported table': { imports: [['env', 't', [1, 0x70, 0, 1]]] },
  'imported table of externref': { imports: [['env', 't', [1, 0x6f, 0, 1]]] },
  'imported table of anyref': { imports: [['env', 't', [1, 0x6e, 0, 1]]] },
  'imported table of 64 bits': { imports: [['env', 't', [1, 0x70, 4, 1]]] },
  'imported tag': { imports: [['env', 't', [4, 0, 0]]] },
  'exported tag': { tags: [[0, 0]], exports: [['t', 4, 0]] },
  'tag inside': { tags: [[0, 0]] },
  'v128 inside': { types: [typeOf('v128 -> void')], functions: [{ type: 2 }] },
  'memory of 16,384 pages': { memories: [[0, 0x80, 0x80, 1]] },
  'memory of 16,385 pages': { memories: [[0, 0x81, 0x80, 1]] },
  'an unknown instruction': { functions: [{ type: 0, body: [0x27] }] },
  'a body that does not type': { functions: [{ type: 0, body: [0x1a] }] },
  'export of nothing': { exports: [['x', 0, 99]] },
  'names cut short': { custom: [['name', cutNames]] },
  'names cut short behind whole ones': {
    custom: [
      ['name', [0, 1, 0]],
      ['name', cutNames],
    ],
  },
  'another section cut short': { custom: [['dylink.0', cutNames]] },
  'compiled ahead of time': { custom: [['precompiled_', [1, 2]]] },
  'a thousand parameters': {
    types: [[0x60, ...vector(new Array<number[]>(1000).fill([0x7f])), 0]],
    functions: [{ type: 2 }],
    exports: [['x', 0, 3]],
  },
};

describe.runIf(envoyBinary !== undefined)('the profile envoy-1.40 is the word of that Envoy', () => {
  let directory = '';
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'plugferry-envoy-test-'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  /** What our profile says of bytes. */
  async function ours(bytes: Uint8Array): Promise<'loads' | 'refuses' | 'killed'> {
    const profile = await readGatewayProfile('envoy-1.40');
    const path = join(directory, 'plugin.wasm');
    await writeFile(path, bytes);
    const file = await open(path);
    try {
      const reasons = incompatibilities(
        await inspectModule(file, 'plugin.wasm', { forGateway: true }),
        profile,
      );
      if (reasons.length === 0) return 'loads';
      return reasons[0]?.kind === 'kills' ? 'killed' : 'refuses';
    } catch {
      return 'refuses';
    } finally {
      await file.close();
    }
  }

  test('for each of some hundred modules', async () => {
    const titles = Object.keys(cases);
    expect(titles.length).toBeGreaterThan(150);
    const modules = Object.values(cases).map(pluginModule);
    const verdicts = await askAll(envoyBinary ?? '', modules);
    const differing: string[] = [];
    for (const [index, title] of titles.entries()) {
      const here = await ours(modules[index]!);
      const { outcome, words } = verdicts[index]!;
      if (here !== outcome) differing.push(`${title}: ${outcome}, ours ${here}: ${words.slice(0, 600)}`);
    }
    expect(differing).toEqual([]);
  }, 300_000);
});
