import { leb } from '../../helpers/wasm.js';
import { vector } from '../plugin-module.js';
import { initial } from './constants.js';
import type { Dice } from './dice.js';
import type { Draft } from './draft.js';
import { bytesOf } from './types.js';

/** Where a segment goes: inside, at the end, or beyond it. */
const offset = (dice: Dice, draft: Draft, wide: boolean): number[] =>
  dice.once(3)
    ? initial(wide ? 'i64' : 'i32', dice, draft)
    : [wide ? 0x42 : 0x41, dice.once(8) ? 63 : 0, 0x0b];

/** Data for a memory, or kept for later. */
export function data(dice: Dice, draft: Draft): void {
  const content = vector([dice.some(dice.once(20) ? 200 : 3, () => dice.below(256))]).slice(1);
  const bytes = [...leb(content.length), ...content];
  const index = dice.once(20) ? dice.below(4) : dice.below(Math.max(1, draft.memories.length));
  const wide = draft.memories[index] ?? false;
  switch (dice.below(4)) {
    case 0: {
      draft.add('data', [1, ...bytes]);
      return;
    }
    case 1: {
      draft.add('data', [2, ...leb(index), ...offset(dice, draft, wide), ...bytes]);
      return;
    }
    default: {
      draft.add('data', [
        dice.once(40) ? 3 : 0,
        ...offset(dice, draft, draft.memories[0] ?? false),
        ...bytes,
      ]);
      return;
    }
  }
}

/** Elements for a table, kept for later, or declared only; as functions or as expressions. */
export function elements(dice: Dice, draft: Draft): void {
  const flags = dice.once(60) ? dice.below(16) : dice.below(8);
  const table = dice.once(20) ? dice.below(4) : dice.below(Math.max(1, draft.tables.length));
  const type = draft.tables[(flags & 2) === 0 ? 0 : table] ?? 'funcref';
  const expressions = (flags & 4) !== 0;
  const active = (flags & 1) === 0;
  const items = dice.some(2, () =>
    expressions ? initial(type, dice, draft) : [...leb(dice.below(Math.max(1, draft.functions.length)))],
  );
  draft.add('elements', [
    flags,
    ...(active && (flags & 2) !== 0 ? leb(table) : []),
    ...(active ? offset(dice, draft, dice.once(30)) : []),
    ...((flags & 3) === 0 ? [] : expressions ? bytesOf(type) : [dice.once(40) ? 1 : 0]),
    ...vector(items),
  ]);
}
