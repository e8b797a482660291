import { leb, wasmHeader, wasmName, wasmSection } from '../helpers/wasm.js';

/** Bytes of a value type by its name; anything else is given as bytes. */
export const typeCodes: Readonly<Record<string, readonly number[]>> = {
  i32: [0x7f],
  i64: [0x7e],
  f32: [0x7d],
  f64: [0x7c],
  v128: [0x7b],
  funcref: [0x70],
  externref: [0x6f],
  anyref: [0x6e],
  eqref: [0x6d],
  i31ref: [0x6c],
  structref: [0x6b],
  arrayref: [0x6a],
  exnref: [0x69],
  nullref: [0x71],
  nullexternref: [0x72],
  nullfuncref: [0x73],
  nullexnref: [0x74],
  '(ref func)': [0x64, 0x70],
  '(ref extern)': [0x64, 0x6f],
  '(ref null func)': [0x63, 0x70],
  '(ref 0)': [0x64, 0],
  '(ref null 0)': [0x63, 0],
};

type Bytes = readonly number[];

/** What a module has beyond the parts that make it a plugin. */
export interface PluginParts {
  /** Types from index 2 on: 0 is `void -> void`, 1 is `i32 -> i32`. */
  readonly types?: readonly Bytes[];
  /** Module, name, and what is imported, as bytes. */
  readonly imports?: readonly (readonly [module: string, name: string, description: Bytes])[];
  /** Functions from index 3 on (imports aside): type and body. */
  readonly functions?: readonly {
    readonly type: number;
    readonly body?: Bytes;
    readonly locals?: readonly Bytes[];
  }[];
  readonly tables?: readonly Bytes[];
  readonly memories?: readonly Bytes[];
  readonly tags?: readonly Bytes[];
  readonly globals?: readonly Bytes[];
  readonly elements?: readonly Bytes[];
  readonly data?: readonly Bytes[];
  readonly dataCount?: number;
  readonly exports?: readonly (readonly [name: string, kind: number, index: number])[];
  /** Exports that the plugin does without. */
  readonly without?: readonly string[];
  readonly abi?: string;
  readonly start?: number;
  readonly initialize?: Bytes;
  /** Whole sections behind all others. */
  readonly custom?: readonly (readonly [name: string, content: Bytes])[];
}

export const vector = (items: readonly Bytes[]): number[] => [...leb(items.length)].concat(items.flat());
export const functionType = (parameters: readonly string[], results: readonly string[]): number[] => [
  0x60,
  ...vector(parameters.map((name) => typeCodes[name] ?? [])),
  ...vector(results.map((name) => typeCodes[name] ?? [])),
];

/** `i32 i32 -> i32` as a type. */
export function typeOf(signature: string): number[] {
  const [parameters = '', results = ''] = signature.split(' -> ');
  const names = (text: string): string[] => (text === 'void' ? [] : text.split(' '));
  return functionType(names(parameters), names(results));
}

/** The smallest plugin that every gateway takes, and what is added to it or left out. */
export const pluginModule = (parts: PluginParts = {}): Buffer =>
  Buffer.concat([wasmHeader, ...pluginSections(parts)]);

