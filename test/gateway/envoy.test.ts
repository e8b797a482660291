import { describe, expect, test } from 'vitest';
import { readGatewayProfile } from '../../src/gateway/profile.js';
import { askAll, envoyBinary } from '../oracle/envoy.js';
import { leb } from '../helpers/wasm.js';
import { agreement, judge } from '../oracle/judge.js';
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
  'three imported memories': {
    memories: [],
    imports: ['l', 'm', 'n'].map((name) => ['a', name, [2, 0, 1]] as const),
  },
  'two imported tables': { imports: ['m', 'n'].map((name) => ['a', name, [1, 0x70, 0, 1]] as const) },
  ...Object.fromEntries(
    ['0', '7', '01', '4294967294', '4294967295', '\0', 'a\0', 'malloc\0', 'memory\0', '\0a', '', '€'].flatMap(
      (name) => [
        [`function exported as ${JSON.stringify(name)}`, { exports: [[name, 0, 0]] } satisfies PluginParts],
        [`memory exported as ${JSON.stringify(name)}`, { exports: [[name, 2, 0]] } satisfies PluginParts],
        [
          `table exported as ${JSON.stringify(name)}`,
          { tables: [[0x70, 0, 0]], exports: [[name, 1, 0]] } satisfies PluginParts,
        ],
        [
          `memory imported as ${JSON.stringify(name)}`,
          { memories: [], imports: [['env', name, [2, 0, 1]]] } satisfies PluginParts,
        ],
        [
          `table imported of ${JSON.stringify(name)}`,
          { imports: [[name, 't', [1, 0x70, 0, 1]]] } satisfies PluginParts,
        ],
      ],
    ),
  ),
  ...Object.fromEntries(
    (
      [
        ['an unknown import', { imports: [['env', 'unknown', [0, 0]]] }],
        ['an import of another type', { imports: [['env', 'proxy_log', [0, 0]]] }],
        ['too large a memory', { memories: [[0, 0x81, 0x80, 1]] }],
        ['an unknown ABI version', { abi: 'proxy_abi_version_9_9_9' }],
        ['names cut short', { custom: [['name', cutNames]] }],
        ['data that does not fit', { data: [[0, 0x41, 0xff, 0xff, 3, 0x0b, 2, 1, 2]] }],
        ['no allocator', { without: ['malloc'] }],
        ['shared memory', { memories: [], imports: [['a', 'b', [2, 3, 1, 1]]] }],
        ['a body that does not type', { initialize: [0x1a] }],
      ] as const satisfies readonly (readonly [string, PluginParts])[]
    ).flatMap(([title, parts]: readonly [string, PluginParts]) => {
      const own = (parts.imports ?? []).filter(([, , [kind]]) => kind === 0).length;
      const killer = { types: [typeOf('v128 -> void')], functions: [{ type: 2 }] };
      return [
        [
          `${title} and an export with v128`,
          { ...killer, ...parts, exports: [['x', 0, own + 3]] } satisfies PluginParts,
        ],
        [
          `${title} and an import with v128`,
          {
            ...killer,
            ...parts,
            imports: [...(parts.imports ?? []), ['x', 'y', [0, 2]]],
          } satisfies PluginParts,
        ],
      ];
    }),
  ),
  'data up to the end': { data: [[0, 0x41, 0xfe, 0xff, 3, 0x0b, 2, 1, 2]] },
  'data at a negative address': { data: [[0, 0x41, 0x7f, 0x0b, 0]] },
  'data at a sum': { data: [[0, 0x41, 1, 0x41, 2, 0x6a, 0x0b, 1, 1]] },
  'data at a sum that does not fit': { data: [[0, 0x41, 0xff, 0xff, 3, 0x41, 1, 0x6a, 0x0b, 1, 1]] },
  'no data beyond the end': { data: [[0, 0x41, 0x81, 0x80, 4, 0x0b, 0]] },
  'data kept for later': { data: [[1, 1, 1]], dataCount: 1 },
  'elements that fit': { tables: [[0x70, 0, 1]], elements: [[0, 0x41, 0, 0x0b, 1, 0]] },
  'elements that do not fit': { tables: [[0x70, 0, 1]], elements: [[0, 0x41, 1, 0x0b, 1, 0]] },
  'elements as expressions': { tables: [[0x70, 0, 1]], elements: [[5, 0x64, 0x70, 1, 0xd2, 0, 0x0b]] },
  'a global that reads another of the module': {
    globals: [
      [0x7f, 0, 0x41, 1, 0x0b],
      [0x7f, 0, 0x23, 0, 0x0b],
    ],
  },
  'a global of funcref in its long form': { globals: [[0x63, 0x70, 0, 0xd0, 0x70, 0x0b]] },
  'a table of i32': { tables: [[0x7f, 0, 1]] },
  'old and new exceptions': {
    functions: [
      { type: 0, body: [0x06, 0x40, 0x19, 0x0b] },
      { type: 0, body: [0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x0b, 0x0b] },
    ],
  },
  'old exceptions and a type of the new ones': {
    types: [typeOf('exnref -> void')],
    functions: [{ type: 0, body: [0x06, 0x40, 0x19, 0x0b] }],
  },
  'a name of a function beyond 30 bits': { custom: [['name', [1, 7, 1, 0x80, 0x80, 0x80, 0x80, 4, 0]]] },
  ...Object.fromEntries(
    [10_000_000, 10_000_001, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1].flatMap((most) => {
      const table = [0x70, 1, 1, ...leb(most)];
      return [
        [`table inside of up to ${most}`, { tables: [table] } satisfies PluginParts],
        [
          `exported table of up to ${most}`,
          { tables: [table], exports: [['t', 1, 0]] } satisfies PluginParts,
        ],
        [`imported table of up to ${most}`, { imports: [['env', 't', [1, ...table]]] } satisfies PluginParts],
      ];
    }),
  ),
  'a second memory of 16,384 pages': {
    memories: [
      [0, 1],
      [0, 0x80, 0x80, 1],
    ],
  },
  'a second memory of 16,385 pages': {
    memories: [
      [0, 1],
      [0, 0x81, 0x80, 1],
    ],
  },
  'a memory of 64 bits and up to 262,144 pages': { memories: [[5, 1, ...leb(262_144)]] },
  'a memory of 64 bits and up to 262,145 pages': { memories: [[5, 1, ...leb(262_145)]] },
  'a memory larger than its maximum': { memories: [[1, 2, 1]] },
  'a shared memory without a maximum': { memories: [[2, 1]] },
  'a table of ten million': { tables: [[0x70, 0, 0x80, 0xad, 0xe2, 4]] },
  'a table of more than ten million': { tables: [[0x70, 0, 0x81, 0xad, 0xe2, 4]] },
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
  test('for each of some hundred modules', async () => {
    const titles = Object.keys(cases);
    expect(titles.length).toBeGreaterThan(150);
    const modules = Object.values(cases).map(pluginModule);
    const verdicts = await askAll(envoyBinary ?? '', modules);
    const profile = await readGatewayProfile('envoy-1.40');
    const differing = titles.flatMap((title, index) => {
      const [ours, theirs] = [judge(modules[index]!, profile), verdicts[index]!];
      if (agreement(ours, theirs) !== 'different') return [];
      return [`${title}: ${theirs.outcome}, ours ${ours.outcome}: ${theirs.words.slice(0, 600)}`];
    });
    expect(differing).toEqual([]);
  }, 300_000);
});
