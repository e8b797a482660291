import { PlugferryError } from '../errors.js';
import { blockCount, blockLength, blockOffset, partCount, type Shape } from './shape.js';

/** Bytes from `first` to `last`, both included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** What is wrong with one part. */
export interface PartDamage {
  /** Number of the part, counted from 1. */
  readonly part: number;
  /** How many parts the set has. */
  readonly of: number;
  readonly kind: 'missing' | 'damaged';
  /** The file of a damaged part. */
  readonly file?: string;
  /** Where in that file. */
  readonly inFile: readonly ByteRange[];
  /** Which bytes of the bundle. */
  readonly inBundle: readonly ByteRange[];
}

/** Notes blocks that are not there or not right, and tells them as ranges of bytes. */
export class DamageNotes {
  readonly #shape: Shape;
  /** For each part the first and last block of each run. */
  readonly #runs = new Map<number, { first: number; last: number }[]>();

  constructor(shape: Shape) {
    this.#shape = shape;
  }

  /** Blocks of a part may come in any order; whole runs of them come in ascending order nearly always. */
  add(part: number, block: number): void {
    const runs = this.#runs.get(part) ?? [];
    this.#runs.set(part, runs);
    const last = runs.at(-1);
    if (last?.last === block - 1) last.last = block;
    else runs.push({ first: block, last: block });
  }

  /** Notes all blocks of a part. */
  addWhole(part: number): void {
    this.#runs.set(part, [{ first: 0, last: blockCount(this.#shape, part) - 1 }]);
  }

  /** @param fileOf the file of a part, undefined for one that is missing. */
  tell(fileOf: (part: number) => string | undefined): PartDamage[] {
    return [...this.#runs]
      .sort(([a], [b]) => a - b)
      .map(([part, runs]) => {
        const file = fileOf(part);
        const ranges = merged(runs).map(({ first, last }) => ({
          first: first * this.#shape.block,
          last: last * this.#shape.block + blockLength(this.#shape, part, last) - 1,
        }));
        const shifted = (by: number): ByteRange[] =>
          ranges.map(({ first, last }) => ({ first: first + by, last: last + by }));
        return {
          part: part + 1,
          of: partCount(this.#shape),
          ...(file === undefined
            ? { kind: 'missing', inFile: [] }
            : { kind: 'damaged', file, inFile: shifted(blockOffset(this.#shape, 0)) }),
          inBundle: shifted(part * this.#shape.partSize),
        };
      });
  }
}

function merged(runs: readonly ByteRange[]): ByteRange[] {
  const result: { first: number; last: number }[] = [];
  for (const { first, last } of [...runs].sort((a, b) => a.first - b.first)) {
    const before = result.at(-1);
    if (before !== undefined && before.last >= first - 1) before.last = Math.max(before.last, last);
    else result.push({ first, last });
  }
  return result;
}

/** Most ranges that a sentence names; the details have all. */
const maxRanges = 4;

function inWords(ranges: readonly ByteRange[]): string {
  const named = ranges.slice(0, maxRanges).map(({ first, last }) => `${first}-${last}`);
  const more = ranges.length - named.length;
  return `bytes ${named.join(', ')}${more > 0 ? ` and ${more} more ranges` : ''}`;
}

/** One line about a part, for people. */
export function describeDamage({ part, of, kind, file, inFile, inBundle }: PartDamage): string {
  const where = `${inWords(inBundle)} of the bundle`;
  return kind === 'missing'
    ? `part ${part} of ${of} is missing (${where})`
    : `part ${part} of ${of} is damaged: ${file ?? ''}, ${inWords(inFile)} (${where})`;
}

/** More is missing or damaged than can be made again from what is there. */
export function beyondRepair(
  { parity }: Shape,
  damage: readonly PartDamage[],
  unknown: readonly string[],
): PlugferryError {
  const strangers = unknown.map((file) => `${file} cannot be read as a part at all`);
  const what = [...damage.map(describeDamage), ...strangers].join('; ');
  const why =
    parity === 0
      ? 'there is no parity to repair it with'
      : `that is more than ${parity} parity parts can repair`;
  return new PlugferryError('E_PARTS', `${what}; ${why}`, {
    hint: 'Copy the parts named here again from where they were made. Splitting the same bundle the same way gives the same parts.',
    details: { parts: damage, unknown },
  });
}
