/**
 * How alike two short texts are, from 0 (nothing in common) to 1 (equal): the Levenshtein distance (insert, delete,
 * replace) against the length of the longer. One that is contained in the other counts as near.
 */
function similarity(a: string, b: string): number {
  if (a === '' || b === '') return 0;
  const contained = a.length >= 3 && (b.includes(a) || a.includes(b)) ? containedScore : 0;
  return Math.max(contained, 1 - distance(a, b) / Math.max(a.length, b.length));
}

const containedScore = 0.7;

function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [row, left] of Array.from(a).entries()) {
    const current = [row + 1];
    for (const [column, right] of Array.from(b).entries()) {
      const replaced = (previous[column] ?? 0) + (left === right ? 0 : 1);
      const removed = (previous[column + 1] ?? 0) + 1;
      const added = (current[column] ?? 0) + 1;
      current.push(Math.min(replaced, removed, added));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/**
 * Those of the known texts that one may have been meant to be, the most alike first.
 *
 * @param atLeast how alike they must be, from 0 to 1.
 */
export const alikeOnes = (text: string, known: readonly string[], atLeast: number): string[] =>
  known
    .map((each) => ({ each, score: similarity(text, each) }))
    .filter(({ score }) => score >= atLeast)
    .sort((a, b) => b.score - a.score)
    .map(({ each }) => each);
