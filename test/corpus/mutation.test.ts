import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { SealedBundle } from '../../src/bundle/bundle.js';
import { unpackTarGz } from '../../src/bundle/read-tar.js';
import { isPlugferryError } from '../../src/errors.js';
import { checkSignatures } from '../../src/trust/check.js';
import { bundleParts, put, tarGz } from '../helpers/bundle.js';
import { testKey, type TestKey } from '../helpers/keys.js';
import { mutated, mutationCount, mutationSeed, randomFrom } from '../helpers/mutation.js';
import { listingOf, tarReaders, type Listing } from '../helpers/oracle.js';
import { tempDir } from '../helpers/temp.js';
import { tinyModule } from '../helpers/wasm.js';

/** All that an importer would take from a bundle, and how its container should be listed. */
interface Reading {
  readonly manifest: string;
  readonly files: ReadonlyMap<string, string>;
  readonly listing: Listing;
}

/** What a bundle holds, or the code with which it is refused. Any other failure is thrown. */
async function read(bytes: Buffer, key: TestKey): Promise<Reading | string> {
  let sealed: SealedBundle | undefined;
  try {
    sealed = await unpackTarGz(Readable.from([bytes]));
    const opened = sealed.open((manifest, signatures) =>
      checkSignatures(manifest, signatures, [key.trusted]),
    );
    const files = new Map<string, string>();
    await opened.payload(async ({ path }, body) => {
      const chunks: Buffer[] = [];
      for await (const chunk of body) chunks.push(chunk as Buffer);
      files.set(path, Buffer.concat(chunks).toString('latin1'));
    });
    const listing = listingOf(sealed, opened.manifest);
    return { manifest: sealed.manifestBytes.toString('latin1'), files, listing };
  } catch (error) {
    if (isPlugferryError(error) && error.code !== 'E_INTERNAL') return error.code;
    throw error;
  } finally {
    await sealed?.close();
  }
}

type Random = ReturnType<typeof randomFrom>;

/** Characters of numbers and names: a header that has them in wrong places gets further than one with noise. */
const likely = Buffer.from('012345670 \0', 'latin1');
/** Mode, owners, size, time; device numbers: the fields that programs read each in their own way. */
const numeric = [...span(100, 148), ...span(329, 345)];

function span(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, index) => start + index);
}

/** Changes one to eight bytes of one header and writes its checksum anew. */
function mutatedHeader(tar: Buffer, headers: readonly number[], random: Random): Buffer {
  const changed = Buffer.from(tar);
  const start = headers[random(headers.length)] ?? 0;
  const header = changed.subarray(start, start + 512);
  for (let left = 1 + random(1 + random(8)); left > 0; left -= 1) {
    const inNumber = random(4) > 0;
    const at = inNumber ? (numeric[random(numeric.length)] ?? 0) : random(512);
    header[at] = inNumber ? (likely[random(likely.length)] ?? 0) : random(256);
  }
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return changed;
}

/** A bundle, and what other programs are given of it: they need not inflate what only differs in its tar. */
interface Mutant {
  readonly bundle: Buffer;
  readonly archive: Buffer;
}

/** Level 2 is the fastest that leaves the gzip header as the format wants it. */
const ofTar = (tar: Buffer): Mutant => ({ bundle: gzipSync(tar, { level: 2 }), archive: tar });
const ofGzip = (bundle: Buffer): Mutant => ({ bundle, archive: bundle });

/** Where the headers of a tar are, by what they say of the sizes between them. */
function headersOf(tar: Buffer): number[] {
  const found: number[] = [];
  for (let at = 0; tar[at] !== 0;) {
    found.push(at);
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 135), 8);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return found;
}

const hashOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

test('no mutated tar.gz is accepted with another content, and whatever is accepted others read alike', async () => {
  // Ed25519 signatures have one length, so that the same seed hits the same fields.
  const key = await testKey('ada', 'ed25519');
  const wasm = tinyModule('waf', 50);
  const plugins = ['1.0.0', '2.0.0'].map((version) => ({ name: 'waf', version, wasm }));
  const bundle = tarGz(bundleParts([key], plugins).entries);
  const tar = gunzipSync(bundle);
  const headers = headersOf(tar);
  // Headers say most, so they get two turns of five.
  const ways: readonly ((random: Random) => Mutant)[] = [
    (random) => ofTar(mutated(tar, random)),
    (random) => ofTar(mutatedHeader(tar, headers, random)),
    (random) => ofGzip(mutated(bundle, random)),
    (random) => ofTar(mutatedHeader(tar, headers, random)),
    (random) => ofTar(mutated(tar, random).subarray(0, random(tar.length))),
  ];
  const honest = await read(bundle, key);
  const [seed, count] = [mutationSeed(), mutationCount(5000)];
  const random = randomFrom(seed);
  const accepted = new Map<string, { run: number; archive: Buffer; listing: Listing }>();

  for (let run = 0; run < count; run += 1) {
    const mutant = ways[run % ways.length]!(random);
    const context = (): string =>
      `PLUGFERRY_SEED=${seed}, run ${run}: ${key.publicPem} ${mutant.bundle.toString('base64')}`;
    const outcome = await read(mutant.bundle, key).catch((error: unknown) => {
      throw new Error(`not refused in an orderly way: ${context()}`, { cause: error });
    });
    if (typeof outcome === 'string') continue;
    const { listing, ...content } = outcome;
    expect(content, context()).toEqual({ ...(honest as Reading), listing: undefined });
    accepted.set(hashOf(mutant.archive), { run, archive: mutant.archive, listing });
  }
  // Else nothing is compared, because next to nothing gets past the first look.
  expect(accepted.size).toBeGreaterThan(count / 200);

  const directory = await tempDir();
  const expected = new Map<string, Listing>();
  for (const { run, archive, listing } of accepted.values())
    expected.set(await put(directory, `seed-${seed}-run-${run}`, archive), listing);
  for (const { name, list } of tarReaders) expect(await list([...expected.keys()]), name).toEqual(expected);
}, 3_600_000);
