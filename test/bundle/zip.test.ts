import { execFileSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { layOut } from '../../src/bundle/build-manifest.js';
import { containerFor } from '../../src/bundle/container.js';
import { openBundleFile } from '../../src/bundle/open-file.js';
import { packZip, type BundleContent } from '../../src/bundle/write-archive.js';
import { repack } from '../../src/bundle/repack.js';
import { convertBundle } from '../../src/operations/convert.js';
import { isPlugferryError } from '../../src/errors.js';
import { exportBundle } from '../../src/operations/export.js';
import { importBundle } from '../../src/operations/import.js';
import { inspectBundle } from '../../src/operations/inspect.js';
import { DigestMeter } from '../../src/stream/digest.js';
import { formatMetadata } from '../../src/plugin/metadata.js';
import { documentBytes } from '../../src/schema/parse.js';
import { verifyBundle } from '../../src/operations/verify.js';
import { bundleParts, put, testLabel } from '../helpers/bundle.js';
import { testKey, type TestKey } from '../helpers/keys.js';
import { zipReaders } from '../helpers/listing.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { wasmHeader } from '../helpers/wasm.js';
import { rawZip, zipEntries } from '../helpers/zip.js';

const createdAt = new Date('2026-01-02T03:04:05Z');

/** A directory with a small plugin tree, of which two modules are equal, and a key to sign with. */
async function workplace() {
  const directory = await tempDir();
  const key = await testKey('dev');
  await key.writeTo(directory);
  await tinyTree(directory, { 'key-auth@1.0.0': 'a', 'waf@1.0.0': 'b', 'waf@2.0.0': 'b' });
  const path = (name: string): string => join(directory, name);
  const exported = (name: string) =>
    exportBundle({ source: path('plugins'), output: path(name), signer: key, createdAt });
  return { directory, key, path, exported, trust: trustIn(key) };
}
const trustIn = (key: TestKey) => ({ publicKeys: [key.trusted] });

async function codeFrom(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    if (isPlugferryError(error)) return error.code;
    throw error;
  }
}

const sh = (command: string, cwd: string): string =>
  execFileSync('sh', ['-c', command], { cwd, env: { PATH: process.env['PATH'], LC_ALL: 'C' } }).toString();

describe('a zip bundle', () => {
  test('is exported, inspected, verified and imported like any other', async () => {
    const { path, key, exported, trust } = await workplace();
    const made = await exported('set.zip');
    const tar = await exported('set.tar.gz');
    expect(made).toMatchObject({ manifestSha256: tar.manifestSha256, signedBy: key.keyId });
    const inspected = await inspectBundle({ bundle: path('set.zip') });
    expect(inspected).toEqual(await inspectBundle({ bundle: path('set.tar.gz') }));
    const verified = await verifyBundle({ bundle: path('set.zip'), trust });
    expect(verified).toMatchObject({ manifestSha256: made.manifestSha256 });
    for (const kind of ['zip', 'tar.gz']) {
      await importBundle({ bundle: path(`set.${kind}`), to: path(kind), trust });
      expect(await readdir(path(`${kind}/.plugferry/staging`))).toEqual([]);
    }
    expect(await treeOf(path('zip/plugins/'))).toEqual(await treeOf(path('tar.gz/plugins/')));
    const again = await importBundle({ bundle: path('set.tar.gz'), to: path('zip'), trust });
    expect(again.outcome).toBe('unchanged');
  });

  test('is the same bytes every time', async () => {
    const { path, exported } = await workplace();
    await exported('one.zip');
    await exported('two.zip');
    expect((await readFile(path('one.zip'))).equals(await readFile(path('two.zip')))).toBe(true);
  });

  test('is known by its content, whatever its name', async () => {
    const { path, exported, trust } = await workplace();
    await exported('set.zip');
    await writeFile(path('renamed.tar.gz'), await readFile(path('set.zip')));
    expect(await codeFrom(verifyBundle({ bundle: path('renamed.tar.gz'), trust }))).toBe('done');
  });

  test.each(['set', 'set.tar', 'set.gz', 'zip', 'set.zip.bak'])(
    'a name like %s says nothing of its kind and is refused before anything is read',
    async (name) => {
      const { path, key } = await workplace();
      const output = path(name);
      expect(await codeFrom(exportBundle({ source: path('missing'), output, signer: key }))).toBe('E_USAGE');
      expect(await codeFrom(convertBundle({ bundle: path('missing'), output }))).toBe('E_USAGE');
      expect((await treeOf(path('.'))).has(name)).toBe(false);
    },
  );

  test('signed by a stranger, or by nobody, is refused', async () => {
    const { path, exported } = await workplace();
    await exported('set.zip');
    const trust = trustIn(await testKey('stranger'));
    expect(await codeFrom(verifyBundle({ bundle: path('set.zip'), trust }))).toBe('E_SIGNER_UNKNOWN');
    const unsigned = rawZip(zipEntries(bundleParts([]).entries));
    const bundle = await put(path('.'), 'unsigned.zip', unsigned);
    expect(await codeFrom(verifyBundle({ bundle, trust }))).toBe('E_UNSIGNED');
  });

  test.each([
    ['1970-01-01T00:00:00Z', '1980'],
    ['2044-01-01T00:00:00Z', '2043'],
    ['2026-01-02T03:04:05Z', '2026'],
  ])('created at %s has entries of %s, and its manifest keeps the time', async (time, year) => {
    const { path, key } = await workplace();
    await exportBundle({
      source: path('plugins'),
      output: path('set.zip'),
      signer: key,
      createdAt: new Date(time),
    });
    const bytes = await readFile(path('set.zip'));
    expect((bytes.readUInt16LE(12) >> 9) + 1980).toBe(Number(year));
    const { manifest } = await inspectBundle({ bundle: path('set.zip') });
    expect(manifest.createdAt).toBe(time);
  });
});

