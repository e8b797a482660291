import { PlugferryError } from '../errors.js';
import { formatBytes } from '../stream/text.js';
import type { VolumeLayout } from './layout.js';

/** What a change will take up. */
export interface Need {
  readonly bytes: number;
  /** Files, directories and links. */
  readonly inodes: number;
}

/** Release.json, state and the directories themselves, generously. */
const overhead: Need = { bytes: 64 * 1024, inodes: 16 };

/**
 * An early and kind answer to what would otherwise end as ENOSPC half-way: advisory, because others write too.
 *
 * @throws PlugferryError `E_NO_SPACE` naming need and have.
 */
export async function ensureSpace({ files, root }: VolumeLayout, need: Need): Promise<void> {
  const free = await files.freeSpace(root);
  if (free === undefined) return;
  const [bytes, inodes] = [need.bytes + overhead.bytes, need.inodes + overhead.inodes];
  const shown = (amount: number): string => `${formatBytes(amount)} (${amount} bytes)`;
  if (bytes > free.bytes) throw tooSmall(root, [shown(bytes), shown(free.bytes)]);
  if (free.inodes !== undefined && inodes > free.inodes)
    throw tooSmall(root, [`${inodes} inodes`, `${free.inodes} inodes`]);
}

function tooSmall(root: string, [need, have]: readonly [string, string]): PlugferryError {
  return new PlugferryError('E_NO_SPACE', `${root}: needs ${need}, has ${have} free; nothing was written`, {
    hint: 'Free space, or remove old releases with "plugferry prune", then run again.',
    details: { file: root, expected: need, found: have },
  });
}
