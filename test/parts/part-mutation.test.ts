import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isPlugferryError } from '../../src/errors.js';
import { splitBundle } from '../../src/index.js';
import { openParts } from '../../src/location/open-parts.js';
import { headerBytes, parseHeader } from '../../src/parts/header.js';
import { headerSize } from '../../src/parts/shape.js';
import { mutated, mutationCount, mutationSeed, randomFrom } from '../helpers/mutation.js';
import { tempDir } from '../helpers/temp.js';
import { noise } from '../helpers/wasm.js';

type Random = ReturnType<typeof randomFrom>;

/** Part files that are given together: what is in them, in the order in which they are given. */
type Given = readonly Buffer[];

interface Split {
  readonly bundle: Buffer;
  readonly parts: Given;
}

/** Three data parts, the last of them short, and one of parity. */
const large = { size: 1_700_001, parity: 30 };
/** One of each. */
const small = { size: 90_001, parity: 100 };
/** Two parts and no parity: what is damaged is refused, and no thread is started to repair it. */
const bare = { size: 800_001, parity: 0 };
/** Most runs go where they take least. */
const turns = [0, 2, 2, 1, 2, 2, 1, 2, 2, 2];

async function partsOf(seed: string, { size, parity }: typeof large): Promise<Split> {
  const directory = await tempDir();
  const bundle = noise(seed, size);
  await writeFile(join(directory, 'b.tar.gz'), bundle);
  const { parts } = await splitBundle({
    bundle: join(directory, 'b.tar.gz'),
    partFile: 1024 * 1024,
    parity,
  });
  return { bundle, parts: await Promise.all(parts.map(({ file }) => readFile(file))) };
}

/** Whether a file begins or ends with what a part of the set says of itself. */
function readable(given: Given, { parts }: Split): boolean {
  const own = parseHeader(parts[0]?.subarray(0, headerSize) ?? Buffer.alloc(0), 'part')?.set;
  return given.some((part) =>
    [part.subarray(0, headerSize), part.subarray(-headerSize)].some(
      (bytes) => own !== undefined && parseHeader(bytes, 'part')?.set === own,
    ),
  );
}

const replaced = (given: Given, at: number, by: Buffer): Given =>
  given.map((part, index) => (index === at ? by : part));

/** A copy with a run of bytes changed. */
function mutatedIn(part: Buffer, [start, end]: readonly [number, number], random: Random): Buffer {
  return Buffer.concat([
    part.subarray(0, start),
    mutated(part.subarray(start, end), random),
    part.subarray(end),
  ]);
}

/** A header that says something else, in the right form and with the right check, at one end of a part or at both. */
function lying(part: Buffer, random: Random): Buffer {
  const header = parseHeader(part.subarray(0, headerSize), 'part');
  if (header === undefined) return part;
  const { shape } = header;
  const flipped = (hex: string): string => mutated(Buffer.from(hex, 'hex'), random).toString('hex');
  const changes = [
    { part: random(4) },
    { set: flipped(header.set) },
    { digest: flipped(header.digest) },
    { shape: { ...shape, bundleSha256: flipped(shape.bundleSha256) } },
    { shape: { ...shape, bundleSize: shape.bundleSize - random(70_000) } },
    { shape: { ...shape, parity: random(3) } },
    { shape: { ...shape, data: 1 + random(4) } },
    { shape: { ...shape, block: 65_536 * (1 + random(4)) } },
  ];
  const bytes = headerBytes({ ...header, ...changes[random(changes.length)] });
  const front = random(3) === 0 ? part.subarray(0, headerSize) : bytes;
  const back = random(3) === 0 ? part.subarray(-headerSize) : bytes;
  return Buffer.concat([front, part.subarray(headerSize, -headerSize), back]);
}

