import { Readable, Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { packTarGz, packZip, type BundleContent, type Pack } from '../../src/bundle/write-archive.js';
import { isPlugferryError } from '../../src/errors.js';
import { digestOf } from '../../src/stream/digest.js';
import { noise } from '../helpers/wasm.js';

const module = noise('module', 300_000);
const path = 'plugins/waf/1.0.0/plugin.wasm';

const content = (open: BundleContent['open']): BundleContent => ({
  manifestBytes: Buffer.from('{}\n'),
  signatures: new Map(),
  files: [
    { path, ...digestOf(module) },
    { path: 'plugins/waf/2.0.0/plugin.wasm', ...digestOf(module), sameAs: path },
  ],
  open,
  date: new Date('2026-01-02T03:04:05Z'),
});

/** What packing came to: the size written, or how it failed. */
async function outcome(
  pack: Pack,
  open: BundleContent['open'],
  { signal, fail }: { signal?: AbortSignal; fail?: number } = {},
) {
  let size = 0;
  const out = new Writable({
    write(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      done(fail !== undefined && size > fail ? Object.assign(new Error('full'), { code: 'ENOSPC' }) : null);
    },
  });
  try {
    return (await pack(content(open), out, signal)).size === size ? 'written' : 'wrong size';
  } catch (error) {
    if (isPlugferryError(error)) return error.code;
    return error instanceof Error && 'code' in error ? error.code : String(error);
  }
}

const inPieces = (bytes: Buffer): Readable =>
  Readable.from(
    Array.from({ length: Math.ceil(bytes.length / 10_000) }, (_, i) =>
      bytes.subarray(i * 10_000, (i + 1) * 10_000),
    ),
  );

/** Fails after some bytes, as a disk does. */
function failing(): Readable {
  return Readable.from(
    (function* () {
      yield module.subarray(0, 100_000);
      throw Object.assign(new Error('bad sector'), { code: 'EIO' });
    })(),
  );
}

describe.each([
  ['tar.gz', packTarGz, [path]],
  ['zip', packZip, [path, 'plugins/waf/2.0.0/plugin.wasm']],
] as const)('packing %s', (_kind, pack, openedPaths) => {
  test.each<[string, string, () => Readable | Promise<Readable>]>([
    ['what was promised', 'written', () => inPieces(module)],
    ['one byte more', 'E_DIGEST', () => inPieces(Buffer.concat([module, Buffer.from([1])]))],
    ['much more', 'E_DIGEST', () => inPieces(Buffer.concat([module, module]))],
    ['one byte less', 'E_DIGEST', () => inPieces(module.subarray(1))],
    ['nothing', 'E_DIGEST', () => Readable.from([])],
    ['other bytes', 'E_DIGEST', () => inPieces(Buffer.alloc(module.length, 8))],
    ['an error in the middle', 'EIO', failing],
    ['no source at all', 'EACCES', () => Promise.reject(Object.assign(new Error('no'), { code: 'EACCES' }))],
  ])('a source that gives %s: %s', async (_what, expected, open) => {
    expect(await outcome(pack, async () => open())).toBe(expected);
  });

  test('an output that fails is reported, and the source is closed', async () => {
    const source = inPieces(module);
    expect(await outcome(pack, async () => source, { fail: 100_000 })).toBe('ENOSPC');
    await new Promise(setImmediate);
    expect(source.destroyed).toBe(true);
  });

  test('an abort ends it at once, in the middle of an endless source', async () => {
    const stop = new AbortController();
    const source = new Readable({
      read() {
        setTimeout(() => this.push(Buffer.alloc(1)), 5);
      },
    });
    setTimeout(() => {
      stop.abort(new Error('enough'));
    }, 50);
    expect(await outcome(pack, async () => source, { signal: stop.signal })).toBe('ABORT_ERR');
    await new Promise(setImmediate);
    expect(source.destroyed).toBe(true);
  });

  test('equal modules are opened as often as they are stored', async () => {
    const opened: string[] = [];
    await outcome(pack, async (file) => {
      opened.push(file.path);
      return inPieces(module);
    });
    expect(opened).toEqual(openedPaths);
  });
});
