/**
 * Whether a pattern list of ssh (`*.example.com`, `!bad.example.com`, `10.0.0.?`) takes a host. A negated pattern that takes
 * it overrules all others. Case does not matter.
 */
export function matchesHost(patterns: readonly string[], host: string): boolean {
  let taken = false;
  for (const pattern of patterns) {
    const negated = pattern.startsWith('!');
    if (!glob(pattern.slice(negated ? 1 : 0).toLowerCase(), host.toLowerCase())) continue;
    if (negated) return false;
    taken = true;
  }
  return taken;
}

/** Without regular expressions, whose backtracking a hostile pattern could make endless. */
function glob(pattern: string, text: string): boolean {
  let [p, t] = [0, 0];
  let star = -1;
  let mark = 0;
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p;
      mark = t;
      p += 1;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p += 1;
      t += 1;
    } else if (star >= 0) {
      p = star + 1;
      mark += 1;
      t = mark;
    } else return false;
  }
  while (pattern[p] === '*') p += 1;
  return p === pattern.length;
}
