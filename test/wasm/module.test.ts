import { mkdtemp, open, readFile, rm, truncate, writeFile, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import wabt from 'wabt';
import { isPlugferryError, PlugferryError } from '../../src/errors.js';
import { escapeText } from '../../src/stream/text.js';
import { maxModuleBytes } from '../../src/plugin/plugin.js';
import type { ModuleFacts } from '../../src/schema/manifest.js';
import { isModuleHeader, readModule } from '../../src/wasm/module.js';
import {
  customSection,
  engine,
  leb,
  tinyModule,
  wasmHeader,
  wasmModule,
  wasmName,
  wasmSection,
  wasmVector,
} from '../helpers/wasm.js';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plugferry-wasm-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function opened<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

async function factsOf(bytes: Uint8Array): Promise<ModuleFacts> {
  const path = join(directory, 'plugin.wasm');
  await writeFile(path, bytes);
  return opened(path, (file) => readModule(file, 'a/plugin.wasm'));
}

async function refusalOf(bytes: Uint8Array): Promise<PlugferryError> {
  const error: unknown = await factsOf(bytes).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isPlugferryError(error)) throw new Error(`not refused as it should be: ${String(error)}`);
  return error;
}

const imported = (module: string, name: string, description: readonly number[]): Buffer =>
  Buffer.concat([wasmName(module), wasmName(name), Buffer.from(description)]);
const exported = (name: string, kind = 3): Buffer =>
  Buffer.concat([wasmName(name), Buffer.from([kind, 0x00])]);
const noTypes = wasmSection(1, wasmVector([Buffer.from([0x60, 0, 0])]));
const importing = (...entries: readonly Buffer[]): Buffer =>
  wasmModule([noTypes, wasmSection(2, wasmVector(entries))]);
const exporting = (...entries: readonly Buffer[]): Buffer =>
  wasmModule([wasmSection(7, wasmVector(entries))]);
const typing = (...entries: readonly (readonly number[])[]): Buffer =>
  wasmModule([wasmSection(1, wasmVector(entries.map((entry) => Buffer.from(entry))))]);
const producers = (fields: Readonly<Record<string, readonly (readonly [string, string])[]>>): Buffer =>
  customSection(
    'producers',
    wasmVector(
      Object.entries(fields).map(([field, values]) =>
        Buffer.concat([
          wasmName(field),
          wasmVector(values.map(([name, version]) => Buffer.concat([wasmName(name), wasmName(version)]))),
        ]),
      ),
    ),
  );

