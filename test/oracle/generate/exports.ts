import type { GatewayProfile } from '../../../src/schema/gatewayProfile.js';
import type { Dice } from './dice.js';
import type { Draft, Signature } from './draft.js';
import { body } from './bodies.js';
import { near, signatureFrom } from './imports.js';
import { functionType } from './types.js';

const strange = [
  '',
  'x',
  '\0',
  '€',
  'memory2',
  'proxy_abi_version_',
  'proxy_abi_version_0_3_0',
  'proxy_abi_version_0_2_1\0',
  'xproxy_abi_version_0_2_1',
  'proxy_on_nothing',
  '__wasm_call_ctors',
  'main',
  '__main_argc_argv',
  'free',
  'y'.repeat(5000),
];
/** Also those that an engine takes for an index of an array, or for a text that ends sooner. */
const others = ['a', 'b', 'c', 'd', 'e', 'f', '0', '7', '4294967295', '00', 'malloc\0', 'a\0', '\0', '\0b'];
const own = ['_initialize', 'malloc', 'memory'];

/** Exports: functions that the gateway calls, of their types or of others, and anything under any name. */
export class Exports {
  readonly #called: readonly (readonly [name: string, type: Signature])[];
  readonly #abi: readonly string[];

  constructor({ exports = [], abi }: GatewayProfile) {
    this.#abi = abi;
    this.#called = exports.flatMap(({ types }) =>
      Object.entries(types).map(([name, type]) => [name, signatureFrom(type)] as const),
    );
  }

  add(dice: Dice, draft: Draft): void {
    const roll = dice.below(20);
    const [name, type] = dice.of(this.#called);
    if (roll < 6) this.#function(dice, draft, [name, type]);
    else if (roll < 9) this.#function(dice, draft, [name, near(type, dice)]);
    else if (roll < 12) this.#function(dice, draft, [dice.of(strange), undefined]);
    else if (roll < 14) this.#abiVersion(dice, draft);
    else if (roll === 14) draft.without(dice.of(own));
    else if (roll === 15) this.#anything(dice, draft, dice.of(own));
    else this.#anything(dice, draft);
  }

  #function(dice: Dice, draft: Draft, [name, wanted]: readonly [string, Signature | undefined]): void {
    const type = functionType(dice, draft, wanted);
    draft.add('functions', { type, ...body(dice, draft, { signature: draft.types[type], name }) });
    draft.functions.push(type);
    if (!dice.once(8)) draft.without(name);
    draft.add('exports', [name, 0, draft.functions.length - 1]);
  }

  #abiVersion(dice: Dice, draft: Draft): void {
    const version = dice.of(this.#abi);
    switch (dice.below(4)) {
      case 0: {
        draft.set({ abi: version });
        return;
      }
      case 1: {
        draft.set({ abi: dice.of(strange) });
        return;
      }
      case 2:
        draft.without(version);
        {
          this.#anything(dice, draft, version);
          return;
        }
      default:
        draft.without(version);
        {
          draft.add('exports', [version, 0, Math.max(0, draft.functions.length - dice.below(3))]);
          return;
        }
    }
  }

  #anything(dice: Dice, draft: Draft, name = dice.of(others)): void {
    const counts = [
      draft.functions.length,
      draft.tables.length,
      draft.memories.length,
      draft.globals.length,
      draft.tags,
    ];
    const there = [0, 1, 2, 3, 4].filter((each) => (counts[each] ?? 0) > 0);
    const kind = dice.once(25) ? dice.below(6) : dice.of(there);
    const count = counts[kind] ?? 0;
    const index = dice.once(40) ? count + dice.below(3) : dice.below(Math.max(1, count));
    draft.without(name);
    draft.add('exports', [name, kind, index]);
  }
}
