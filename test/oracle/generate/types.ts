import { leb } from '../../helpers/wasm.js';
import { typeCodes, vector } from '../plugin-module.js';
import type { Dice } from './dice.js';
import type { Draft, Signature } from './draft.js';

const numbers = ['i32', 'i64', 'f32', 'f64'];
const references = Object.keys(typeCodes).filter((name) => /ref|\(/.test(name) && !/\d/.test(name));
/** Of proposals that no engine ships, or that were taken back: continuations, strings, shared and exact references, nothing at all. */
const strange = ['0x75', '0x68', '0x67', '0x6570', '0x63656e', '0x646200', '0x5f', '0x40', '0x00', '0x78'];

/** The name of a value type; mostly a number. */
export function valueType(dice: Dice, { types }: Draft): string {
  const roll = dice.below(40);
  if (roll < 24) return dice.of(numbers);
  if (roll < 27) return 'v128';
  if (roll < 36) return dice.of(references);
  if (roll === 36 && dice.once(4)) return dice.of(strange);
  return `(ref ${dice.once(2) ? 'null ' : ''}${dice.below(types.length)})`;
}

/** The name of a reference type; now and then of a type that is none. */
export const referenceType = (dice: Dice, draft: Draft): string =>
  dice.once(25) ? valueType(dice, draft) : dice.of(references);

/** The bytes of a value type by its name. */
export function bytesOf(name: string): readonly number[] {
  const known = typeCodes[name];
  if (known !== undefined) return known;
  const index = /^\(ref (null )?(\d+)\)$/.exec(name);
  if (index !== null) return [index[1] === undefined ? 0x64 : 0x63, ...leb(Number(index[2]))];
  return [...Buffer.from(name.slice(2), 'hex')];
}

export const functionBytes = ({ parameters, results }: Signature): number[] => [
  0x60,
  ...vector(parameters.map(bytesOf)),
  ...vector(results.map(bytesOf)),
];

/** @returns the index of a function type, new or one that is there. */
export function functionType(dice: Dice, draft: Draft, signature?: Signature): number {
  const wanted = signature ?? {
    parameters: dice.some(dice.once(30) ? 1100 : 4, () => valueType(dice, draft)),
    results: dice.some(dice.once(4) ? 4 : 1, () => valueType(dice, draft)),
  };
  draft.add('types', functionBytes(wanted));
  return draft.types.push(wanted) - 1;
}

const field = (dice: Dice, draft: Draft): number[] => [
  ...(dice.once(4) ? [dice.of([0x78, 0x77])] : bytesOf(valueType(dice, draft))),
  dice.once(30) ? 2 : dice.below(2),
];

/** A type of the module: a function, a struct, an array, a subtype, a recursive group. */
export function anyType(dice: Dice, draft: Draft): void {
  const next = draft.types.length;
  switch (dice.below(6)) {
    case 0:
      draft.add('types', [0x5f, ...vector(dice.some(3, () => field(dice, draft)))]);
      draft.structs.push(next);
      break;
    case 1:
      draft.add('types', [0x5e, ...field(dice, draft)]);
      draft.arrays.push(next);
      break;
    case 2: {
      // What is final has no subtypes.
      const above = draft.open.length === 0 || dice.once(20) ? dice.below(next) : dice.of(draft.open);
      const extended = draft.open.length === 0 && !dice.once(20) ? [] : [[...leb(above)]];
      const same = (extended.length === 0 ? undefined : draft.types[above]) ?? {
        parameters: [],
        results: [],
      };
      draft.add('types', [0x50, ...vector(extended), ...functionBytes(same)]);
      draft.open.push(next);
      draft.types.push(same);
      return;
    }
    case 3:
      draft.add('types', [0x4e, 2, 0x5f, 1, 0x63, ...leb(next + 1), 0, 0x60, 0, 1, 0x63, ...leb(next)]);
      draft.structs.push(next);
      draft.types.push(undefined, { parameters: [], results: [`(ref null ${next})`] });
      return;
    default:
      functionType(dice, draft);
      return;
  }
  draft.types.push(undefined);
}