describe('what a module asks of a gateway', () => {
  test('a plugin', async () => {
    expect(await factsOf(tinyModule('a', 5000))).toEqual({
      abi: ['proxy_abi_version_0_2_1'],
      start: ['_initialize'],
      imports: [{ module: 'env', names: ['proxy_log'] }],
      exports: ['_initialize', 'memory', 'proxy_abi_version_0_2_1', 'proxy_on_memory_allocate'],
    });
  });

  test('a module without any section', async () => {
    expect(await factsOf(wasmHeader)).toEqual({ abi: [], start: [], imports: [], exports: [] });
  });

  test('names ascend by code unit, and an import asked for twice stands once', async () => {
    const bytes = importing(
      imported('env', 'b', [0, 0]),
      imported('Z', 'x', [0, 0]),
      imported('env', 'a', [0, 0]),
      imported('env', 'b', [0, 0]),
    );
    expect((await factsOf(bytes)).imports).toEqual([
      { module: 'Z', names: ['x'] },
      { module: 'env', names: ['a', 'b'] },
    ]);
  });

  test('every kind of import and of limits', async () => {
    const bytes = importing(
      imported('m', 'function', [0, 0]),
      imported('m', 'table', [1, 0x70, 0x00, 1]),
      imported('m', 'table of references', [1, 0x63, 0x6e, 0x01, 1, 2]),
      imported('m', 'memory', [2, 0x03, 1, 2]),
      imported('m', 'memory64', [
        2,
        0x05,
        ...leb(2 ** 48),
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        0x01,
      ]),
      imported('m', 'memory with small pages', [2, 0x08, 1, 0]),
      imported('m', 'global', [3, 0x7e, 1]),
      imported('m', 'tag', [4, 0, 0]),
    );
    expect((await factsOf(bytes)).imports[0]?.names).toHaveLength(8);
  });

  test('types with structs, arrays and recursive groups count as many types as they define', async () => {
    const group = [0x4e, 2, 0x50, 0, 0x5f, 1, 0x64, 0x01, 1, 0x4f, 1, 0, 0x5e, 0x78, 0];
    const types = wasmSection(
      1,
      wasmVector([Buffer.from(group), Buffer.from([0x60, 1, 0x7f, 1, 0x63, 0x00])]),
    );
    const using = (type: number): Buffer =>
      wasmModule([types, wasmSection(2, wasmVector([imported('env', 'f', [0, type])]))]);
    expect((await factsOf(using(2))).imports).toHaveLength(1);
    expect((await refusalOf(using(3))).message).toContain('refers to type 3 of 3');
  });

  test('only functions count as ABI version and start', async () => {
    const bytes = exporting(
      exported('proxy_abi_version_0_2_0'),
      exported('_start'),
      exported('_initialize', 0),
    );
    expect(await factsOf(bytes)).toMatchObject({ abi: [], start: ['_initialize'] });
    expect(await factsOf(exporting(exported('_start', 0), exported('_initialize', 0)))).toMatchObject({
      start: ['_initialize', '_start'],
    });
  });

  test('names from outside become printable ASCII', async () => {
    const facts = await factsOf(exporting(exported('\x1b[31m\u202e')));
    expect(facts.exports).toEqual(['\\u{1b}[31m\\u{202e}']);
    expect((await factsOf(importing(imported('é', '\n', [0, 0])))).imports).toEqual([
      { module: '\\u{e9}', names: ['\\u{a}'] },
    ]);
  });

  test('an export name that is too long for the manifest is cut', async () => {
    const [name] = (await factsOf(exporting(exported('x'.repeat(5000))))).exports;
    expect(name).toBe(`${'x'.repeat(1021)}...`);
    expect((await factsOf(exporting(exported('x'.repeat(1024))))).exports).toEqual(['x'.repeat(1024)]);
  });

  test.each([
    [
      { language: [['Go', 'go1.24.1']], 'processed-by': [['Go cmd/compile', 'go1.24.1']] },
      'Go 1.24.1, Go cmd/compile go1.24.1',
    ],
    [
      { 'processed-by': [['rustc', '1.80.0 (abc 2024-07-21)']], language: [['Rust', '']] },
      'Rust, rustc 1.80.0 (abc 2024-07-21)',
    ],
    [
      {
        'processed-by': [
          ['TinyGo', '0.34.0'],
          ['clang', '18'],
        ],
      },
      'TinyGo 0.34.0, clang 18',
    ],
    [{ language: [['\x1b]0;x\x07', '1']] }, '\\u{1b}]0;x\\u{7} 1'],
    [{ sdk: [['Emscripten', '3']] }, undefined],
  ] as const)('toolchain of %j', async (fields, expected) => {
    const facts = await factsOf(wasmModule([producers(fields)]));
    expect(facts.toolchain).toBe(expected);
  });

  test('a malformed or endless producers section says nothing and refuses nothing', async () => {
    const malformed = customSection('producers', Buffer.from([0x05, 0x01]));
    const endless = producers({ language: [['x'.repeat(70_000), '']] });
    const long = producers({ language: [['x'.repeat(60_000), '']] });
    expect(await factsOf(wasmModule([malformed]))).not.toHaveProperty('toolchain');
    expect(await factsOf(wasmModule([endless]))).not.toHaveProperty('toolchain');
    expect((await factsOf(wasmModule([long]))).toolchain).toHaveLength(1024);
  });

  test('the position of the file is not moved', async () => {
    const path = join(directory, 'position.wasm');
    await writeFile(path, tinyModule(1));
    await opened(path, async (file) => {
      await readModule(file, path);
      const { buffer } = await file.read(Buffer.alloc(4), 0, 4, null);
      expect(buffer.toString('latin1')).toBe('\0asm');
    });
  });
});

