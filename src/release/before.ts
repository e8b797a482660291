import type { State } from '../schema/state.js';

/** Follows from each release to the one that it replaced when it was last brought in, past those that are gone. */
export function releaseBefore(
  { history }: State,
  current: string | undefined,
  kept: ReadonlyMap<string, unknown>,
): string | undefined {
  const visited = new Set<string>();
  let id = current;
  while (id !== undefined && !visited.has(id)) {
    visited.add(id);
    const brought = history.findLast(({ release, action }) => release === id && action !== 'rollback');
    id = brought?.previous;
    if (id !== undefined && id !== current && kept.has(id)) return id;
  }
  return undefined;
}
