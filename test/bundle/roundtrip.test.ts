import { execFileSync } from 'node:child_process';

import { Readable } from 'node:stream';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { unpackTarGz } from '../../src/bundle/read-tar.js';
import { isPlugferryError } from '../../src/errors.js';
import { checkSignatures } from '../../src/trust/check.js';
import { bundleParts, put, tarGz } from '../helpers/bundle.js';
import { testKey, type TestKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';
import { tinyModule } from '../helpers/wasm.js';

const check = (key: TestKey) => (manifest: Uint8Array, signatures: ReadonlyMap<string, Uint8Array>) =>
  checkSignatures(manifest, signatures, [key.trusted]);

/** Reads a bundle from pieces of the given size; returns the payload, or the error code. */
async function read(bundle: Buffer, key: TestKey, pieceSize = 65_536): Promise<Map<string, Buffer> | string> {
  const pieces = Array.from({ length: Math.ceil(bundle.length / pieceSize) }, (_, index) =>
    bundle.subarray(index * pieceSize, (index + 1) * pieceSize),
  );
  const payload = new Map<string, Buffer>();
  try {
    const sealed = await unpackTarGz(Readable.from(pieces));
    try {
      await sealed.open(check(key)).payload(async ({ path }, body) => {
        const chunks: Buffer[] = [];
        for await (const chunk of body) chunks.push(chunk as Buffer);
        payload.set(path, Buffer.concat(chunks));
      });
    } finally {
      await sealed.close();
    }
    return payload;
  } catch (error) {
    if (isPlugferryError(error)) return error.code;
    throw error;
  }
}

describe('reading a bundle', () => {
  test.each([1, 7, 511, 512, 513, 65_536])(
    'gives every stored file, from pieces of %i bytes',
    async (pieceSize) => {
      const key = await testKey();
      const { entries } = bundleParts([key]);
      const payload = await read(tarGz(entries), key, pieceSize);
      const expected = entries.filter(
        (entry) => !/^(manifest|signatures)/.test(entry.name ?? '') && entry.type === undefined,
      );
      expect(payload).toEqual(new Map(expected.map(({ name, body }) => [name, body])));
    },
  );

  test('checks with several signers, one of whom is known', async () => {
    const keys = await Promise.all(['a', 'b', 'c'].map((name) => testKey(name)));
    const { entries } = bundleParts(keys);
    for (const key of keys) expect(await read(tarGz(entries), key)).toBeInstanceOf(Map);
    expect(await read(tarGz(entries), await testKey('stranger'))).toBe('E_SIGNER_UNKNOWN');
  });

  test('takes a gzip of several members that together are the tar', async () => {
    const key = await testKey();
    const tar = gunzipSync(tarGz(bundleParts([key]).entries));
    const members = [tar.subarray(0, 700), tar.subarray(700, 5000), tar.subarray(5000)].map((part) =>
      gzipSync(part),
    );
    expect(await read(Buffer.concat(members), key)).toBeInstanceOf(Map);
  });

  test('no changed bit of the file is accepted with another payload', async () => {
    const key = await testKey();
    const bundle = tarGz(bundleParts([key]).entries);
    const honest = await read(bundle, key);
    let refused = 0;
    for (let at = 0; at < bundle.length; at += 1) {
      const changed = Buffer.from(bundle);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      const outcome = await read(changed, key);
      if (typeof outcome === 'string') refused += 1;
      // Deflate can write the same bytes in several ways, so a few bits change the file and nothing in it.
      else expect([at, outcome]).toEqual([at, honest]);
    }
    expect(refused).toBeGreaterThan(bundle.length * 0.98);
  });

  test('no changed byte of the tar is accepted: headers, manifest, signature, body, padding, end', async () => {
    const key = await testKey();
    const parts = bundleParts(
      [key],
      [{ name: 'waf', version: '1.0.0', wasm: Buffer.from(tinyModule(1, 50)) }],
    );
    const tar = gunzipSync(tarGz(parts.entries));
    const accepted: number[] = [];
    const codes = new Set<string>();
    for (let at = 0; at < tar.length; at += 3) {
      const changed = Buffer.from(tar);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      const outcome = await read(gzipSync(changed), key);
      if (typeof outcome === 'string') codes.add(outcome);
      else accepted.push(at);
    }
    expect(accepted).toEqual([]);
    expect([...codes].sort()).toEqual(['E_CONTAINER', 'E_DIGEST', 'E_SIGNATURE_INVALID', 'E_WASM']);
  });

  test('no cut file is accepted', async () => {
    const key = await testKey();
    const bundle = tarGz(bundleParts([key]).entries);
    for (let length = 0; length < bundle.length; length += 13) {
      expect(await read(bundle.subarray(0, length), key)).toMatch(/^E_(GZIP|CONTAINER)$/);
    }
    const tar = gunzipSync(bundle);
    for (let length = 0; length < tar.length - 1024; length += 509) {
      expect(await read(gzipSync(tar.subarray(0, length)), key)).toBe('E_CONTAINER');
    }
  });
});

describe('stock tools', () => {
  test('GNU tar lists the names and sizes that the manifest has', async () => {
    const key = await testKey();
    const parts = bundleParts([key]);
    const path = await put(await tempDir(), 'b.tar.gz', tarGz(parts.entries));
    const listed = execFileSync('tar', ['tzf', path]).toString().trim().split('\n');
    expect(listed.slice(2)).toEqual(parts.manifest.files.map((file) => file.path));
  });
});