describe('the engine of Node agrees', () => {
  /** What V8 says of the same bytes, in the shape of the facts. */
  function oracle(bytes: Buffer): Pick<ModuleFacts, 'imports' | 'exports' | 'abi' | 'start'> {
    const module = new engine.Module(new Uint8Array(bytes));
    const groups = new Map<string, Set<string>>();
    for (const entry of engine.Module.imports(module)) {
      const names = groups.get(escapeText(entry.module)) ?? new Set();
      groups.set(escapeText(entry.module), names.add(escapeText(entry.name)));
    }
    const exports = engine.Module.exports(module);
    const functions = exports.filter(({ kind }) => kind === 'function').map(({ name }) => name);
    return {
      abi: functions.filter((name) => name.startsWith('proxy_abi_version_')),
      start: (['_initialize', '_start'] as const).filter((name) => functions.includes(name)),
      imports: [...groups].sort().map(([name, names]) => ({ module: name, names: [...names].sort() })),
      exports: exports.map(({ name }) => escapeText(name)).sort(),
    };
  }

  test.each([
    ['esbuild-wasm/esbuild.wasm', 'Go 1.26.5, Go cmd/compile go1.26.5'],
    ['sql.js/dist/sql-wasm.wasm', undefined],
    ['sql.js/dist/sql-wasm-debug.wasm', undefined],
    [
      '@resvg/resvg-wasm/index_bg.wasm',
      'Rust, rustc 1.76.0-nightly (d86d65bbc 2023-12-10), walrus 0.20.3, wasm-bindgen 0.2.92 (2a4a49362)',
    ],
    ['lightningcss-wasm/lightningcss_node.wasm', 'Rust, rustc 1.92.0 (ded5c06cf 2025-12-08)'],
  ])('on %s', async (name, toolchain) => {
    const path = join('node_modules', name);
    const { toolchain: found, ...facts } = await opened(path, (file) => readModule(file, name));
    expect(facts).toEqual(oracle(await readFile(path)));
    expect(facts.exports.length).toBeGreaterThan(2);
    expect(found).toBe(toolchain);
  });

  test('on modules that wabt compiled', async () => {
    const compiler = await wabt();
    const features = {
      exceptions: true,
      reference_types: true,
      bulk_memory: true,
      multi_value: true,
      simd: true,
    };
    const sources = [
      '(module)',
      '(module (memory (export "memory") 1) (data (i32.const 0) "x"))',
      `(module
        (type $f (func (param i64 v128 externref) (result i32 f32)))
        (import "env" "f" (func (type $f))) (import "wasi_snapshot_preview1" "g" (global (mut f64)))
        (import "env" "t" (table 1 2 funcref)) (import "env" "m" (memory 1 9))
        (tag $e (param i32)) (global $g (mut i32) (i32.const 1))
        (func $start) (start $start) (elem declare func $start)
        (func (export "_start")) (func (export "proxy_abi_version_0_1_0")) (export "tag" (tag $e))
        (func (export "copy") (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 1)))
        (data "bytes"))`,
    ];
    for (const source of sources) {
      const bytes = Buffer.from(
        compiler.parseWat('a.wat', source, features).toBinary({ write_debug_names: true }).buffer,
      );
      expect(await factsOf(bytes)).toEqual(oracle(bytes));
    }
  });

  test('on the tiny modules of the other tests', async () => {
    for (const bytes of [tinyModule(1), tinyModule('other', 70_000)]) {
      expect(await factsOf(bytes)).toEqual(oracle(bytes));
    }
  });
});

