/** A part of a representation: its first byte and its length, which is never 0. */
export interface Part {
  readonly start: number;
  readonly length: number;
}

/**
 * Reads a `Range` header (RFC 9110 section 14.1.2).
 *
 * @param size of the representation in bytes.
 * @returns the part; `'whole'` where the header is to be ignored, which includes several ranges in one request (an answer
 * in parts costs more than it saves, and many small or overlapping ones are an old attack); `'unsatisfiable'` for 416, which
 * includes a range that does not follow the grammar.
 */
export function rangeOf(header: string, size: number): Part | 'whole' | 'unsatisfiable' {
  const set = /^bytes=(.*)$/i.exec(header)?.[1];
  if (set === undefined || set.includes(',') || size === 0) return 'whole';
  const [, first, last] = /^[ \t]*(\d*)-(\d*)[ \t]*$/.exec(set) ?? [];
  if (first === undefined || last === undefined || first + last === '') return 'unsatisfiable';
  // Digits beyond what a number holds exactly are beyond the end of every file, too, so rounding does no harm.
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  return start > end ? 'unsatisfiable' : { start, length: end - start + 1 };
}
