import { Scratch } from '../bundle/scratch.js';
import { isDirectory } from '../files/open-regular.js';
import type { Progress } from '../stream/progress.js';
import type { PartDamage } from '../parts/damage.js';
import { partsIn } from '../parts/find.js';
import { Joined } from '../parts/joined.js';
import { openPartSet } from '../parts/set.js';

export interface PartsOptions {
  /** Directory for a private file with what had to be repaired. */
  readonly scratch: string;
  readonly signal?: AbortSignal | undefined;
  /** Told how far a look at every part is, where one is needed. */
  readonly progress?: Progress | undefined;
  /** Told, once, what was missing or damaged and was made again. */
  readonly onRepair?: ((repaired: readonly PartDamage[]) => void) | undefined;
}

/**
 * Opens the parts of a bundle.
 *
 * @param paths part files of one set, in any order and under any names; a directory stands for the parts in it.
 * @throws PlugferryError `E_PARTS`, `E_NOT_FOUND`, `E_IO`, `E_LIMIT`, `E_FORMAT_VERSION`.
 */
export async function openParts(
  paths: readonly string[],
  { scratch, signal, progress, onRepair }: PartsOptions,
): Promise<Joined> {
  const files: string[] = [];
  for (const path of paths) files.push(...((await isDirectory(path)) ? await partsIn(path) : [path]));
  const spool = (): Promise<Scratch> => Scratch.open(scratch, signal);
  return new Joined(await openPartSet(files), { spool, signal, progress, onRepair });
}