describe('what is not a module is refused, and named', () => {
  const tar = Buffer.alloc(1024);
  tar.write('plugin.wasm');
  tar.write('ustar', 257);
  test.each([
    ['nothing', Buffer.alloc(0), 'empty'],
    ['half a header', wasmHeader.subarray(0, 6), 'few bytes'],
    ['gzip', gzipSync(tinyModule(1)), 'gzip'],
    ['tar', tar, 'tar archive'],
    ['zip', Buffer.from('PK\x03\x04 and more'), 'zip'],
    ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0, 0]), 'zstd'],
    ['ELF', Buffer.from('\x7fELF\x02\x01\x01\0\0'), 'ELF'],
    ['a login page', Buffer.from('\r\n<!DOCTYPE html><html><body>Sign in'), 'HTML'],
    ['a registry error', Buffer.from('{"errors":[{"code":"UNAUTHORIZED"}]}'), 'JSON'],
    [
      'a Git LFS pointer',
      Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:00'),
      'Git LFS',
    ],
    ['text format', Buffer.from('(module (func))'), 'text'],
    ['noise', Buffer.from('0123456789abcdef'), 'first bytes'],
    ['a component', Buffer.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]), 'component'],
    ['another version', Buffer.from([0, 0x61, 0x73, 0x6d, 2, 0, 0, 0]), 'version'],
  ])('%s', async (_name, bytes, said) => {
    const error = await refusalOf(bytes);
    expect(error.code).toBe('E_WASM');
    expect(error.message).toMatch(/^a\/plugin\.wasm: /);
    expect(error.message).toContain(said);
    expect(error.hint).toBeTruthy();
    expect(isModuleHeader(bytes.subarray(0, 8))).toBe(false);
  });

  test('a directory', async () => {
    await expect(opened(directory, (file) => readModule(file, 'd'))).rejects.toMatchObject({
      code: 'E_WASM',
    });
  });

  test('the header test takes exactly the eight bytes', () => {
    expect(isModuleHeader(wasmHeader)).toBe(true);
    expect(isModuleHeader(tinyModule(1))).toBe(true);
    expect(isModuleHeader(wasmHeader.subarray(0, 7))).toBe(false);
    expect(isModuleHeader(new Uint8Array())).toBe(false);
  });
});