describe('stock tools', () => {
  test.each(zipReaders.map((reader) => [reader.name, reader] as const))(
    '%s lists the names and sizes that the manifest has',
    async (_name, { available, list }) => {
      if (!available) return;
      const { path, key, exported } = await workplace();
      await exported('set.zip');
      const { manifest } = await inspectBundle({ bundle: path('set.zip') });
      const [listed = []] = list([path('set.zip')]);
      expect(listed.slice(0, 2).map((row) => row.split(' ')[1])).toEqual([
        'manifest.json',
        `signatures/${key.keyId}.sig`,
      ]);
      expect(listed.slice(2)).toEqual(manifest.files.map(({ size, path: name }) => `${size} ${name}`));
    },
  );

  test.skipIf(!zipReaders[0]?.available)(
    'unzip restores a tree that stands every check without us',
    async () => {
      const { path, key, exported } = await workplace();
      await exported('set.zip');
      expect(sh('unzip -t set.zip', path('.'))).toContain('No errors detected');
      await mkdir(path('stock'));
      sh('unzip -q ../set.zip', path('stock'));
      for (const tool of ['md5', 'sha256']) {
        const lines = sh(`${tool}sum -c checksums.${tool}`, path('stock')).trim().split('\n');
        expect(lines.filter((line) => line.endsWith(': OK'))).toHaveLength(6);
        expect(lines).toHaveLength(6);
      }
      const signature = `signatures/${key.keyId}.sig`;
      expect(
        sh(`openssl dgst -sha256 -verify ../dev.pub -signature ${signature} manifest.json`, path('stock')),
      ).toBe('Verified OK\n');
      // What a zip cannot link stands there again.
      const module = 'stock/plugins/waf/2.0.0/plugin.wasm';
      expect(
        (await readFile(path(module))).equals(await readFile(path('plugins/waf/2.0.0/plugin.wasm'))),
      ).toBe(true);
    },
  );
});

