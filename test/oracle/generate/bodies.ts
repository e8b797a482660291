import { leb } from '../../helpers/wasm.js';
import { constant } from './constants.js';
import type { Dice } from './dice.js';
import type { Draft, Signature } from './draft.js';
import { bytesOf, valueType } from './types.js';

const zero = [0x41, 0];
const v128 = [0xfd, 12, ...new Array<number>(16).fill(0)];
const drop = 0x1a;

/**
 * Instructions that leave the stack as it was, whatever the module has: those of each proposal that an engine may know, and two that none
 * does.
 */
const plain: readonly (readonly number[])[] = [
  [0x01],
  [...zero, 0xc0, drop],
  [0x43, 0, 0, 0, 0, 0xfc, 0, drop],
  [0x02, 0x40, 0x0b],
  [0x03, 0x7f, ...zero, 0x0b, drop],
  [0x02, 0, 0x0b],
  [...zero, 0x04, 0x40, 0x05, 0x0b],
  [...zero, 0x0e, 1, 0, 0],
  [0xd0, 0x6f, drop],
  [0xd0, 0x70, 0xd1, drop],
  [...zero, ...zero, ...zero, 0x1c, 1, 0x7f, drop],
  [...v128, drop],
  [...v128, 0xfd, 21, 0, drop],
  [...v128, ...v128, 0xfd, 13, ...new Array<number>(16).fill(1), drop],
  [...v128, ...v128, 0xfd, ...leb(0x100), drop],
  [...v128, ...v128, ...v128, 0xfd, ...leb(0x105), drop],
  [...v128, ...v128, 0xfd, ...leb(174), drop],
  [...zero, 0xfd, 15, drop],
  [0x12, 0],
  [0x10, 0],
  [0xd2, 0, drop],
  [0xd0, 0, drop],
  [0xd0, 0, 0xd4, drop],
  [0x02, 0x40, 0xd0, 0, 0xd5, 0, drop, 0x0b],
  [0xd0, 0, 0x14, 0],
  [0xd0, 0, 0x15, 0],
  [...zero, 0xfb, 28, drop],
  [...zero, 0xfb, 28, 0xfb, 29, drop],
  [0xd0, 0x6e, 0xfb, 20, 0x6c, drop],
  [0xd0, 0x6e, 0xfb, 22, 0x6c, drop],
  [0xd0, 0x6d, 0xd0, 0x6d, 0xd3, drop],
  [0xd0, 0x6f, 0xfb, 26, drop],
  [0x02, 0x6e, 0xd0, 0x6e, 0xfb, 24, 3, 0, 0x6e, 0x6c, 0x0b, drop],
  [0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x0b, 0x0b],
  [0x02, 0x69, 0x1f, 0x40, 1, 3, 0, 0x0b, 0xd0, 0x69, 0x0b, drop],
  [0xd0, 0x69, 0x0a],
  [0x06, 0x40, 0x19, 0x0b],
  [0x06, 0x40, 0x18, 0],
  [0xfe, 3, 0],
  [0x42, 0, 0x42, 0, 0x42, 0, 0x42, 0, 0xfc, 19, drop, drop],
  [0x00],
  [0x0f],
];
/** What no engine takes. */
const wrong: readonly (readonly number[])[] = [
  [drop],
  [0x27],
  [0xff],
  [0x41],
  [0x0b],
  [0x05],
  [0x0c, 9],
  [0x20, ...leb(60_000)],
  [0xfd, ...leb(0x150)],
  [0xfb, 31],
  [0xfc, 23],
  [0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0],
  [...zero, 0x42, 0, 0x6a, drop],
  [0xd2, ...leb(9999), drop],
  [0xfb, 1, 0, drop],
];

/** Instructions for a memory, by whether its addresses are of 64 bits. */
const onMemory = (memory: number, wide: boolean): readonly (readonly number[])[] => {
  const address = [wide ? 0x42 : 0x41, 0];
  const argument = (alignment: number): number[] =>
    memory === 0 ? [alignment, 0] : [0x40 | alignment, ...leb(memory), 0];
  return [
    [...address, 0x28, ...argument(2), drop],
    [...address, ...zero, 0x36, ...argument(2)],
    [0x3f, ...leb(memory), drop],
    [...address, 0x40, ...leb(memory), drop],
    [...address, ...address, ...address, 0xfc, 10, ...leb(memory), ...leb(memory)],
    [...address, ...zero, ...address, 0xfc, 11, ...leb(memory)],
    [...address, 0xfd, 0, ...argument(4), drop],
    [...address, ...v128, 0xfd, 84, ...argument(0), 3, drop],
    [...address, 0xfe, 0x10, ...argument(2), drop],
    [...address, ...zero, 0xfe, 0x1e, ...argument(2), drop],
    [...address, ...zero, 0xfe, 0, ...argument(2), drop],
    [...address, 0x28, ...argument(5), drop],
  ];
};

