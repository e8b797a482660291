import { customSection, leb, wasmName } from '../../helpers/wasm.js';
import { vector } from '../plugin-module.js';
import type { Dice } from './dice.js';

const names = [
  'producers',
  'target_features',
  'dylink.0',
  'linking',
  'sourceMappingURL',
  '.debug_info',
  'signature_wasmsign',
  'precompiled_',
  'precompiled_v8_v14.6.202.10_linux_x86_64',
  'proxy_wasm',
  'metadata.code.branch_hint',
  '',
  'name ',
];

/** A custom section: names of functions, right or not, or anything that a tool leaves. */
export function custom(dice: Dice): Buffer {
  if (dice.once(2)) return customSection('name', Buffer.from(functionNames(dice)));
  const content = Buffer.from(dice.some(40, () => dice.below(256)));
  const section = customSection(dice.of(names), content);
  // A name that is cut short, or none.
  return dice.once(20)
    ? Buffer.from([0, ...dice.of([[0], [1, 5], [2, 1, 0xff], [3, 2, 0xc3, 0x28]])])
    : section;
}

/** Subsections: module (0), functions (1), locals (2) and others. */
function functionNames(dice: Dice): number[] {
  return dice
    .some(3, () => {
      const entries = dice.some(3, () => [
        ...leb(dice.once(9) ? 2 ** 31 : dice.below(9)),
        ...wasmName(dice.of(['f', '', '€', 'x'.repeat(300)])),
      ]);
      const body = dice.once(4) ? dice.some(9, () => dice.below(256)) : vector(entries);
      const size = dice.once(12) ? dice.below(300) : body.length;
      return [dice.once(6) ? dice.below(256) : dice.of([0, 1, 1, 1, 2, 7]), ...leb(size), ...body];
    })
    .flat();
}
