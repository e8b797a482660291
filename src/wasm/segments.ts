import { isPlugferryError } from '../errors.js';
import { constantAddress } from './constant.js';
import type { Cursor } from './cursor.js';
import type { FeatureSet } from './features.js';
import type { IndexSpaces } from './index-spaces.js';
import { InstructionWalk } from './instructions.js';
import type { Limits } from './interface.js';
import { readValueType } from './value-type.js';

export interface SegmentNotes {
  /** How errors call the file. */
  readonly name: string;
  /** All that stands before the segments. */
  readonly spaces: IndexSpaces;
  readonly features: FeatureSet;
  /** Told of what no engine takes. */
  readonly flaw: (text: string) => void;
  /** Told of a segment that begins or ends outside of what it is for. */
  readonly overrun: (text: string) => void;
}

const pageBytes = 65_536n;

/** Where a segment goes; undefined for one that is kept for later. */
interface Destination {
  readonly there: Limits;
  readonly what: string;
  /** Undefined where only an engine can tell. */
  readonly start: bigint | undefined;
}

/** Walks over data segments (WebAssembly core specification 3.0, "Data Section"), and notes what an engine must know for them. */
export const scanData = (cursor: Cursor, notes: SegmentNotes): void => {
  scan(cursor, notes, (index) => {
    const flags = cursor.unsigned();
    if (flags > 2) throw cursor.failure(`holds a segment of unknown flags (0x${flags.toString(16)})`);
    const memory = flags === 2 ? cursor.unsigned() : 0;
    const target = flags === 1 ? 'later' : destination(cursor, notes, ['memory', memory]);
    if (target === undefined) return false;
    const size = cursor.unsigned();
    cursor.skip(size);
    if (target !== 'later')
      note(notes, target, { segment: `data segment ${index}`, size: BigInt(size), unit: pageBytes });
    return true;
  });
};

/** Bits of the flags: kept for later or declared, of a named table or type, expressions in place of functions. */
const bits = { passive: 1, named: 2, expressions: 4 } as const;

/** Walks over element segments ("Element Section"), as {@link scanData}. */
export const scanElements = (cursor: Cursor, notes: SegmentNotes): void => {
  scan(cursor, notes, (index) => {
    const flags = cursor.unsigned();
    if (flags > 7) throw cursor.failure(`holds a segment of unknown flags (0x${flags.toString(16)})`);
    const has = (bit: number): boolean => (flags & bit) !== 0;
    const table = !has(bits.passive) && has(bits.named) ? cursor.unsigned() : 0;
    const target = has(bits.passive) ? 'later' : destination(cursor, notes, ['table', table]);
    if (target === undefined) return false;
    if (has(bits.passive) || has(bits.named)) {
      if (has(bits.expressions)) readValueType(cursor, notes.features);
      else if (cursor.byte() !== 0) throw cursor.failure('holds elements that are not functions');
    }
    const size = cursor.count();
    for (let left = size; left > 0; left -= 1) {
      if (!has(bits.expressions)) cursor.unsigned();
      else if (!passConstant(cursor, notes)) return false;
    }
    if (target !== 'later')
      note(notes, target, { segment: `element segment ${index}`, size: BigInt(size), unit: 1n });
    return true;
  });
};

/** @param segment reads one; false says that the rest is not known. */
function scan(cursor: Cursor, { name, flaw }: SegmentNotes, segment: (index: number) => boolean): void {
  try {
    const count = cursor.count();
    for (let index = 0; index < count; index += 1) if (!segment(index)) return;
    cursor.end();
  } catch (error) {
    if (!isPlugferryError(error)) throw error;
    flaw(error.message.slice(`${name}: `.length));
  }
}

/** @returns undefined for an address that cannot be passed over. */
function destination(
  cursor: Cursor,
  notes: SegmentNotes,
  [kind, index]: readonly ['memory' | 'table', number],
): Destination | undefined {
  const there = (kind === 'memory' ? notes.spaces.memories : notes.spaces.tableLimits)[index];
  if (there === undefined) throw cursor.failure(`holds a segment for a ${kind} that is not there (${index})`);
  const bytes = cursor.rest();
  if (!passConstant(cursor, notes)) return undefined;
  return { there, what: `${kind} ${index}`, start: constantAddress(bytes, there.wide ? 64 : 32) };
}

/** @returns false for what holds an instruction that nobody here knows; it is noted. */
function passConstant(cursor: Cursor, { features, spaces }: SegmentNotes): boolean {
  const rest = cursor.rest();
  const walk = new InstructionWalk(rest, 0, features);
  if (walk.constant(spaces.importedGlobals)) {
    cursor.skip(walk.at);
    return true;
  }
  if (features.unknowns.length === 0) throw cursor.failure('ends inside an expression');
  return false;
}

function note(
  { overrun }: SegmentNotes,
  { there, what, start }: Destination,
  { segment, size, unit }: { readonly segment: string; readonly size: bigint; readonly unit: bigint },
): void {
  if (start === undefined) return;
  const room = BigInt(there.minimum) * unit;
  if (start + size > room) overrun(`${segment} ends at ${start + size} of ${what}, which has ${room}`);
}