/** Instructions for a table, by whether it holds functions. */
const onTable = (table: number, ofFunctions: boolean): readonly (readonly number[])[] => [
  [0xfc, 16, ...leb(table), drop],
  [...zero, 0x25, ...leb(table), drop],
  [...zero, ...zero, ...zero, 0xfc, 14, ...leb(table), ...leb(table)],
  ...(ofFunctions ? callsThrough(table) : []),
];

const callsThrough = (table: number): readonly (readonly number[])[] => [
  [...zero, 0x11, 0, ...leb(table)],
  [...zero, 0x13, 0, ...leb(table)],
];

function instructions(dice: Dice, draft: Draft): readonly number[] {
  const roll = dice.below(30);
  if (roll < 5 && draft.memories.length > 0) {
    const memory = dice.below(draft.memories.length);
    return dice.of(onMemory(memory, draft.memories[memory] ?? false));
  }
  if (roll < 8 && draft.tables.length > 0) {
    const table = dice.below(draft.tables.length);
    return dice.of(onTable(table, draft.tables[table] === 'funcref'));
  }
  if (roll < 10 && draft.globals.length > 0) {
    const global = dice.below(draft.globals.length);
    const changed = draft.globals[global]?.mutable === true && dice.once(2);
    return [0x23, ...leb(global), ...(changed ? [0x24, ...leb(global)] : [drop])];
  }
  if (roll < 12 && draft.tags > 0) {
    const tag = leb(dice.below(draft.tags));
    return dice.once(2) ? [0x08, ...tag] : [0x06, 0x40, 0x07, ...tag, 0x0b];
  }
  if (roll < 15) return ofTypes(dice, draft);
  if (roll === 15 && dice.once(5)) return dice.of(wrong);
  if (roll === 16 && dice.once(4)) {
    const depth = dice.of([10, 100, 2000]);
    return [...repeated([0x02, 0x40], depth), ...repeated([0x0b], depth)];
  }
  return dice.of(plain);
}

const repeated = (bytes: readonly number[], times: number): number[] =>
  Array.from({ length: times }, () => bytes).flat();

/** Structs, arrays and references to types of the module. */
function ofTypes(dice: Dice, { types, structs, arrays }: Draft): number[] {
  const any = leb(dice.below(types.length));
  const choices = [
    [0xd0, ...any, drop],
    [0xd0, 0x70, 0xfb, 21, ...any, drop],
    ...structs.map((index) => [0xfb, 1, ...leb(index), drop]),
    ...structs.map((index) => [0xd0, 0x6e, 0xfb, 21, ...leb(index), drop]),
    ...arrays.map((index) => [...zero, 0xfb, 7, ...leb(index), drop]),
    ...arrays.map((index) => [0xfb, 8, ...leb(index), 0, drop]),
    ...arrays.map((index) => [0xd0, 0x6e, 0xfb, 23, ...leb(index), drop]),
  ];
  return dice.once(25) ? [0xfb, 1, ...any, drop] : dice.of(choices);
}

const calledFirst = new Set([
  '_initialize',
  '_start',
  'main',
  'proxy_on_context_create',
  'proxy_on_vm_start',
  'proxy_on_configure',
]);
const one = (type: string): number[] => (type === 'i32' ? [0x41, 1] : [0x00]);

/** Locals and instructions of a function that is not called when the module loads. Right for its type, but for one in some dozens. */
export function body(
  dice: Dice,
  draft: Draft,
  { signature, name }: { readonly signature: Signature | undefined; readonly name?: string },
): { readonly body: readonly number[]; readonly locals: readonly (readonly number[])[] } {
  // Some hosts call these before they take a module: nothing in them may fail.
  if (calledFirst.has(name ?? '')) return { locals: [], body: (signature?.results ?? []).flatMap(one) };
  const locals = dice.some(2, () => [
    ...leb(dice.once(30) ? dice.of([20_000, 49_990, 50_001, 2 ** 32 - 1]) : dice.below(4)),
    ...bytesOf(valueType(dice, draft)),
  ]);
  const code = dice.some(3, () => [...instructions(dice, draft)]).flat();
  const results = (signature?.results ?? []).map((type) => constant(type, dice, draft));
  // What has no constant is never reached.
  const end = results.some((each) => each === undefined) ? [0x00] : results.flatMap((each) => each ?? []);
  return { locals, body: dice.once(60) ? code : [...code, ...end] };
}
