import { PlugferryError } from '../errors.js';
import { sha256Of } from '../stream/digest.js';
import { isBlock } from './digests.js';
import { recordDigests, recordSize } from './header.js';
import { openPart, readExactly, type PartFile } from './part-file.js';
import {
  blockCount,
  blockLength,
  blockOffset,
  digestSize,
  headerSize,
  neighbourOf,
  partCount,
  payloadSize,
  type Shape,
} from './shape.js';

/** Most files that are looked at, copies of parts included. */
const maxFiles = 1024;
/** Most bytes of digests of blocks: those of 2 TiB in blocks of 256 KiB, and more than any bundle has. */
const maxTables = 256 * 1024 * 1024;

/** By number of the part, counted from 0: the files that claim to be it. Copies help each other out. */
type Files = ReadonlyMap<number, readonly PartFile[]>;

interface Found {
  readonly id: string;
  readonly shape: Shape;
  readonly files: Files;
  /** The digests of the blocks of each part of which they are known. */
  readonly tables: ReadonlyMap<number, Buffer>;
  readonly unknown: readonly string[];
}

/** The parts of one set, as far as they are there. What they hold is checked block by block as it is read. */
export class PartSet {
  /** SHA-256 of the record of the set. */
  readonly id: string;
  readonly shape: Shape;
  /** Files in which no header could be read. */
  readonly unknown: readonly string[];
  readonly #found: Found;

  /** Made by {@link openPartSet}. */
  constructor(found: Found) {
    this.id = found.id;
    this.shape = found.shape;
    this.unknown = found.unknown;
    this.#found = found;
  }

  /** The file that a part is in; the first, where there are several. */
  fileOf(part: number): string | undefined {
    return this.#found.files.get(part)?.[0]?.path;
  }

