/**
 * Text from outside (file names, archive entries, manifest fields, server messages) made safe for a terminal or a log:
 * everything but printable ASCII becomes `\u{..}`, so no escape sequence, line break or bidirectional mark gets through.
 */
export const escapeText = (text: string): string =>
  text.replace(/[^\x20-\x7e]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);

/** {@link escapeText} for a multi-line text of our own making in which untrusted parts stand: line feeds and tabs stay. */
export const escapeLines = (text: string): string => text.split('\n').map(escapeText).join('\n');

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
