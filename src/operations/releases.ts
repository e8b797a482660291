import { thisActor } from '../release/this-actor.js';
import type { Published } from '../release/change.js';
import type { History } from '../release/history.js';
import { atVolume, type ReachVolume } from '../location/volume-access.js';
import { alias, type Alias } from '../volume/alias.js';
import { history } from '../volume/history.js';
import { prune, type Pruned, type PruneOptions } from '../volume/prune.js';
import { receipt, type Receipt, type ReceiptOptions } from '../volume/receipt.js';
import { rollback, type RollbackTarget } from '../volume/rollback.js';
import type { VolumeOptions } from '../volume/volume.js';

/** What became current, and what a person should know about it. */
export type Switched = Published;

/**
 * Switches a volume back to a kept release: to the one that the current one replaced, or to `to`. What was the highest
 * sequence seen stays so.
 *
 * @param location directory, or `sftp://USER@HOST/PATH`; here and in all below.
 * @throws PlugferryError `E_NOT_FOUND`, `E_RELEASE`, `E_LOCKED`, `E_IO`.
 */
export const rollbackVolume = (
  location: string,
  target: RollbackTarget,
  reach: ReachVolume = {},
): Promise<Switched> => changing(location, reach, (root, options) => rollback(root, target, options));

/**
 * Removes all but the newest releases of a volume. One that was current within the last hour stays.
 *
 * @throws PlugferryError `E_USAGE`, `E_NOT_FOUND`, `E_LOCKED`, `E_IO`.
 */
export const pruneVolume = (location: string, what: PruneOptions, reach: ReachVolume = {}): Promise<Pruned> =>
  changing(location, reach, (root, options) => prune(root, what, options));

/**
 * Serves a module under one more version (higress#4694: the Console asks for versions that were never published).
 *
 * @throws PlugferryError `E_USAGE`, `E_NOT_FOUND`, `E_CONFLICT`, `E_LOCKED`, `E_IO`.
 */
export const aliasPlugin = (location: string, request: Alias, reach: ReachVolume = {}): Promise<Switched> =>
  changing(location, reach, (root, options) => alias(root, request, options));

/**
 * Which release was current when.
 *
 * @throws PlugferryError as {@link history}.
 */
export const volumeHistory = (location: string, reach: ReachVolume = {}): Promise<History> =>
  atVolume(location, reach, ({ root, files }) => history(root, files));

/**
 * What a volume took in.
 *
 * @throws PlugferryError as {@link receipt}.
 */
export const volumeReceipt = (
  location: string,
  what: ReceiptOptions = {},
  reach: ReachVolume = {},
): Promise<Receipt> => atVolume(location, reach, ({ root, files }) => receipt(root, what, files));

const changing = <T>(
  location: string,
  reach: ReachVolume,
  change: (root: string, options: VolumeOptions) => Promise<T>,
): Promise<T> =>
  atVolume(location, reach, ({ root, files }) =>
    change(root, {
      actor: thisActor(),
      ...(reach.signal === undefined ? {} : { signal: reach.signal }),
      ...(files === undefined ? {} : { files }),
      ...(reach.safeDirectories === undefined ? {} : { safeDirectories: reach.safeDirectories }),
    }),
  );
