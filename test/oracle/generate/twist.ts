import { leb, wasmHeader } from '../../helpers/wasm.js';
import { mutated } from '../../helpers/mutation.js';
import type { Dice } from './dice.js';

/** Does something to the sections of a module that no toolchain does, or that a bad transport does. */
export function twisted(sections: readonly Buffer[], dice: Dice): Buffer {
  const whole = (parts: readonly Buffer[]): Buffer => Buffer.concat([wasmHeader, ...parts]);
  const at = dice.below(sections.length);
  const one = sections[at] ?? Buffer.alloc(0);
  const replaced = (by: readonly Buffer[]): Buffer =>
    whole([...sections.slice(0, at), ...by, ...sections.slice(at + 1)]);
  switch (dice.below(9)) {
    case 0:
      return replaced([]);
    case 1:
      return replaced([one, one]);
    case 2: {
      const other = dice.below(sections.length);
      return whole(
        sections.map(
          (each, index) => (index === at ? sections[other] : index === other ? one : each) ?? each,
        ),
      );
    }
    case 3:
      return whole(sections).subarray(0, dice.below(whole(sections).length));
    case 4:
      return Buffer.concat([whole(sections), Buffer.from(dice.some(4, () => dice.below(14)))]);
    case 5:
      return replaced([widened(one, dice)]);
    case 6:
      return replaced([Buffer.from([dice.below(16), ...one.subarray(1)])]);
    case 7: {
      const changed = mutated(one, (limit) => dice.below(limit));
      return replaced([changed]);
    }
    default: {
      const bytes = Buffer.from(one);
      const place = dice.below(bytes.length);
      bytes[place] = (bytes[place] ?? 0) ^ (1 << dice.below(8));
      return replaced([bytes]);
    }
  }
}

/** The size of a section, or the count in front of its entries, in more bytes than it takes: right up to five. */
function widened(section: Buffer, dice: Dice): Buffer {
  const bytes = [...section];
  const sizeEnd = bytes.findIndex((byte, index) => index > 0 && byte < 0x80);
  const body = bytes.slice(sizeEnd + 1);
  const padding = dice.below(6);
  if (dice.once(2))
    return Buffer.from([bytes[0] ?? 0, ...padded(bytes.slice(1, sizeEnd + 1), padding), ...body]);
  const countEnd = body.findIndex((byte) => byte < 0x80);
  const wide = [...padded(body.slice(0, countEnd + 1), padding), ...body.slice(countEnd + 1)];
  return Buffer.from([bytes[0] ?? 0, ...leb(wide.length), ...wide]);
}

function padded(number: readonly number[], by: number): number[] {
  const last = number.at(-1) ?? 0;
  if (by === 0) return [...number];
  return [...number.slice(0, -1), last | 0x80, ...new Array<number>(by - 1).fill(0x80), 0];
}