/** What may happen to one part. */
const toOne: readonly ((part: Buffer, random: Random, others: Given) => Buffer)[] = [
  (part, random) => mutated(part, random),
  (part, random) => mutatedIn(part, [0, headerSize], random),
  // The record of the set, the digests of blocks, and the second header.
  (part, random) => mutatedIn(part, [Math.max(0, part.length - 1200), part.length], random),
  (part, random) => mutatedIn(part, [Math.max(0, part.length - headerSize), part.length], random),
  (part, random) => lying(part, random),
  (part, random) => part.subarray(0, random(part.length)),
  (part, random) => part.subarray(random(part.length)),
  (part, random) => Buffer.concat([part, part.subarray(0, random(2000))]),
  (part, random) => {
    const [from, at] = [random(part.length), random(part.length)];
    const piece = part.subarray(from, from + random(300_000));
    return Buffer.concat([part.subarray(0, at), piece, part.subarray(at + piece.length)]);
  },
  (part, random, others) => Buffer.concat([part, others[random(others.length)] ?? part]),
  (part, random, others) => {
    const other = others[random(others.length)] ?? part;
    const at = random(part.length);
    return Buffer.concat([part.subarray(0, at), other.subarray(at)]);
  },
  () => Buffer.alloc(0),
];

/** What may happen to the parts that are given. */
const toAll: readonly ((given: Given, random: Random, foreign: Given) => Given)[] = [
  (given, random) => given.filter((_part, index) => index !== random(given.length)),
  (given, random) => [...given, given[random(given.length)] ?? Buffer.alloc(0)],
  (given, random) => {
    const [one, other] = [random(given.length), random(given.length)];
    return replaced(replaced(given, one, given[other]!), other, given[one]!);
  },
  (given, random, foreign) => [...given, foreign[random(foreign.length)]!],
];

test('no mutated parts are joined to another bundle than was split', async () => {
  const sets = await Promise.all(
    [large, small, bare].map(async (shape) => ({
      honest: await partsOf('bundle', shape),
      foreign: await partsOf('another', shape),
    })),
  );
  const [seed, count] = [mutationSeed(), mutationCount(500)];
  const random = randomFrom(seed);
  const directory = await tempDir();
  const codes = new Map<string, number>();

  /** What is as it was split is written once. */
  const written = new Map<Buffer, string>();
  async function pathOf(part: Buffer, index: number): Promise<string> {
    const path = written.get(part) ?? join(directory, `${index}`);
    if (!written.has(part)) await writeFile(path, part);
    return path;
  }
  for (const [index, part] of sets.flatMap(({ honest }) => honest.parts).entries()) {
    await writeFile(join(directory, `honest-${index}`), part);
    written.set(part, join(directory, `honest-${index}`));
  }

  /** The joined bytes, or the code with which they are refused. Any other failure is thrown. */
  async function read(given: Given, proved: boolean): Promise<Buffer | string> {
    const paths = await Promise.all(given.map((part, index) => pathOf(part, index)));
    let joined: Awaited<ReturnType<typeof openParts>> | undefined;
    try {
      joined = await openParts(paths, { scratch: directory });
      if (proved) await joined.prove();
      return Buffer.concat(await (await joined.stream()).toArray());
    } catch (error) {
      if (isPlugferryError(error) && error.code !== 'E_INTERNAL') return error.code;
      throw error;
    } finally {
      await joined?.close();
    }
  }

  for (let run = 0; run < count; run += 1) {
    const { honest, foreign } = sets[turns[run % turns.length]!]!;
    let given = honest.parts;
    const change = toOne[random(toOne.length)]!;
    for (let left = 1 + random(2); left > 0; left -= 1) {
      const at = random(given.length);
      given = replaced(given, at, change(given[at]!, random, [...honest.parts, ...foreign.parts]));
    }
    if (random(3) === 0) given = toAll[random(toAll.length)]!(given, random, foreign.parts);
    const context = `PLUGFERRY_SEED=${seed}, run ${run}`;
    const outcome = await read(given, run % 2 === 0).catch((error: unknown) => {
      throw new Error(`not refused in an orderly way: ${context}`, { cause: error });
    });
    const kind = typeof outcome === 'string' ? outcome : 'joined';
    codes.set(kind, (codes.get(kind) ?? 0) + 1);
    // Where nothing is left of the set, parts of another one may be whole, and are that bundle: a signature says whose it is.
    const bundles = [honest.bundle, ...(readable(given, honest) ? [] : [foreign.bundle])];
    if (typeof outcome !== 'string' && !bundles.some((bundle) => outcome.equals(bundle)))
      throw new Error(`joined to something else: ${context}`);
  }
  // Parity makes good what one part has lost; else nothing would be compared.
  expect(codes.get('joined')).toBeGreaterThan(count / 10);
  expect(codes.get('E_PARTS')).toBeGreaterThan(count / 10);
}, 3_600_000);
