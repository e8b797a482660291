import { Coder } from './coder.js';
import { DamageNotes, type PartDamage } from './damage.js';
import { parityRows, repairRows, type Matrix } from './galois.js';
import { Tally, type Progress } from '../stream/progress.js';
import type { PartSet } from './set.js';
import { blockCount, blockLength, type Shape } from './shape.js';
import { forEachStripe, stripeCount, stripeLength, stripesAtOnce } from './stripes.js';

/** A private place for repaired blocks, until they are read in the order of the bundle. */
export interface Spool {
  /** Bytes written so far. */
  readonly size: number;
  append(bytes: Uint8Array): Promise<void>;
  read(start: number, length: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** What a look at every block of a set has found. */
export interface Survey {
  /** What is missing or damaged. */
  readonly damage: readonly PartDamage[];
  /** Whether all of that was made again. */
  readonly repaired: boolean;
  /** A block that was made again; undefined for any other. */
  block(part: number, block: number): Promise<Buffer | undefined>;
}

/**
 * Reads every block of the data parts once, stripe by stripe, and makes again what is missing or damaged, as far as parity
 * goes. Parity parts are read where they are needed.
 */
export async function survey(
  set: PartSet,
  spool: Spool,
  {
    signal,
    progress,
  }: { readonly signal?: AbortSignal | undefined; readonly progress?: Progress | undefined } = {},
): Promise<Survey> {
  const coder = new Coder();
  const { data, block } = set.shape;
  const { add } = new Tally(progress, stripeCount(set.shape) * data * block);
  const surveyor = new Surveyor(set, { coder, spool });
  try {
    await forEachStripe(surveyor.stripes, stripesAtOnce(set.shape, coder), async (stripe) => {
      signal?.throwIfAborted();
      await surveyor.look(stripe);
      add(data * block);
    });
  } finally {
    await coder.close();
  }
  return surveyor.result();
}

/** One block of the parts that have one, in a stripe: undefined where it is not as it should be. */
type Blocks = ReadonlyMap<number, Buffer | undefined>;

class Surveyor {
  readonly #set: PartSet;
  readonly #shape: Shape;
  readonly #coder: Coder;
  readonly #spool: Spool;
  readonly #parity: Matrix;
  /** By what is there and what is not: nearly always the same from stripe to stripe. */
  readonly #rows = new Map<string, Matrix>();
  readonly #damage: DamageNotes;
  #lost = 0;
  /** Data parts that nothing is known of, where parity cannot make up for them. */
  readonly #hopeless: ReadonlySet<number>;
  /** Where in the spool the repaired blocks stand. */
  readonly #places = new Map<string, number>();
  /** Stripes end in any order; the spool is written by one at a time. */
  #keeping: Promise<void> = Promise.resolve();

  constructor(set: PartSet, { coder, spool }: { readonly coder: Coder; readonly spool: Spool }) {
    this.#set = set;
    this.#shape = set.shape;
    this.#coder = coder;
    this.#spool = spool;
    this.#parity = parityRows(set.shape.data, set.shape.parity);
    this.#damage = new DamageNotes(set.shape);
    this.#hopeless = hopelessParts(set);
    for (const part of this.#hopeless) this.#damage.addWhole(part);
    this.#lost = this.#hopeless.size;
  }

  /** How many stripes are worth a look: how large lost parts are is only claimed, and there may be no end of them. */
  get stripes(): number {
    if (this.#hopeless.size === 0) return stripeCount(this.#shape);
    const known = this.#dataParts().map((part) => blockCount(this.#shape, part));
    return Math.max(0, ...known);
  }

  result(): Survey {
    return {
      damage: this.#damage.tell((part) => this.#set.fileOf(part)),
      repaired: this.#lost === 0,
      block: async (part, block) => {
        const start = this.#places.get(`${part} ${block}`);
        return start === undefined
          ? undefined
          : this.#spool.read(start, blockLength(this.#shape, part, block));
      },
    };
  }

  async look(stripe: number): Promise<void> {
    const blocks = await this.#readData(stripe);
    const bad = [...blocks].filter(([, bytes]) => bytes === undefined).map(([part]) => part);
    if (bad.length === 0) return;
    const made = await this.#repair(stripe, blocks, bad);
    for (const [at, part] of bad.entries()) {
      this.#damage.add(part, stripe);
      const bytes = made?.[at]?.subarray(0, blockLength(this.#shape, part, stripe));
      if (bytes === undefined || !this.#set.accepts(bytes, part, stripe)) this.#lost += 1;
      else await this.#keep(bytes, part, stripe);
    }
  }

  #dataParts(): number[] {
    return numbers(0, this.#shape.data).filter((part) => !this.#hopeless.has(part));
  }

  async #readData(stripe: number): Promise<Blocks> {
    const present = this.#dataParts().filter((part) => stripe < blockCount(this.#shape, part));
    return new Map(
      await Promise.all(present.map(async (part) => [part, await this.#set.block(part, stripe)] as const)),
    );
  }

  /** The bad blocks again, each filled up to the length of the stripe; undefined when parity is not enough. */
  async #repair(stripe: number, blocks: Blocks, bad: readonly number[]): Promise<Uint8Array[] | undefined> {
    const { data, parity } = this.#shape;
    const left = new Map<number, Buffer | undefined>();
    // A part that has ended counts as zeros, and those are known.
    for (let part = 0; part < data; part += 1) if (!bad.includes(part)) left.set(part, blocks.get(part));
    for (let part = data; part < data + parity && left.size < data; part += 1) {
      const bytes = await this.#set.block(part, stripe);
      if (bytes !== undefined) left.set(part, bytes);
    }
    if (left.size < data) return undefined;
    const size = stripeLength(this.#shape, stripe);
    const inputs = new Uint8Array(new ArrayBuffer(data * size));
    for (const [at, bytes] of [...left.values()].entries())
      if (bytes !== undefined) inputs.set(bytes, at * size);
    const outputs = await this.#coder.combine(this.#rowsFor([...left.keys()], bad), inputs, size);
    return bad.map((_part, at) => outputs.subarray(at * size, (at + 1) * size));
  }

  #rowsFor(left: readonly number[], bad: readonly number[]): Matrix {
    const key = `${left.join(' ')}|${bad.join(' ')}`;
    const rows = this.#rows.get(key) ?? repairRows(this.#parity, left, bad);
    this.#rows.set(key, rows);
    return rows;
  }

  async #keep(bytes: Uint8Array, part: number, stripe: number): Promise<void> {
    this.#keeping = this.#keeping.then(async () => {
      this.#places.set(`${part} ${stripe}`, this.#spool.size);
      await this.#spool.append(bytes);
    });
    await this.#keeping;
  }
}

const numbers = (first: number, end: number): number[] =>
  Array.from({ length: end - first }, (_, at) => first + at);

/** The data parts that are lost for good, as far as that is clear before a block is read. */
function hopelessParts(set: PartSet): ReadonlySet<number> {
  const { data, parity } = set.shape;
  const unknown = numbers(0, data).filter((part) => !set.knows(part));
  const spare = numbers(data, data + parity).filter((part) => set.knows(part)).length;
  return new Set(unknown.length > spare ? unknown : []);
}
