/** How often a mutation run mutates: `PLUGFERRY_MUTATIONS`, or a number that fits into every run of the tests. */
export const mutationCount = (usual: number): number => Number(process.env['PLUGFERRY_MUTATIONS'] ?? usual);

/** Where a mutation run starts: the same seed gives the same changes. */
export const mutationSeed = (): number => Number(process.env['PLUGFERRY_SEED'] ?? 1);

/** Whole numbers from 0 up to a limit, the same for the same seed (mulberry32, public domain). */
export function randomFrom(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** A copy with one to eight bytes changed to others. */
export function mutated(bytes: Buffer, random: (limit: number) => number): Buffer {
  const changed = Buffer.from(bytes);
  for (let left = 1 + random(8); left > 0; left -= 1) {
    const at = random(changed.length);
    changed[at] = (changed[at] ?? 0) ^ (1 + random(255));
  }
  return changed;
}
