import { statfs } from 'node:fs/promises';
import { PlugferryError } from '../errors.js';
import { formatBytes } from '../io/text.js';

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
export async function ensureSpace(root: string, need: Need): Promise<void> {
  const { bavail, bsize, ffree, files } = await statfs(root);
  const [bytes, inodes] = [need.bytes + overhead.bytes, need.inodes + overhead.inodes];
  const free = bavail * bsize;
  if (bytes > free)
    throw tooSmall(root, [`${formatBytes(bytes)} (${bytes} bytes)`, `${formatBytes(free)} (${free} bytes)`]);
  // Btrfs and some network file systems have no fixed number of inodes and report none at all.
  if (files > 0 && inodes > ffree) throw tooSmall(root, [`${inodes} inodes`, `${ffree} inodes`]);
}

function tooSmall(root: string, [need, have]: readonly [string, string]): PlugferryError {
  return new PlugferryError('E_NO_SPACE', `${root}: needs ${need}, has ${have} free; nothing was written`, {
    hint: 'Free space, or remove old releases with "plugferry prune", then run again.',
    details: { file: root, expected: need, found: have },
  });
}