/** The sections of that plugin. */
export function pluginSections(parts: PluginParts): Buffer[] {
  const { imports = [], functions = [], without = [] } = parts;
  const own = imports.filter(([, , [kind]]) => kind === 0).length;
  const all = [
    { type: 0 },
    { type: 0, ...(parts.initialize === undefined ? {} : { body: parts.initialize }) },
    { type: 1, body: [0x20, 0] },
    ...functions,
  ];
  const abi = parts.abi ?? 'proxy_abi_version_0_2_1';
  const standard: [string, number, number][] = [
    [abi, 0, own],
    ['_initialize', 0, own + 1],
    ['malloc', 0, own + 2],
    ['memory', 2, 0],
  ];
  const exports = [...standard.filter(([name]) => !without.includes(name)), ...(parts.exports ?? [])];
  const section = (id: number, items: readonly Bytes[]): Buffer[] =>
    items.length === 0 ? [] : [wasmSection(id, Buffer.from(vector(items)))];
  return [
    ...section(1, [typeOf('void -> void'), typeOf('i32 -> i32'), ...(parts.types ?? [])]),
    ...section(
      2,
      imports.map(([module, name, description]) => [...wasmName(module), ...wasmName(name), ...description]),
    ),
    ...section(
      3,
      all.map(({ type }) => [...leb(type)]),
    ),
    ...section(4, parts.tables ?? []),
    ...section(5, parts.memories ?? [[0, 1]]),
    ...section(13, parts.tags ?? []),
    ...section(6, parts.globals ?? []),
    ...section(
      7,
      exports.map(([name, kind, index]) => [...wasmName(name), kind, ...leb(index)]),
    ),
    ...(parts.start === undefined ? [] : [wasmSection(8, leb(parts.start))]),
    ...section(9, parts.elements ?? []),
    ...(parts.dataCount === undefined ? [] : [wasmSection(12, leb(parts.dataCount))]),
    ...section(10, all.map(code)),
    ...section(11, parts.data ?? []),
    ...(parts.custom ?? []).map(([name, content]) =>
      wasmSection(0, Buffer.concat([wasmName(name), Buffer.from(content)])),
    ),
  ];
}

function code({ body = [], locals = [] }: NonNullable<PluginParts['functions']>[number]): number[] {
  const bytes = [...vector(locals), ...body, 0x0b];
  return [...leb(bytes.length), ...bytes];
}

const zeros = new Array<number>(16).fill(0);
const vectorZero = [0xfd, 12, ...zeros];

/** A plugin that needs one feature of the engine, for each. */
export const featureModules: Readonly<Record<string, PluginParts>> = {
  'bulk-memory': { functions: [{ type: 0, body: [0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 11, 0] }] },
  'custom-page-sizes': { memories: [[8, 1, 0]] },
  exceptions: {
    tags: [[0, 0]],
    functions: [{ type: 0, body: [0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x0b, 0x0b] }],
  },
  'extended-const': { globals: [[0x7f, 0, 0x41, 1, 0x41, 2, 0x6a, 0x0b]] },
  'function-references': { functions: [{ type: 0, body: [0xd0, 0, 0x1a] }] },
  gc: { types: [[0x5f, 0]], functions: [{ type: 0, body: [0xfb, 1, 2, 0x1a] }] },
  'half-precision': { functions: [{ type: 0, body: [0x43, 0, 0, 0, 0, 0xfd, ...leb(0x120), 0x1a] }] },
  'legacy-exceptions': { functions: [{ type: 0, body: [0x06, 0x40, 0x19, 0x0b] }] },
  'memory-control': { functions: [{ type: 0, body: [0x41, 0, 0x41, 0, 0xfc, 18, 0] }] },
  memory64: { memories: [[4, 1]] },
  'multi-memory': {
    memories: [
      [0, 1],
      [0, 1],
    ],
  },
  'multi-value': { types: [typeOf('void -> i32 i32')] },
  'mutable-globals': { globals: [[0x7f, 1, 0x41, 0, 0x0b]], exports: [['counter', 3, 0]] },
  'reference-types': { functions: [{ type: 0, body: [0xd0, 0x6f, 0x1a] }] },
  'relaxed-simd': {
    functions: [{ type: 0, body: [...vectorZero, ...vectorZero, 0xfd, ...leb(0x100), 0x1a] }],
  },
  'saturating-float-to-int': { functions: [{ type: 0, body: [0x43, 0, 0, 0, 0, 0xfc, 0, 0x1a] }] },
  'sign-extension': { functions: [{ type: 0, body: [0x41, 0, 0xc0, 0x1a] }] },
  simd: { functions: [{ type: 0, body: [...vectorZero, 0x1a] }] },
  'stack-switching': { types: [[0x5d, 0]] },
  'tail-call': { functions: [{ type: 0, body: [0x12, 0] }] },
  threads: { memories: [[3, 1, 1]] },
  'wide-arithmetic': {
    functions: [{ type: 0, body: [0x42, 0, 0x42, 0, 0x42, 0, 0x42, 0, 0xfc, 19, 0x1a, 0x1a] }],
  },
};
