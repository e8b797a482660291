import { leb } from '../../helpers/wasm.js';
import type { Dice } from './dice.js';

/** Around the ends of what engines take: pages, elements, 32 bits. */
const edges = [
  16_383,
  16_384,
  16_385,
  65_535,
  65_536,
  65_537,
  9_999_999,
  10_000_001,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 48,
  2 ** 53,
];

/** Bytes of limits, mostly small and right. Bits: 1 a maximum follows, 2 shared, 4 of 64 bits, 8 a page size follows. */
export function limits(dice: Dice): number[] {
  const flags = dice.once(3) ? (dice.once(12) ? dice.below(32) : dice.below(8)) : dice.below(2);
  const minimum = dice.once(12) ? dice.of(edges) : dice.below(3);
  const maximum = dice.once(8) ? dice.of(edges) : dice.once(15) ? 0 : minimum + dice.below(3);
  return [
    flags,
    ...leb(minimum),
    ...((flags & 1) === 0 ? [] : leb(maximum)),
    ...((flags & 8) === 0 ? [] : [dice.of([0, 16, 5])]),
  ];
}
