import type { GatewayProfile } from '../../../src/schema/gatewayProfile.js';
import { wasmHeader } from '../../helpers/wasm.js';
import { pluginSections } from '../plugin-module.js';
import { body } from './bodies.js';
import { custom } from './custom.js';
import { Dice } from './dice.js';
import { Draft } from './draft.js';
import { Exports } from './exports.js';
import { Imports } from './imports.js';
import { data, elements } from './segments.js';
import { global, memory, table, tag } from './stores.js';
import { twisted } from './twist.js';
import { anyType } from './types.js';

/** Makes modules that are nearly right for the gateway of a profile: plugins with a few things more, or less. */
export class ModuleGenerator {
  readonly #imports: Imports;
  readonly #exports: Exports;

  constructor(profile: GatewayProfile) {
    this.#imports = new Imports(profile);
    this.#exports = new Exports(profile);
  }

  /** The same bytes for the same seed. */
  module(seed: number): Buffer {
    const dice = new Dice(seed);
    const sections = this.#sections(dice);
    return dice.once(5) ? twisted(sections, dice) : Buffer.concat([wasmHeader, ...sections]);
  }

  #sections(dice: Dice): Buffer[] {
    const draft = new Draft();
    const times = (oneIn: number, most: number, make: () => void): void => {
      if (dice.once(oneIn)) for (let left = 1 + dice.below(most); left > 0; left -= 1) make();
    };
    times(4, 3, () => {
      anyType(dice, draft);
    });
    times(2, 3, () => {
      this.#imports.add(dice, draft);
    });
    const imported = draft.functions.length;
    draft.functions.push(0, 0, 1);
    this.#ownMemory(dice, draft);
    times(4, 2, () => {
      table(dice, draft);
    });
    times(8, 2, () => {
      tag(dice, draft);
    });
    times(4, 3, () => {
      global(dice, draft);
    });
    times(3, 3, () => {
      this.#function(dice, draft);
    });
    times(2, 3, () => {
      this.#exports.add(dice, draft);
    });
    times(6, 2, () => {
      elements(dice, draft);
    });
    times(6, 2, () => {
      data(dice, draft);
    });
    if (dice.once(3)) draft.set({ dataCount: (draft.parts.data ?? []).length + (dice.once(30) ? 1 : 0) });
    if (dice.once(12)) draft.set({ start: dice.once(6) ? dice.below(6) : imported });
    if (draft.memories.length === 0 && !dice.once(20)) draft.without('memory');
    const sections = pluginSections(draft.parts);
    times(5, 2, () =>
      sections.splice(dice.once(2) ? sections.length : dice.below(sections.length), 0, custom(dice)),
    );
    return sections;
  }

  /** Nearly every plugin has one of one page. */
  #ownMemory(dice: Dice, draft: Draft): void {
    if (!draft.ownMemory || dice.once(20)) return;
    if (dice.once(5)) {
      memory(dice, draft);
      return;
    }
    draft.add('memories', [0, 1]);
    draft.memories.push(false);
    if (dice.once(8)) memory(dice, draft);
  }

  #function(dice: Dice, draft: Draft): void {
    const type = dice.below(draft.types.length);
    draft.add('functions', { type, ...body(dice, draft, { signature: draft.types[type] }) });
    draft.functions.push(type);
  }
}