describe('converting', () => {
  test('to zip and back leaves the signature valid and gives the first file again, byte for byte', async () => {
    const { path, key, exported, trust } = await workplace();
    await exported('set.tar.gz');
    const zip = await convertBundle({ bundle: path('set.tar.gz'), output: path('set.zip') });
    expect(zip).toMatchObject({ authenticated: false, claimedSigners: [key.keyId] });
    const direct = await exported('direct.zip');
    expect(zip.sha256).toBe(direct.sha256);
    expect(await codeFrom(verifyBundle({ bundle: path('set.zip'), trust }))).toBe('done');
    await convertBundle({ bundle: path('set.zip'), output: path('back.tgz') });
    expect((await readFile(path('back.tgz'))).equals(await readFile(path('set.tar.gz')))).toBe(true);
    await convertBundle({ bundle: path('set.zip'), output: path('same.zip') });
    expect((await readFile(path('same.zip'))).equals(await readFile(path('set.zip')))).toBe(true);
    expect((await readdir(path('.'))).filter((name) => /^\.|partial/.test(name))).toEqual([]);
  });

  test('carries what it cannot know to be forged, and the receiver refuses it', async () => {
    const { path, trust } = await workplace();
    const stranger = await testKey('stranger');
    const output = path('forged.zip');
    await exportBundle({ source: path('plugins'), output: path('forged.tar.gz'), signer: stranger });
    const { claimedSigners } = await convertBundle({ bundle: path('forged.tar.gz'), output });
    expect(claimedSigners).toEqual([stranger.keyId]);
    expect(await codeFrom(verifyBundle({ bundle: output, trust }))).toBe('E_SIGNER_UNKNOWN');
  });

  test('refuses an existing output without --force, and replaces even its own source with it', async () => {
    const { path, exported, trust } = await workplace();
    await exported('set.zip');
    const options = { bundle: path('set.zip'), output: path('set.zip') };
    expect(await codeFrom(convertBundle(options))).toBe('E_EXISTS');
    await convertBundle({ ...options, force: true });
    expect(await codeFrom(verifyBundle({ bundle: path('set.zip'), trust }))).toBe('done');
  });

  test.each(['set.tar.gz', 'set.zip'])('a damaged %s leaves no output', async (name) => {
    const { path, exported } = await workplace();
    await exported(name);
    const good = await readFile(path(name));
    const before = await readdir(path('.'));
    for (const at of [40, good.length >> 1, good.length - 30]) {
      const bad = Buffer.from(good);
      bad[at]! ^= 0x55;
      await writeFile(path(name), bad);
      for (const output of ['out.zip', 'out.tar.gz']) {
        const code = await codeFrom(convertBundle({ bundle: path(name), output: path(output) }));
        expect(code).toMatch(/^E_(CONTAINER|GZIP|DIGEST)$/);
      }
      expect(await readdir(path('.'))).toEqual(before);
    }
  });

  test.each(['set.tar.gz', 'set.zip'])('of a %s, stopped in the middle, leaves nothing', async (name) => {
    const { path, exported } = await workplace();
    await exported(name);
    const before = await readdir(path('.'));
    for (let delay = 0; delay < 12; delay += 1) {
      const stop = new AbortController();
      const work = convertBundle({
        bundle: path(name),
        output: path('other.zip'),
        signal: stop.signal,
        notify: () => {
          // Each time a little further on; not at all, when it is done before.
          setTimeout(() => {
            stop.abort(new Error('enough'));
          }, delay);
        },
      });
      const outcome = await work.then(
        () => 'done',
        (error: unknown) => (isPlugferryError(error) ? error.code : (error as Error).name),
      );
      if (outcome === 'done') await rm(path('other.zip'));
      else expect(['AbortError', 'Error']).toContain(outcome);
      expect(await readdir(path('.'))).toEqual(before);
    }
  });

  test('when the output cannot be written ends, and says so', async () => {
    const { path, exported } = await workplace();
    for (const name of ['set.tar.gz', 'set.zip']) {
      await exported(name);
      const output = path('missing/set.zip');
      expect(await codeFrom(convertBundle({ bundle: path(name), output }))).toBe('E_NOT_FOUND');
    }
  });

  test.each(['set.tar.gz', 'set.zip'])('of a %s ends when the writer fails', async (name) => {
    const { path, exported } = await workplace();
    await exported(name);
    for (const limit of [0, 500, 2500, 5000]) {
      const sealed = await openBundleFile(path(name));
      const opened = sealed.open(() => undefined);
      let size = 0;
      const out = new Writable({
        write(chunk: Buffer, _encoding, done) {
          size += chunk.length;
          done(size > limit ? new Error('full') : null);
        },
      });
      const container = containerFor('x.zip');
      const carriage = { sealed, opened, signatures: sealed.signatures };
      await expect(repack(carriage, container, { out, scratch: tmpdir() })).rejects.toThrow('full');
    }
  });
});

/** A bundle of one module of zeros, which is never whole in memory. */
function largeContent(key: TestKey, size: number): BundleContent {
  const pieces = function* (): Generator<Buffer> {
    // One data section of no segments: a reader passes over its bytes.
    const bulk = size - wasmHeader.length - 6;
    const length = [0, 1, 2, 3, 4].map((at) => ((bulk >>> (7 * at)) & 127) | (at < 4 ? 128 : 0));
    yield Buffer.from([...wasmHeader, 11, ...length]);
    const zeros = Buffer.alloc(1024 * 1024);
    for (let left = bulk; left > 0; left -= zeros.length)
      yield zeros.subarray(0, Math.min(left, zeros.length));
  };
  const meter = new DigestMeter();
  for (const piece of pieces()) meter.update(piece);
  const wasm = meter.digest();
  const plugin = {
    name: 'waf',
    version: '1.0.0',
    wasm,
    metadata: Buffer.from(formatMetadata({ name: 'waf', size, md5: wasm.md5 })),
    facts: { abi: [], start: [], imports: [], exports: [] },
    provenance: { kind: 'directory', reference: 'plugins', digest: `sha256:${wasm.sha256}` },
  };
  const { manifest, texts } = layOut([plugin], testLabel);
  const manifestBytes = documentBytes(manifest);
  return {
    manifestBytes,
    signatures: new Map([[key.keyId, key.sign(manifestBytes)]]),
    files: manifest.files,
    date: createdAt,
    open: async ({ path }) => Readable.from(texts.has(path) ? [texts.get(path)] : pieces()),
  };
}

/** How many bytes more than before the process took up, at most, while `work` went on. */
async function growth(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage.rss();
  let highest = before;
  const timer = setInterval(() => (highest = Math.max(highest, process.memoryUsage.rss())), 5);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return highest - before;
}

test('a module of 64 MiB is packed, read and carried without being held', async () => {
  const directory = await tempDir();
  const path = (name: string): string => join(directory, name);
  const key = await testKey();
  const content = largeContent(key, 64 * 1024 * 1024);
  const limit = 32 * 1024 * 1024;
  expect(await growth(() => packZip(content, createWriteStream(path('set.zip'))))).toBeLessThan(limit);
  const verify = (): Promise<unknown> => verifyBundle({ bundle: path('set.zip'), trust: trustIn(key) });
  expect(await growth(verify)).toBeLessThan(limit);
  const convert = (): Promise<unknown> =>
    convertBundle({ bundle: path('set.zip'), output: path('set.tar.gz') });
  expect(await growth(convert)).toBeLessThan(limit);
});
