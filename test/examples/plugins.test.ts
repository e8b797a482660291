import { execFile } from 'node:child_process';
import { mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/stream/digest.js';
import { checkMetadata, formatMetadata, parseMetadata } from '../../src/plugin/metadata.js';
import { formatPluginId } from '../../src/plugin/plugin.js';
import type { ModuleFacts } from '../../src/schema/manifest.js';
import { directorySource } from '../../src/source/directory.js';
import { readModule } from '../../src/wasm/module.js';
import { engine } from '../helpers/wasm.js';

const run = promisify(execFile);
const builder = 'examples/plugins/build.mjs';
let plugins: string;
beforeAll(async () => {
  plugins = await mkdtemp(join(tmpdir(), 'plugferry-examples-'));
  await run(process.execPath, [builder, plugins]);
});
afterAll(() => rm(plugins, { recursive: true }));

const wasmOf = (name: string): string => join(plugins, name, '1.0.0/plugin.wasm');

async function factsOf(name: string): Promise<ModuleFacts> {
  const file = await open(wasmOf(name));
  try {
    return await readModule(file, name);
  } finally {
    await file.close();
  }
}

const callbacks = [
  '_initialize',
  'memory',
  'proxy_abi_version_0_2_1',
  'proxy_on_configure',
  'proxy_on_context_create',
  'proxy_on_memory_allocate',
];

describe('the example plugins', () => {
  test('are built into a tree that is a source', async () => {
    const { offers, notes } = await (await directorySource(plugins)).list();
    expect(offers.map(formatPluginId)).toEqual(['hello-header@1.0.0', 'request-guard@1.0.0']);
    expect(notes).toEqual([]);
    const [hello, guard] = await Promise.all(offers.map((offer) => offer.fetch()));
    expect(guard?.metadata).toBeUndefined();
    const wasm = digestOf(await readFile(wasmOf('hello-header')));
    const text = hello?.metadata?.toString() ?? '';
    checkMetadata(parseMetadata(text, 'metadata.txt'), wasm, 'metadata.txt');
    expect(text).toBe(formatMetadata({ name: 'hello-header', ...wasm }));
  });

  test('are the same bytes every time', async () => {
    const again = join(plugins, '.again');
    await run(process.execPath, [builder, again]);
    for (const path of await readdir(again, { recursive: true, withFileTypes: true })) {
      if (!path.isFile()) continue;
      const copy = join(path.parentPath, path.name);
      expect(await readFile(copy)).toEqual(await readFile(copy.replace('/.again', '')));
    }
    await rm(again, { recursive: true });
  });

  test('are not built without saying where to', async () => {
    await expect(run(process.execPath, [builder])).rejects.toMatchObject({ code: 2 });
  });

  test('say what they ask of a gateway', async () => {
    expect(await factsOf('hello-header')).toEqual({
      abi: ['proxy_abi_version_0_2_1'],
      start: ['_initialize'],
      imports: [{ module: 'env', names: ['proxy_add_header_map_value'] }],
      exports: [...callbacks, 'proxy_on_response_headers', 'proxy_on_vm_start'],
    });
    expect(await factsOf('request-guard')).toEqual({
      abi: ['proxy_abi_version_0_2_1'],
      start: ['_initialize'],
      imports: [{ module: 'env', names: ['proxy_get_header_map_value', 'proxy_send_local_response'] }],
      exports: [...callbacks, 'proxy_on_request_headers', 'proxy_on_vm_start'],
    });
  });
});

type Callback = (...parameters: readonly number[]) => number;
type Headers = [name: string, value: string][];

interface LocalResponse {
  readonly status: number;
  readonly details: string;
  readonly body: string;
  readonly headers: Headers;
  readonly grpcStatus: number;
}

const ok = 0;
const notFound = 1;
const badArgument = 2;
const invalidMemoryAccess = 6;
const requestHeaders = 0;
const responseHeaders = 2;
const pluginContext = 1;

/** As much of a proxy-wasm host as the examples need, by the words of the Proxy-Wasm ABI 0.2.1 specification. */
class Host {
  readonly maps = new Map<number, Headers>([
    [requestHeaders, []],
    [responseHeaders, []],
  ]);
  response: LocalResponse | undefined;
  readonly #exports: Readonly<Record<string, unknown>>;
  #contexts = pluginContext;

  constructor(wasm: Buffer) {
    const imports = {
      proxy_add_header_map_value: this.#addHeader.bind(this),
      proxy_get_header_map_value: this.#getHeader.bind(this),
      proxy_send_local_response: this.#respond.bind(this),
    };
    this.#exports = new engine.Instance(new engine.Module(wasm), { env: imports }).exports;
    this.call('_initialize');
    this.call('proxy_on_context_create', pluginContext, 0);
    if (this.call('proxy_on_vm_start', pluginContext, 0) !== 1) throw new Error('the VM did not start');
    if (this.call('proxy_on_configure', pluginContext, 2) !== 1) throw new Error('not configured');
  }

  call(name: string, ...parameters: readonly number[]): number {
    return (this.#exports[name] as Callback)(...parameters);
  }

  /** A new stream context, and the action that the plugin chose for its headers. */
  stream(callback: string, map: number, headers: Headers): number {
    this.maps.set(map, headers);
    this.response = undefined;
    this.#contexts += 1;
    this.call('proxy_on_context_create', this.#contexts, pluginContext);
    return this.call(callback, this.#contexts, headers.length, 1);
  }

  get memory(): Buffer {
    return Buffer.from((this.#exports['memory'] as { readonly buffer: ArrayBuffer }).buffer);
  }

  #text(start: number, size: number): string {
    if (start + size > this.memory.length) throw new RangeError('outside memory');
    return this.memory.toString('utf8', start, start + size);
  }

  #addHeader(...[map = -1, key = 0, keySize = 0, value = 0, valueSize = 0]: readonly number[]): number {
    const headers = this.maps.get(map);
    if (headers === undefined) return badArgument;
    headers.push([this.#text(key, keySize), this.#text(value, valueSize)]);
    return ok;
  }

  #getHeader(...[map = -1, key = 0, keySize = 0, returnData = 0, returnSize = 0]: readonly number[]): number {
    const headers = this.maps.get(map);
    if (headers === undefined) return badArgument;
    const value = headers.find(([name]) => name === this.#text(key, keySize))?.[1];
    if (value === undefined) return notFound;
    const bytes = Buffer.from(value);
    const start = this.call('proxy_on_memory_allocate', bytes.length);
    if (start === 0) return invalidMemoryAccess;
    bytes.copy(this.memory, start);
    this.memory.writeUInt32LE(start, returnData);
    this.memory.writeUInt32LE(bytes.length, returnSize);
    return ok;
  }

  #respond(...parameters: readonly number[]): number {
    const [status = 0, details = 0, detailsSize = 0, body = 0, bodySize = 0, ...rest] = parameters;
    const [headers = 0, headersSize = 0, grpcStatus = 0] = rest;
    this.response = {
      status,
      details: this.#text(details, detailsSize),
      body: this.#text(body, bodySize),
      headers: this.#pairs(headers, headersSize),
      grpcStatus,
    };
    return ok;
  }

  #pairs(start: number, size: number): Headers {
    const bytes = this.memory.subarray(start, start + size);
    const count = bytes.readUInt32LE(0);
    const headers: Headers = [];
    let at = 4 + 8 * count;
    const next = (length: number): string => {
      const text = bytes.toString('utf8', at, at + length);
      expect(bytes[at + length]).toBe(0);
      at += length + 1;
      return text;
    };
    for (let index = 0; index < count; index += 1) {
      headers.push([next(bytes.readUInt32LE(4 + 8 * index)), next(bytes.readUInt32LE(8 + 8 * index))]);
    }
    expect(at).toBe(size);
    return headers;
  }
}

const started = async (name: string): Promise<Host> => new Host(await readFile(wasmOf(name)));
const proceed = 0;
const pause = 1;

describe('hello-header', () => {
  test('adds its header to the response and lets it pass', async () => {
    const host = await started('hello-header');
    const headers: Headers = [[':status', '200']];
    expect(host.stream('proxy_on_response_headers', responseHeaders, headers)).toBe(proceed);
    expect(headers).toEqual([
      [':status', '200'],
      ['x-plugferry', 'hello'],
    ]);
    expect(host.maps.get(requestHeaders)).toEqual([]);
  });

  test('lets the response pass when the header cannot be added', async () => {
    const host = await started('hello-header');
    host.maps.delete(responseHeaders);
    expect(host.call('proxy_on_response_headers', 2, 0, 1)).toBe(proceed);
  });
});

describe('request-guard', () => {
  const request = (host: Host, ...headers: Headers): number =>
    host.stream('proxy_on_request_headers', requestHeaders, [[':path', '/'], ...headers]);

  test('answers 403 to a request with the header', async () => {
    const host = await started('request-guard');
    for (const value of ['1', '', 'x'.repeat(5000)]) {
      expect(request(host, ['x-block', value])).toBe(pause);
      expect(host.response).toEqual({
        status: 403,
        details: 'plugferry_request_guard',
        body: 'blocked\n',
        headers: [['content-type', 'text/plain']],
        grpcStatus: -1,
      });
    }
  });

  test('lets every other request pass', async () => {
    const host = await started('request-guard');
    for (const name of ['x-bloc', 'x-blocked', 'x-forwarded-for']) {
      expect(request(host, [name, '1'])).toBe(proceed);
      expect(host.response).toBeUndefined();
    }
    expect(request(host)).toBe(proceed);
  });

  test('refuses when the host cannot say whether the header is there', async () => {
    const host = await started('request-guard');
    expect(request(host, ['x-block', 'x'.repeat(2 * 1024 * 1024)])).toBe(pause);
    expect(host.response?.status).toBe(403);
    host.maps.delete(requestHeaders);
    host.response = undefined;
    expect(host.call('proxy_on_request_headers', 2, 0, 1)).toBe(pause);
    expect(host.response).toMatchObject({ status: 403 });
  });

  test('starts anew with each request, so any number of them fits', async () => {
    const host = await started('request-guard');
    for (let count = 0; count < 500; count += 1) {
      expect(request(host, ['x-block', 'x'.repeat(60_000)])).toBe(pause);
    }
    expect(host.memory.length).toBeLessThanOrEqual(2 * 65_536);
  });
});

describe.each(['hello-header', 'request-guard'])('the allocator of %s', (name) => {
  test('hands out distinct, aligned memory, and says 0 when there is no more', async () => {
    const host = await started(name);
    const sizes = [1, 0, 7, 8, 9, 70_000, 200_000, 500_000];
    const starts = sizes.map((size) => host.call('proxy_on_memory_allocate', size));
    for (const [index, start] of starts.entries()) {
      expect(start % 8).toBe(0);
      expect(start).toBeGreaterThanOrEqual(1024);
      const end = start + (sizes[index] ?? 0);
      expect(end).toBeLessThanOrEqual(starts[index + 1] ?? host.memory.length);
    }
    for (const tooMuch of [300_000, 0x100000, 0x100001, 0x7fffffff, -1, -8]) {
      expect(host.call('proxy_on_memory_allocate', tooMuch)).toBe(0);
    }
    expect(host.memory.length).toBeLessThanOrEqual(1024 * 1024);
    expect(host.call('proxy_on_memory_allocate', 8)).toBeGreaterThan(0);
    host.call('proxy_on_context_create', 9, pluginContext);
    expect(host.call('proxy_on_memory_allocate', 8)).toBe(1024);
  });
});
