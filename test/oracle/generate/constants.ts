import { leb } from '../../helpers/wasm.js';
import type { Dice } from './dice.js';
import type { Draft } from './draft.js';

const zeros = (count: number): number[] => new Array<number>(count).fill(0);
/** Heap type of a null, by the nullable reference. */
const heaps: Readonly<Record<string, number>> = {
  funcref: 0x70,
  externref: 0x6f,
  anyref: 0x6e,
  eqref: 0x6d,
  i31ref: 0x6c,
  structref: 0x6b,
  arrayref: 0x6a,
  exnref: 0x69,
  nullref: 0x71,
  nullexternref: 0x72,
  nullfuncref: 0x73,
  nullexnref: 0x74,
  '(ref null func)': 0x70,
};

/** A constant expression of a type, without its end; undefined where there is none that a module always has. */
export function constant(type: string, dice: Dice, draft: Draft): number[] | undefined {
  switch (type) {
    case 'i32':
      return dice.once(4) ? extended(0x41, 0x6a, dice) : [0x41, dice.below(64)];
    case 'i64':
      return dice.once(4) ? extended(0x42, 0x7c, dice) : [0x42, dice.below(64)];
    case 'f32':
      return [0x43, ...zeros(4)];
    case 'f64':
      return [0x44, ...zeros(8)];
    case 'v128':
      return [0xfd, 12, ...zeros(16)];
    case '(ref func)':
      return draft.functions.length === 0 ? undefined : [0xd2, ...leb(dice.below(draft.functions.length))];
    case 'funcref':
      if (dice.once(2)) return [0xd2, ...leb(dice.below(Math.max(1, draft.functions.length)))];
      return [0xd0, 0x70];
    case 'anyref':
    case 'eqref':
    case 'i31ref':
      if (dice.once(2)) return [0x41, 1, 0xfb, 28];
      return [0xd0, heaps[type] ?? 0];
    case 'externref':
      if (dice.once(4)) return [0xd0, 0x6e, 0xfb, 27];
      return [0xd0, 0x6f];
    default: {
      const heap = heaps[type];
      if (heap !== undefined) return [0xd0, heap];
      const index = /^\(ref null (\d+)\)$/.exec(type);
      return index === null ? undefined : [0xd0, ...leb(Number(index[1]))];
    }
  }
}

const extended = (literal: number, add: number, dice: Dice): number[] => [
  literal,
  dice.below(32),
  literal,
  1,
  add + dice.below(3),
];

/** A constant expression with its end. Now and then of another type, or one that reads a global. */
export function initial(type: string, dice: Dice, draft: Draft): number[] {
  const known = draft.globals.findIndex((each) => each.type === type && (!each.mutable || dice.once(9)));
  if (known !== -1 && dice.once(4)) return [0x23, ...leb(known), 0x0b];
  const wanted = dice.once(60) ? dice.of(['i32', 'i64', 'externref']) : type;
  return [...(constant(wanted, dice, draft) ?? [0x00]), 0x0b];
}
