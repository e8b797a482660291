import type { GatewayProfile } from '../../../src/schema/gatewayProfile.js';
import { leb } from '../../helpers/wasm.js';
import type { Dice } from './dice.js';
import type { Draft, Signature } from './draft.js';
import { limits } from './limits.js';
import { bytesOf, functionType, referenceType, valueType } from './types.js';

const modules = [
  'env',
  'env',
  'env',
  'wasi_snapshot_preview1',
  'wasi_unstable',
  'wasi_snapshot_preview2',
  '',
  'ENV',
  'wasm:js-string',
  'env\0',
];
const strange = [
  '',
  '0',
  'm',
  't',
  'a',
  'b',
  'memory',
  'table',
  'proxy_nothing',
  'proxy_log\0',
  'Proxy_log',
  '€',
  'length',
  'x'.repeat(1000),
  '__indirect_function_table',
];

/** `i32 i32 -> i32` as names. */
export function signatureFrom(text: string): Signature {
  const [parameters, results] = text.split(' -> ').map((side) => (side === 'void' ? [] : side.split(' ')));
  return { parameters: parameters ?? [], results: results ?? [] };
}

/** Imports: most as the gateway offers them, some of another type, name or kind. */
export class Imports {
  readonly #offered: readonly (readonly [module: string, name: string, type: Signature])[];

  constructor({ imports }: GatewayProfile) {
    this.#offered = imports.flatMap(({ module, types = {} }) =>
      Object.entries(types).map(([name, type]) => [module, name, signatureFrom(type)] as const),
    );
  }

  add(dice: Dice, draft: Draft): void {
    const roll = dice.below(24);
    if (roll < 13) this.#function(dice, draft, dice.of(this.#offered));
    else if (roll < 17) {
      const [module, name, type] = dice.of(this.#offered);
      this.#function(dice, draft, [dice.once(3) ? dice.of(modules) : module, name, near(type, dice)]);
    } else if (roll < 19) this.#function(dice, draft, [dice.of(modules), dice.of(strange), undefined]);
    else this.#other(dice, draft);
  }

  #function(
    dice: Dice,
    draft: Draft,
    [module, name, type]: readonly [string, string, Signature | undefined],
  ): void {
    const index = functionType(dice, draft, type);
    draft.functions.push(dice.once(100) ? draft.types.length : index);
    draft.add('imports', [module, name, [0, ...leb(draft.functions.at(-1) ?? 0)]]);
  }

  #other(dice: Dice, draft: Draft): void {
    const name = dice.once(6) ? dice.of(this.#offered)[1] : dice.of(strange);
    const module = dice.of(modules);
    switch (dice.below(7)) {
      case 0:
      case 1: {
        const element = dice.once(3) ? referenceType(dice, draft) : 'funcref';
        draft.tables.push(element);
        draft.add('imports', [module, name, [1, ...bytesOf(element), ...limits(dice)]]);
        return;
      }
      case 2:
      case 3: {
        const bytes = limits(dice);
        draft.memories.push(((bytes[0] ?? 0) & 4) !== 0);
        // In place of the memory of its own, as toolchains do, or beside it.
        if (dice.once(2)) draft.ownMemory = false;
        draft.add('imports', [module, name, [2, ...bytes]]);
        return;
      }
      case 4:
      case 5: {
        const type = valueType(dice, draft);
        const mutable = dice.below(2);
        draft.globals.push({ type, mutable: mutable === 1 });
        draft.add('imports', [module, name, [3, ...bytesOf(type), mutable]]);
        return;
      }
      default:
        draft.tags += 1;
        {
          draft.add('imports', [module, name, [4, dice.once(9) ? 1 : 0, ...leb(functionType(dice, draft))]]);
          return;
        }
    }
  }
}

/** A type that differs in one place, or not at all. */
export function near({ parameters, results }: Signature, dice: Dice): Signature {
  const another = dice.of([
    'i32',
    'i64',
    'f32',
    'f64',
    'v128',
    'externref',
    'funcref',
    '(ref func)',
    'anyref',
    '(ref extern)',
  ]);
  switch (dice.below(5)) {
    case 0:
      return { parameters: parameters.slice(1), results };
    case 1:
      return { parameters: [...parameters, another], results };
    case 2:
      return { parameters, results: results.length === 0 ? [another] : [] };
    case 3:
      return { parameters: [another, ...parameters.slice(1)], results };
    default:
      return { parameters, results };
  }
}