describe('a module that an engine would refuse is refused', () => {
  const empty = (id: number): Buffer => wasmSection(id, Buffer.from([0x00]));
  const bare = (id: number, ...body: readonly number[]): Buffer =>
    wasmModule([wasmSection(id, Buffer.from(body))]);
  test.each([
    ['an unknown section', wasmModule([empty(14)]), 'unknown section 14'],
    [
      'an unknown section past the end',
      Buffer.concat([wasmHeader, Buffer.from([99, 5])]),
      'section 99 at byte 8 is cut short',
    ],
    ['a section twice', wasmModule([empty(1), empty(1)]), 'the type section stands twice'],
    [
      'sections out of order',
      wasmModule([empty(7), empty(3)]),
      'function section stands behind the export section',
    ],
    ['tag behind global', wasmModule([empty(6), empty(13)]), 'tag section stands behind the global section'],
    [
      'data count behind code',
      wasmModule([empty(10), empty(12)]),
      'data count section stands behind the code section',
    ],
    [
      'a section past the end',
      Buffer.concat([wasmHeader, Buffer.from([1, 5, 0])]),
      '5 bytes promised, 1 there',
    ],
    ['a lone byte at the end', Buffer.concat([tinyModule(1), Buffer.from([0])]), 'a section header'],
    [
      'a size of six bytes',
      Buffer.concat([wasmHeader, Buffer.from([1, 128, 128, 128, 128, 128, 0])]),
      '32 bits',
    ],
    [
      'a size above 32 bits',
      Buffer.concat([wasmHeader, Buffer.from([1, 255, 255, 255, 255, 0x1f])]),
      '32 bits',
    ],
    ['a custom section without a name', bare(0), 'the custom section'],
    ['a custom name past its section', bare(0, 2, 0x61), 'more than fit'],
    ['a custom name that is not UTF-8', bare(0, 1, 0xff), 'not UTF-8'],
    [
      'an endless custom name',
      bare(0, ...leb(100_001), ...new Array<number>(100_001).fill(97)),
      '100001 bytes',
    ],
    [
      'functions without bodies',
      wasmModule([wasmSection(3, Buffer.from([1, 0]))]),
      '1 functions are declared, but 0',
    ],
    [
      'more bodies than functions',
      wasmModule([wasmSection(10, Buffer.from([1, 2, 0, 0x0b]))]),
      '0 functions are declared',
    ],
    ['announced data that is not there', wasmModule([wasmSection(12, Buffer.from([1]))]), '1 data segments'],
    [
      'a body count that is cut short',
      wasmModule([wasmSection(10, Buffer.from([0x80]))]),
      'code section holds no number',
    ],
    ['more types than fit', bare(1, 9, 0x60, 0, 0), 'promises 9 entries'],
    ['bytes behind the last type', bare(1, 1, 0x60, 0, 0, 7), '1 bytes behind its last entry'],
    ['an unknown kind of type', typing([0x61, 0, 0]), '0x61'],
    ['an unknown value type', typing([0x60, 1, 0x01, 0]), '0x1'],
    ['a type that is cut short', typing([0x60]), 'type section'],
    ['a field that is neither', typing([0x5e, 0x7f, 2]), 'neither 0 nor 1'],
    ['an endless heap type', typing([0x60, 1, 0x64, 128, 128, 128, 128, 128, 0, 0]), '33 bits'],
    ['an import of no known type', importing(imported('env', 'f', [0, 1])), 'refers to type 1 of 1'],
    ['an import of an unknown kind', importing(imported('env', 'f', [5, 0])), 'unknown kind of thing (5)'],
    ['an import with unknown limits', importing(imported('env', 'm', [2, 0x10, 0])), '0x10'],
    ['an import of a tag of another sort', importing(imported('env', 't', [4, 1, 0])), 'tag'],
    ['an import name that is not UTF-8', importing(Buffer.from([1, 0xc3, 1, 0x61, 0, 0])), 'not UTF-8'],
    [
      'an import name too long for any host',
      importing(imported('env', 'x'.repeat(1025), [0, 0])),
      '1025 characters',
    ],
    ['an export twice', exporting(exported('x'), exported('y'), exported('x')), '"x" twice'],
    ['an export of an unknown kind', exporting(exported('x', 5)), 'unknown kind of thing (5)'],
  ])('%s', async (_name, bytes, said) => {
    const error = await refusalOf(bytes);
    expect(error.code).toBe('E_WASM');
    expect(error.message).toContain(said);
  });

  const many = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
  test.each([
    ['exports', (count: number) => exporting(...many(count).map((index) => exported(`e${index}`))), 4096],
    [
      'imports of one module',
      (count: number) => importing(...many(count).map((index) => imported('env', `i${index}`, [0, 0]))),
      4096,
    ],
    [
      'imported modules',
      (count: number) => importing(...many(count).map((index) => imported(`m${index}`, 'f', [0, 0]))),
      256,
    ],
    [
      'ABI versions',
      (count: number) => exporting(...many(count).map((index) => exported(`proxy_abi_version_${index}`, 0))),
      16,
    ],
    [
      'sections',
      (count: number) => wasmModule(many(count).map(() => customSection('x', Buffer.alloc(0)))),
      1024,
    ],
  ] as const)('more %s than the limit', async (_name, build, limit) => {
    await expect(factsOf(build(limit))).resolves.toBeDefined();
    const error = await refusalOf(build(limit + 1));
    expect(error.code).toBe('E_WASM');
    expect(error.message).toContain(`more than ${limit}`);
  });

  test('an import section that no manifest could hold', async () => {
    const error = await refusalOf(wasmModule([wasmSection(2, Buffer.alloc(4 * 1024 * 1024 + 1))]));
    expect(error.message).toContain('the import section is larger than 4194304 bytes');
  });

  test('cut anywhere', async () => {
    const bytes = tinyModule('cut', 40);
    // The one other place where a module may end: behind a whole section, when the counts still agree.
    const whole = [wasmHeader.length];
    for (const id of [1, 2]) {
      const start = whole.at(-1) ?? 0;
      expect(bytes[start]).toBe(id);
      whole.push(start + 2 + (bytes[start + 1] ?? 0));
    }
    whole.push(bytes.length - customSection('plugferry.test', Buffer.alloc(4 + 40)).length, bytes.length);
    for (let length = 0; length <= bytes.length; length += 1) {
      const cut = bytes.subarray(0, length);
      if (whole.includes(length)) await expect(factsOf(cut)).resolves.toBeDefined();
      else expect((await refusalOf(cut)).code).toBe('E_WASM');
    }
  });

  test('a real module cut inside each of its sections', async () => {
    const bytes = await readFile('node_modules/sql.js/dist/sql-wasm.wasm');
    let position = 8;
    let sections = 0;
    while (position < bytes.length) {
      let size = 0;
      let next = position + 1;
      for (let shift = 1; ; shift *= 128) {
        const byte = bytes[next++] ?? 0;
        size += (byte & 127) * shift;
        if (byte < 128) break;
      }
      const middle = next + Math.floor(size / 2);
      expect((await refusalOf(bytes.subarray(0, middle))).message).toContain('cut short');
      position = next + size;
      sections += 1;
    }
    expect(sections).toBeGreaterThan(8);
  });
});

