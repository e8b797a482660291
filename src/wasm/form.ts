import { escapeText } from '../stream/text.js';
import type { IndexSpaces } from './index-spaces.js';
import type { Limits, TypedExport } from './interface.js';

/** Where V8, the engine of most gateways, stops (`wasm-limits.h`): pages of a memory, by the bits of its addresses. */
const maxPages = { 32: 2 ** 16, 64: 2 ** 18 } as const;
/** Elements of a table that is made. */
export const maxElements = 10_000_000;

/** Why no engine takes a module, whatever features it has: sizes that contradict themselves, exports and types of nothing. */
export function formFlaws(spaces: IndexSpaces, exports: readonly TypedExport[]): string[] {
  return [
    ...exports
      .filter(({ type }) => type === undefined)
      .slice(0, 1)
      .map(({ name, kind }) => `it exports a ${kind} that is not there ("${escapeText(name)}")`),
    ...spaces.memories.flatMap((limits, index) => {
      const most = maxPages[limits.wide ? 64 : 32];
      const large = Math.max(limits.minimum, limits.maximum ?? 0) > most;
      return [
        ...limitFlaws(limits, `memory ${index}`),
        ...(large ? [`memory ${index} has more than ${most} pages`] : []),
      ];
    }),
    ...spaces.tableLimits.flatMap((limits, index) => [
      ...limitFlaws(limits, `table ${index}`),
      ...(limits.minimum > maxElements ? [`table ${index} has more than ${maxElements} elements`] : []),
    ]),
    ...spaces.strangeFunctions.map(
      (type) => `a function is of type ${type}, which is not that of a function`,
    ),
  ];
}

function limitFlaws({ minimum, maximum, shared }: Limits, what: string): string[] {
  if (maximum !== undefined && maximum < minimum) return [`${what} begins larger than its maximum`];
  if (shared && maximum === undefined) return [`${what} is shared, and has no maximum`];
  return [];
}