  /** Numbers of the parts that there is no file of. */
  get missing(): number[] {
    const all = Array.from({ length: partCount(this.shape) }, (_, part) => part);
    return all.filter((part) => !this.#found.files.has(part));
  }

  /** Whether what a part should be is known, and proved: without that, none of its blocks is. */
  knows(part: number): boolean {
    return this.#found.tables.has(part);
  }

  /** A block of a part, proved; undefined when no file has it as it should be. */
  async block(part: number, block: number): Promise<Buffer | undefined> {
    const table = this.#found.tables.get(part);
    if (table === undefined) return undefined;
    const length = blockLength(this.shape, part, block);
    for (const file of this.#found.files.get(part) ?? []) {
      const bytes = await readExactly(file, blockOffset(this.shape, block), length);
      if (bytes !== undefined && isBlock(bytes, table, block)) return bytes;
    }
    return undefined;
  }

  /** Whether a block that was made from others is right, as far as anything is known about it. */
  accepts(bytes: Uint8Array, part: number, block: number): boolean {
    const table = this.#found.tables.get(part);
    return table === undefined || isBlock(bytes, table, block);
  }

  async close(): Promise<void> {
    await closeAll([...this.#found.files.values()].flat());
  }
}

const closeAll = async (files: readonly PartFile[]): Promise<void> => {
  await Promise.all(files.map(({ handle }) => handle.close()));
};

/**
 * Opens part files, in whatever order and under whatever names.
 *
 * @throws PlugferryError `E_PARTS` when they are of several sets, or tell too little about theirs; `E_NOT_FOUND`, `E_IO`,
 *   `E_LIMIT`, `E_FORMAT_VERSION`.
 */
export async function openPartSet(paths: readonly string[]): Promise<PartSet> {
  if (paths.length > maxFiles) throw tooManyFiles(paths.length);
  const files: PartFile[] = [];
  const unknown: string[] = [];
  try {
    for (const path of paths) {
      const part = await openPart(path);
      if (part.header === undefined) unknown.push(path);
      else files.push(part);
    }
    return await assemble(files, unknown);
  } catch (error) {
    await closeAll(files);
    throw error;
  }
}

async function assemble(files: readonly PartFile[], unknown: readonly string[]): Promise<PartSet> {
  const id = oneSet(files, unknown);
  for (const witness of files) {
    const { shape } = witness.header;
    const digests = await readDigests(witness);
    if (digests === undefined) continue;
    const byPart = new Map<number, PartFile[]>();
    for (const file of files) {
      const { part, digest } = file.header;
      // A header is easily made; what the record does not know is not of this set, whatever it says.
      if (digests[part] !== digest) throw foreign(file, id);
      byPart.set(part, [...(byPart.get(part) ?? []), file]);
    }
    return new PartSet({
      id,
      shape,
      unknown,
      files: byPart,
      tables: await readTables(shape, byPart, digests),
    });
  }
  throw withoutRecord(files);
}

/** The id of the set that all files are of. Parts of another one are named, never left out in silence. */
function oneSet(files: readonly PartFile[], unknown: readonly string[]): string {
  const sets = new Map<string, string[]>();
  for (const { header, path } of files) sets.set(header.set, [...(sets.get(header.set) ?? []), path]);
  const [first, ...others] = sets;
  if (first === undefined) throw noParts(unknown);
  if (others.length > 0) throw severalSets([first, ...others]);
  return first[0];
}

const trailerStart = ({ shape, part }: PartFile['header']): number => headerSize + payloadSize(shape, part);

async function readDigests(file: PartFile): Promise<readonly string[] | undefined> {
  const bytes = await readExactly(file, trailerStart(file.header), recordSize(file.header.shape));
  return bytes && recordDigests(bytes, file.header);
}

/**
 * The block digests of every part that has them whole itself, or in the part behind it. A header is easily made, and a file may
 * consist of holes: how many digests there are is only claimed, so there is a limit to what they may take.
 *
 * @throws PlugferryError `E_LIMIT`.
 */
async function readTables(
  shape: Shape,
  files: Files,
  digests: readonly string[],
): Promise<ReadonlyMap<number, Buffer>> {
  const tables = new Map<number, Buffer>();
  let left = maxTables;
  for (const file of [...files.values()].flat()) {
    const own = file.header.part;
    const neighbour = neighbourOf(shape, own);
    const start = trailerStart(file.header) + recordSize(shape);
    for (const [part, at] of [
      [own, start],
      [neighbour, start + blockCount(shape, own) * digestSize],
    ] as const) {
      if (tables.has(part)) continue;
      const size = blockCount(shape, part) * digestSize;
      if (size > left) throw tooManyBlocks(file);
      const table = await readExactly(file, at, size);
      if (table === undefined || sha256Of(table) !== digests[part]) continue;
      tables.set(part, table);
      left -= size;
    }
  }
  return tables;
}

const tooManyBlocks = ({ path, header }: PartFile): PlugferryError =>
  new PlugferryError(
    'E_LIMIT',
    `${path} says that it is of a bundle of ${header.shape.bundleSize} bytes in blocks of ${header.shape.block}, whose digests take more than ${maxTables} bytes`,
    {
      hint: 'Plugferry makes no such parts. Ask whoever gave you the file what it is.',
      details: { file: path, expected: maxTables },
    },
  );

const tooManyFiles = (found: number): PlugferryError =>
  new PlugferryError('E_LIMIT', `${found} files were given as parts, and at most ${maxFiles} are looked at`, {
    hint: 'Give the parts of one set only.',
    details: { found, expected: maxFiles },
  });

const noParts = (unknown: readonly string[]): PlugferryError =>
  new PlugferryError(
    'E_PARTS',
    `no part of a bundle can be read in ${unknown.join(', ') || 'what was given'}`,
    {
      hint: 'Give the files that "plugferry split" or "plugferry export --split-size" wrote.',
      details: { unknown },
    },
  );

function severalSets(sets: readonly (readonly [id: string, files: readonly string[]])[]): PlugferryError {
  const [first, ...others] = [...sets].sort(([, a], [, b]) => b.length - a.length);
  const strangers = others.map(([id, files]) => `${files.join(', ')} (set ${id.slice(0, 12)})`);
  return new PlugferryError(
    'E_PARTS',
    `the parts are not of one set: most are of set ${first?.[0].slice(0, 12) ?? ''}; of others are ${strangers.join('; ')}`,
    {
      hint: 'Leave out what is not of the set that you want. "head -n 12" shows what a part says of itself.',
      details: { sets: Object.fromEntries(sets) },
    },
  );
}

const foreign = ({ path, header }: PartFile, id: string): PlugferryError =>
  new PlugferryError(
    'E_PARTS',
    `${path} says it is part ${header.part + 1} of set ${id.slice(0, 12)}, and is not`,
    {
      hint: 'Copy this part again from where it was made, or leave it out.',
      details: { file: path, part: header.part + 1 },
    },
  );

const withoutRecord = (files: readonly PartFile[]): PlugferryError =>
  new PlugferryError(
    'E_PARTS',
    `the end of every part is damaged (${files.map(({ path }) => path).join(', ')}), and what the others should be stands there`,
    {
      hint: 'Copy one of the parts again from where it was made.',
      details: { files: files.map(({ path }) => path) },
    },
  );
