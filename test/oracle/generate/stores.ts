import { leb } from '../../helpers/wasm.js';
import { constant, initial } from './constants.js';
import type { Dice } from './dice.js';
import type { Draft } from './draft.js';
import { limits } from './limits.js';
import { bytesOf, functionType, referenceType, valueType } from './types.js';

/** A table, with or without what its elements are at first. */
export function table(dice: Dice, draft: Draft): void {
  const element = dice.once(3) ? 'funcref' : referenceType(dice, draft);
  const type = [...bytesOf(element), ...limits(dice)];
  draft.add(
    'tables',
    dice.once(4) || element.startsWith('(ref ') ? [0x40, 0, ...type, ...initial(element, dice, draft)] : type,
  );
  draft.tables.push(element);
}

export function memory(dice: Dice, draft: Draft): void {
  const bytes = limits(dice);
  draft.add('memories', bytes);
  draft.memories.push(((bytes[0] ?? 0) & 4) !== 0);
}

export function global(dice: Dice, draft: Draft): void {
  const wanted = valueType(dice, draft);
  const type = constant(wanted, dice, draft) === undefined && !dice.once(20) ? 'i32' : wanted;
  const mutable = dice.once(60) ? 2 : dice.below(2);
  draft.add('globals', [...bytesOf(type), mutable, ...initial(type, dice, draft)]);
  draft.globals.push({ type, mutable: mutable === 1 });
}

export function tag(dice: Dice, draft: Draft): void {
  const type = dice.once(3) ? functionType(dice, draft) : dice.below(draft.types.length);
  draft.add('tags', [dice.once(40) ? 1 : 0, ...leb(type)]);
  draft.tags += 1;
}
