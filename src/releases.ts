import { thisActor } from './actor.js';
import type { Published } from './release/change.js';
import { alias, type Alias } from './volume/alias.js';
import { prune, type Pruned, type PruneOptions } from './volume/prune.js';
import { rollback, type RollbackTarget } from './volume/rollback.js';

/** What became current, and what a person should know about it. */
export type Switched = Published & { readonly warnings: readonly string[] };

/**
 * Switches a volume back to a kept release: to the one that the current one replaced, or to `to`. What was the highest
 * sequence seen stays so.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_RELEASE`, `E_LOCKED`, `E_IO`.
 */
export const rollbackVolume = (
  root: string,
  target: RollbackTarget,
  signal?: AbortSignal,
): Promise<Switched> => rollback(root, target, options(signal));

/**
 * Removes all but the newest releases of a volume. One that was current within the last hour stays.
 *
 * @throws PlugferryError `E_USAGE`, `E_NOT_FOUND`, `E_LOCKED`, `E_IO`.
 */
export const pruneVolume = (root: string, what: PruneOptions, signal?: AbortSignal): Promise<Pruned> =>
  prune(root, what, options(signal));

/**
 * Serves a module under one more version (higress#4694: the Console asks for versions that were never published).
 *
 * @throws PlugferryError `E_USAGE`, `E_NOT_FOUND`, `E_CONFLICT`, `E_LOCKED`, `E_IO`.
 */
export const aliasPlugin = (root: string, request: Alias, signal?: AbortSignal): Promise<Switched> =>
  alias(root, request, options(signal));

const options = (signal: AbortSignal | undefined) => ({
  actor: thisActor(),
  ...(signal === undefined ? {} : { signal }),
});
