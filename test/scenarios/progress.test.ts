import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  convertBundle,
  diff,
  doctor,
  exportBundle,
  importBundle,
  joinParts,
  listPlugins,
  signFile,
  splitBundle,
  verifyBundle,
  verifyVolume,
  type ProgressObserver,
  type Step,
} from '../../src/index.js';
import { testKey } from '../helpers/keys.js';
import { startServe } from '../helpers/server.js';
import { tempDir } from '../helpers/temp.js';
import { realTree } from '../helpers/tree.js';
import { serving, startWeb } from '../helpers/web.js';

/** An observer, and what it was told. */
function listener() {
  const told: { readonly step: Step; readonly done: number; readonly total: number | undefined }[] = [];
  const onProgress: ProgressObserver = (step, done, total) => told.push({ step, done, total });
  /** The steps in the order in which they began, each with its size; every call is checked. */
  const steps = (): (readonly [Step, number])[] => {
    const last = new Map<Step, number>();
    for (const { step, done, total } of told.splice(0)) {
      if (!last.has(step)) expect(done).toBe(0);
      expect(done).toBeGreaterThanOrEqual(last.get(step) ?? 0);
      expect(done).toBeLessThanOrEqual(total ?? Infinity);
      last.set(step, done);
    }
    return [...last];
  };
  return { onProgress, steps, told };
}

test('every verb tells how far each of its steps is, from nothing to all of it', async () => {
  const directory = await tempDir();
  await realTree(directory);
  const key = await testKey();
  const { onProgress, steps, told } = listener();
  const at = (name: string): string => join(directory, name);
  const trust = { insecureSkipSignature: true } as const;

  const exported = await exportBundle({ source: directory, output: at('a.tar.gz'), onProgress });
  const all = exported.plugins.reduce((sum, { size }) => sum + size, 0);
  const packed = steps();
  expect(packed).toEqual([
    ['read', all],
    ['pack', expect.any(Number)],
  ]);
  // One module is there twice, and carried once; checksums and metadata come along.
  const once = exported.plugins.reduce((sum, { size, sameAs }) => sum + (sameAs === undefined ? size : 0), 0);
  const payload = packed[1]?.[1] ?? 0;
  expect(payload).toBeGreaterThan(once);
  expect(payload).toBeLessThan(once + 4096);

  await verifyBundle({ bundle: at('a.tar.gz'), trust, onProgress });
  expect(told.every(({ total }) => total === payload)).toBe(true);
  expect(told.length).toBeGreaterThan(10);
  expect(steps()).toEqual([['verify', payload]]);

  await convertBundle({ bundle: at('a.tar.gz'), output: at('a.zip'), onProgress });
  const zipped = steps();
  expect(zipped).toEqual([['pack', expect.any(Number)]]);
  expect(zipped[0]?.[1]).toBeGreaterThan(payload);
  await verifyBundle({ bundle: at('a.zip'), trust, onProgress });
  expect(steps()).toEqual([['verify', payload]]);

  const signer = { keyId: key.keyId, sign: async (bytes: Uint8Array) => key.sign(bytes) };
  await signFile({ file: at('a.tar.gz'), signer, onProgress });
  expect(steps()).toEqual([
    ['verify', payload],
    ['sign', payload],
  ]);

  const { size } = await splitBundle({
    bundle: at('a.tar.gz'),
    partFile: 2 * 1024 * 1024,
    parity: 20,
    onProgress,
  });
  expect(steps()).toEqual([
    ['split', size],
    ['parity', expect.any(Number)],
  ]);
  await joinParts({ parts: [directory], output: at('joined.tar.gz'), onProgress });
  expect(steps()).toEqual([
    ['verify', expect.any(Number)],
    ['join', size],
  ]);

  await importBundle({ bundle: at('a.tar.gz'), to: at('volume'), trust, onProgress });
  expect(steps()).toEqual([['unpack', payload]]);
  await verifyVolume(at('volume'), { onProgress });
  const volumeSize = told.at(-1)?.total ?? 0;
  expect(volumeSize).toBeGreaterThan(once);
  expect(steps()).toEqual([['verify', volumeSize]]);

  await listPlugins({ location: directory, onProgress });
  expect(steps()).toEqual([['read', all]]);
  await diff({ before: directory, after: at('a.tar.gz'), onProgress });
  expect(steps()).toEqual([['read', all]]);
  await doctor({
    place: directory,
    mcpUrl: 'http://server.example/plugins/waf/1.0.0/plugin.wasm',
    onProgress,
  });
  expect(steps()).toEqual([['read', all]]);

  const again = { source: at('a.tar.gz'), output: at('b.tar.gz'), trust, onProgress };
  await exportBundle(again);
  expect(steps()).toEqual([
    ['unpack', payload],
    ['read', all],
    ['pack', payload],
  ]);

  const server = await startServe(at('volume'));
  try {
    await exportBundle({ source: server.url, output: at('c.tar.gz'), onProgress });
    expect(told.find(({ step }) => step === 'download')?.total).toBe(all);
    expect(steps()).toEqual([
      ['download', all],
      ['pack', payload],
    ]);
  } finally {
    await server.stop();
  }
});

test('bytes that have to come a second time are not counted twice', async () => {
  const directory = await tempDir();
  await realTree(directory);
  const { readFile } = await import('node:fs/promises');
  const module = await readFile(join(directory, 'plugins/sql-js/1.0.0/plugin.wasm'));
  let asked = 0;
  const web = await startWeb(
    serving({
      '/plugins/': '<a href="waf/">waf/</a>',
      '/plugins/waf/': '<a href="1.0.0/">1.0.0/</a>',
      '/plugins/waf/1.0.0/': '<a href="plugin.wasm">plugin.wasm</a>',
      '/plugins/waf/1.0.0/plugin.wasm': (_request, response) => {
        asked += 1;
        response.writeHead(200, { 'content-type': 'application/wasm', 'content-length': module.length });
        if (asked > 1) response.end(module);
        else response.write(module.subarray(0, 200_000), () => response.destroy());
      },
    }),
  );
  const told: number[] = [];
  const onProgress: ProgressObserver = (step, done) => step === 'download' && told.push(done);
  await exportBundle({ source: web.url, output: join(directory, 'x.tar.gz'), onProgress });
  expect(asked).toBe(2);
  expect(Math.max(...told)).toBe(module.length);
  expect(told.at(-1)).toBe(module.length);
});
