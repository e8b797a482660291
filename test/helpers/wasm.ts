import { createHash } from 'node:crypto';

/** An unsigned integer in LEB128, as every count and size of a wasm module is written. */
export function leb(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low + 128 : low);
  } while (rest > 0);
  return Buffer.from(bytes);
}

/** A wasm name: length in bytes, then UTF-8. */
export const wasmName = (text: string): Buffer =>
  Buffer.concat([leb(Buffer.byteLength(text)), Buffer.from(text)]);

/** A vector: count, then the items. */
export const wasmVector = (items: readonly Uint8Array[]): Buffer =>
  Buffer.concat([leb(items.length), ...items]);

/** One section: id, size, body. */
export const wasmSection = (id: number, body: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([id]), leb(body.length), body]);

export const customSection = (name: string, content: Uint8Array): Buffer =>
  wasmSection(0, Buffer.concat([wasmName(name), content]));

/** `\0asm` and version 1. */
export const wasmHeader = Buffer.from([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);

export const wasmModule = (sections: readonly Uint8Array[]): Buffer =>
  Buffer.concat([wasmHeader, ...sections]);

const i32 = 0x7f;
const functionType = (parameters: readonly number[], results: readonly number[]): Buffer =>
  Buffer.concat([
    Buffer.from([0x60]),
    wasmVector(parameters.map((type) => Buffer.from([type]))),
    wasmVector(results.map((type) => Buffer.from([type]))),
  ]);
const functionImport = (module: string, name: string, type: number): Buffer =>
  Buffer.concat([wasmName(module), wasmName(name), Buffer.from([0x00]), leb(type)]);
const exported = (name: string, kind: number, index: number): Buffer =>
  Buffer.concat([wasmName(name), Buffer.from([kind]), leb(index)]);
const body = (instructions: readonly number[]): Buffer => {
  const code = Buffer.from([0x00, ...instructions, 0x0b]);
  return Buffer.concat([leb(code.length), code]);
};

/** Bytes that do not compress and are always the same for the same seed. */
export function noise(seed: number | string, length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let made = 0; made < length; made += 64) {
    blocks.push(
      createHash('sha512')
        .update(`${String(seed)}:${made}`)
        .digest(),
    );
  }
  return Buffer.concat(blocks).subarray(0, length);
}

/**
 * A small valid module that looks like a proxy-wasm plugin and instantiates: imports `env.proxy_log`; exports `memory`,
 * `proxy_abi_version_0_2_1`, `_initialize` and `proxy_on_memory_allocate`. Another seed gives other bytes; `extraBytes`
 * of noise in a custom section make it larger.
 */
export function tinyModule(seed: number | string, extraBytes = 0): Buffer {
  const types = [functionType([i32, i32, i32], [i32]), functionType([], []), functionType([i32], [i32])];
  const exports = [
    exported('memory', 2, 0),
    exported('proxy_abi_version_0_2_1', 0, 1),
    exported('_initialize', 0, 2),
    exported('proxy_on_memory_allocate', 0, 3),
  ];
  return wasmModule([
    wasmSection(1, wasmVector(types)),
    wasmSection(2, wasmVector([functionImport('env', 'proxy_log', 0)])),
    wasmSection(3, wasmVector([leb(1), leb(1), leb(2)])),
    wasmSection(5, wasmVector([Buffer.from([0x00, 0x01])])),
    wasmSection(7, wasmVector(exports)),
    wasmSection(10, wasmVector([body([]), body([]), body([0x20, 0x00])])),
    customSection('plugferry.test', Buffer.concat([wasmName(String(seed)), noise(seed, extraBytes)])),
  ]);
}

/** The parts of the WebAssembly engine of Node that tests use; the Node types name it, but do not describe it. */
interface Engine {
  validate(bytes: Uint8Array): boolean;
  readonly Module: {
    new (bytes: Uint8Array): object;
    imports(module: object): { module: string; name: string; kind: string }[];
    exports(module: object): { name: string; kind: string }[];
  };
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ) => { readonly exports: Readonly<Record<string, unknown>> };
}

export const engine = (globalThis as unknown as { readonly WebAssembly: Engine }).WebAssembly;
