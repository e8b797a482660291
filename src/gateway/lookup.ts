import { escapeText } from '../stream/text.js';
import type { TypedExport } from '../wasm/interface.js';

/**
 * The name under which the C API of V8 looks up what is called so (`src/wasm/c-api.cc`): it takes a NUL at the end for the end of the
 * text, and finds nothing under the index of an array. Measured with Envoy 1.40.
 *
 * @param text the name, or as much of it as {@link escapeText} leaves.
 * @returns undefined where nothing is found.
 */
function lookedUp(text: string): string | undefined {
  const name = text.replace(/\0$/, '');
  return /^(?:0|[1-9]\d{0,9})$/.test(name) && Number(name) < 2 ** 32 - 1 ? undefined : name;
}

/** Whether a memory or a table of these names, as {@link escapeText} leaves them, is found where it is imported. */
export const isFound = (...names: readonly string[]): boolean =>
  names.every((name) => {
    const raw = name.replace(/\\u\{0\}$/, '\0');
    return lookedUp(raw) === raw;
  });

/** Exports that such a host takes for what they are not: for a function or a memory that ends it. */
export function lostExports(
  exports: readonly TypedExport[],
): { readonly what: string; readonly how: string }[] {
  const kinds = new Map(exports.map(({ name, kind }) => [name, kind]));
  return exports.flatMap(({ name, kind }) => {
    if (kind !== 'function' && kind !== 'memory') return [];
    const found = lookedUp(name);
    if (found !== undefined && kinds.get(found) === kind) return [];
    return [{ what: escapeText(name), how: `a ${kind} that the gateway looks up under another name` }];
  });
}
