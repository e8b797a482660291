import { escapeText } from '../stream/text.js';

/** Longest text of a manifest in characters (`text` in schemas/manifest.schema.json). */
export const maxTextLength = 1024;
/** Most exports, and most imports of one module, that a manifest holds. */
export const maxNames = 4096;

const cutMark = '...';

/** Text from a module as the manifest holds it: printable ASCII, cut at {@link maxTextLength}. */
export function recorded(text: string): string {
  const printable = escapeText(text);
  if (printable.length <= maxTextLength) return printable;
  return printable.slice(0, maxTextLength - cutMark.length) + cutMark;
}
