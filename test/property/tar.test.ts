import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TarGate } from '../../src/bundle/tar-gate.js';
import { readTarHeader, type TarEntry } from '../../src/bundle/tar-header.js';
import { isPlugferryError } from '../../src/errors.js';
import { rawEntry, rawTar } from '../helpers/tar.js';

/** What the header says, or the code with which it is refused. Any other failure is thrown. */
function read(header: Buffer): TarEntry | string {
  try {
    return readTarHeader(header);
  } catch (error) {
    if (isPlugferryError(error)) return error.code;
    throw error;
  }
}

/** The text of a field up to its first NUL. */
const textAt = (header: Buffer, start: number, length: number): string =>
  header.toString('latin1', start, start + length).split('\0')[0] ?? '';

/** Readers that know nothing of rules: everything that is accepted must say to them what it says to us. */
function expectPlain(header: Buffer, { name, size, linkName }: TarEntry): void {
  const prefix = textAt(header, 345, 155);
  expect(name).toBe(prefix === '' ? textAt(header, 0, 100) : `${prefix}/${textAt(header, 0, 100)}`);
  expect(size).toBe(Number.parseInt(header.toString('latin1', 124, 136), 8));
  expect(size).toBeGreaterThanOrEqual(0);
  expect(linkName ?? '').toBe(textAt(header, 157, 100));
  expect(header.toString('latin1', 257, 265)).toBe('ustar\x0000');
  expect(String.fromCharCode(header[156]!)).toBe(linkName === undefined ? '0' : '1');
}

function withChecksum(header: Buffer): Buffer {
  const changed = Buffer.from(header);
  changed.fill(' ', 148, 156);
  const sum = changed.reduce((total, byte) => total + byte, 0);
  changed.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return changed;
}

const honest = fc.constantFrom(
  rawEntry({ name: 'manifest.json', size: 1234 }),
  rawEntry({ prefix: 'plugins/waf/1.0.0', name: 'plugin.wasm', size: 0 }),
  rawEntry({ name: 'plugins/waf/2.0.0/plugin.wasm', type: '1', linkName: 'plugins/waf/1.0.0/plugin.wasm' }),
);

const edit = fc.record({
  at: fc.nat({ max: 511 }),
  bytes: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 12 }),
    fc.stringMatching(/^[0-7 \0]{1,12}$/).map((text) => Buffer.from(text, 'latin1')),
  ),
});

describe('a tar header', () => {
  test('of any bytes is refused in an orderly way', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 512, maxLength: 512 }), (bytes) => {
        expect(read(Buffer.from(bytes))).toBe('E_CONTAINER');
        expect(read(withChecksum(Buffer.from(bytes)))).toBe('E_CONTAINER');
      }),
    );
  });

  test('that is changed and summed anew is refused, or says the same to every reader', () => {
    let accepted = 0;
    fc.assert(
      fc.property(honest, fc.array(edit, { minLength: 1, maxLength: 3 }), (header, edits) => {
        const changed = Buffer.from(header);
        for (const { at, bytes } of edits) changed.set(bytes.subarray(0, 512 - at), at);
        const summed = withChecksum(changed);
        const outcome = read(summed);
        if (typeof outcome === 'string') {
          expect(outcome).toBe('E_CONTAINER');
          return;
        }
        accepted += 1;
        expectPlain(summed, outcome);
      }),
      { numRuns: 3000 },
    );
    expect(accepted).toBeGreaterThan(20);
  });
});

/** What passes a gate that admits every entry: the bytes, or the code with which they are refused. */
async function passed(pieces: readonly Buffer[]): Promise<Buffer | string> {
  const out: Buffer[] = [];
  try {
    await pipeline(
      Readable.from(pieces.filter(({ length }) => length > 0)),
      new TarGate(() => undefined),
      async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) out.push(chunk);
      },
    );
    return Buffer.concat(out);
  } catch (error) {
    if (isPlugferryError(error)) return error.code;
    throw error;
  }
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let at = 0;
  for (const size of sizes) {
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return [...pieces, bytes.subarray(at)];
}

describe('the gate', () => {
  const body = fc.uint8Array({ maxLength: 1500 }).map((bytes) => Buffer.from(bytes));
  const sizes = fc.array(fc.integer({ min: 1, max: 1000 }));

  test('lets an honest tar through unchanged, however it is cut into pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(body, { maxLength: 4 }),
        fc.integer({ min: 2, max: 20 }),
        sizes,
        async (bodies, blocks, cuts) => {
          const entries = bodies.map((content, index) => ({ name: `file-${index}`, body: content }));
          const tar = rawTar(entries, Buffer.alloc(512 * blocks));
          const out = await passed(cut(tar, cuts));
          expect(Buffer.isBuffer(out) && out.equals(tar)).toBe(true);
        },
      ),
    );
  });

  test('decides of a damaged tar in the same way, however it is cut into pieces', async () => {
    const tar = rawTar([
      { name: 'a', body: Buffer.alloc(700, 'a') },
      { name: 'b', body: Buffer.alloc(512) },
      { name: 'c' },
    ]);
    const damage = fc.record({
      at: fc.nat({ max: tar.length - 1 }),
      flip: fc.integer({ min: 1, max: 255 }),
      end: fc.option(fc.nat({ max: tar.length - 1 })),
    });
    await fc.assert(
      fc.asyncProperty(damage, sizes, async ({ at, flip, end }, cuts) => {
        const changed = Buffer.from(tar);
        changed[at] = changed[at]! ^ flip;
        const ended = changed.subarray(0, end ?? undefined);
        const whole = await passed([ended]);
        expect(await passed(cut(ended, cuts))).toEqual(whole);
        // Bodies are not its business.
        const inBody = (at >= 512 && at < 512 + 700) || (at >= 2048 && at < 2560);
        expect(Buffer.isBuffer(whole)).toBe(end === null && inBody);
      }),
      { numRuns: 200 },
    );
  });
});
