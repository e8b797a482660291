/**
 * Text from outside (file names, archive entries, manifest fields, server messages) made safe for a terminal or a log:
 * everything but printable ASCII becomes `\u{..}`, so no escape sequence, line break or bidirectional mark gets through.
 */
export const escapeText = (text: string): string =>
  text.replace(/[^\x20-\x7e]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);

/**
 * {@link escapeText} for a line on the terminal of the person who typed some of these names: characters of left-to-right
 * scripts stay, for they have no power over a terminal. Line feeds, controls, joiners and everything bidirectional go.
 */
export const escapeLine = (text: string): string =>
  text.replace(
    /[^\x20-\x7e\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\u3001-\u3011\uff01-\uff5e]/gu,
    escapeText,
  );

/** {@link escapeLine} for a text of several lines, each of our own making. */
export const escapeLines = (text: string): string => text.split('\n').map(escapeLine).join('\n');

/** JSON in which everything but printable ASCII stands as `\uXXXX`: the same data, and safe wherever it is shown. */
export const asciiJson = (value: unknown, indent?: number): string =>
  JSON.stringify(value, null, indent).replace(
    /[^\n\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** Bytes as people read them, in powers of 1024: `512 B`, `1.0 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? String(value) : value.toFixed(1)} ${units[unit] ?? ''}`;
}