describe('hostile bytes', () => {
  const survives = async (bytes: Uint8Array): Promise<void> => {
    try {
      const facts = await factsOf(bytes);
      expect(JSON.stringify(facts)).toMatch(/^[\x20-\x7e]*$/);
    } catch (error) {
      if (!(error instanceof PlugferryError)) throw error;
      expect(error.code).toBe('E_WASM');
    }
  };

  test('random sections', async () => {
    const section = fc
      .tuple(fc.integer({ min: 0, max: 14 }), fc.uint8Array({ maxLength: 60 }))
      .map(([id, body]) => wasmSection(id, body));
    const property = fc.asyncProperty(fc.array(section, { maxLength: 5 }), (sections) =>
      survives(wasmModule(sections)),
    );
    await fc.assert(property, { numRuns: 500, seed: 1 });
  });

  test('mutations of a plugin: what is accepted is what V8 would read', async () => {
    const original = tinyModule('mutated', 10);
    const change = fc.tuple(fc.nat(original.length - 1), fc.nat(255));
    const property = fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      const bytes = Buffer.from(original);
      for (const [at, value] of changes) bytes[at] = value;
      await survives(bytes);
      if (!engine.validate(new Uint8Array(bytes))) return;
      const names = engine.Module.exports(new engine.Module(new Uint8Array(bytes)));
      expect((await factsOf(bytes)).exports).toEqual(names.map(({ name }) => escapeText(name)).sort());
    });
    await fc.assert(property, { numRuns: 1000, seed: 2 });
  });
});

describe('size', () => {
  /** A module whose bulk is a hole on disk: sparse, so nothing of this size is written. */
  async function sparse(size: number): Promise<string> {
    const path = join(directory, `sparse-${size}.wasm`);
    const bulk = size - wasmHeader.length - 1 - 5;
    const number = Buffer.from(
      [0, 1, 2, 3, 4].map((index) => ((bulk >>> (7 * index)) & 127) | (index < 4 ? 128 : 0)),
    );
    // A data section of zero segments and many bytes: the body is not looked at.
    await writeFile(path, Buffer.concat([wasmHeader, Buffer.from([11]), number]));
    await truncate(path, size);
    return path;
  }

  test('a large data section is not read into memory', async () => {
    const path = await sparse(200 * 1024 * 1024);
    const before = process.memoryUsage().rss;
    for (let run = 0; run < 20; run += 1) {
      await opened(path, (file) => readModule(file, path));
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(32 * 1024 * 1024);
  });

  test('the limit of the gateway is the limit', async () => {
    const atLimit = await sparse(maxModuleBytes);
    await expect(opened(atLimit, (file) => readModule(file, 'x'))).resolves.toBeDefined();
    const above = await sparse(maxModuleBytes + 1);
    await expect(opened(above, (file) => readModule(file, 'x'))).rejects.toMatchObject({
      code: 'E_WASM',
      message: expect.stringContaining('268435456'),
    });
  });

  test('a file that shrinks while it is read is a changed file', async () => {
    const path = join(directory, 'shrinking.wasm');
    await writeFile(path, tinyModule(1, 1000));
    await opened(path, async (file) => {
      const shrinking: Pick<FileHandle, 'stat' | 'read'> = {
        stat: (async () => {
          const stats = await file.stat();
          await truncate(path, 100);
          return stats;
        }) as FileHandle['stat'],
        read: file.read.bind(file),
      };
      await expect(readModule(shrinking as FileHandle, path)).rejects.toMatchObject({
        code: 'E_SOURCE_CHANGED',
      });
    });
  });
});
