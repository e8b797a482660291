import { lstat, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PlugferryError } from '../errors.js';
import { audited } from './change.js';
import { syncDirectory } from './disk.js';
import { blobPath, releaseDirectory } from './layout.js';
import { audit, nowOf, withVolume, type OpenVolume } from './open.js';
import { newestFirst, readParts, type ReadVolume } from './read.js';
import { sweepBlobs } from './recover.js';
import { filesOf } from './release.js';
import type { VolumeOptions } from './volume.js';

/**
 * A release that was current less than this long ago (milliseconds) stays: readers on network file systems may still go by
 * the old link, and gateways may still be downloading (security page 5.1 step 12 and 5.2).
 */
const grace = 60 * 60_000;

export interface PruneOptions {
  /** How many releases to keep, the current one among them. At least 1. */
  readonly keep: number;
  /** Say what would go, remove nothing. @default false */
  readonly dryRun?: boolean;
}

export interface PrunedRelease {
  readonly id: string;
  readonly createdAt: string;
  /** Why it stays; `removed` when it goes. */
  readonly fate: 'current' | 'newest' | 'in use within the hour' | 'removed';
}

export interface Pruned {
  /** Newest first. */
  readonly releases: readonly PrunedRelease[];
  /** Stored files that only removed releases used. */
  readonly files: number;
  /** What they take up, in bytes. */
  readonly bytes: number;
  readonly dryRun: boolean;
  readonly warnings: readonly string[];
}

/**
 * Removes all but the newest releases and the stored bytes that only they used. Each release goes in one step.
 *
 * @throws PlugferryError `E_USAGE` for `keep` below 1, and as {@link changeVolume}.
 */
export async function prune(
  root: string,
  { keep, dryRun = false }: PruneOptions,
  options: VolumeOptions,
): Promise<Pruned> {
  if (!Number.isSafeInteger(keep) || keep < 1) {
    throw new PlugferryError('E_USAGE', `cannot keep ${keep} releases`, {
      hint: 'Keep at least 1: the release that is current always stays.',
      details: { found: keep, expected: 'a whole number from 1' },
    });
  }
  if (dryRun) {
    const read = await readParts(root);
    return { ...(await plan(read, keep, nowOf(options))), dryRun, warnings: [] };
  }
  return withVolume(root, { ...options, demand: 'volume' }, async (volume) =>
    audited(volume, 'prune', async () => {
      const planned = await plan(volume, keep, nowOf(options));
      await carryOut(volume, planned);
      return { ...planned, dryRun, warnings: volume.warnings };
    }),
  );
}

type Plan = Pick<Pruned, 'releases' | 'files' | 'bytes'>;

async function plan(volume: ReadVolume, keep: number, now: Date): Promise<Plan> {
  const current = volume.tree.kind === 'release' ? volume.tree.id : undefined;
  const all = newestFirst(volume.state, volume.releases.complete.values());
  const others = all.filter(({ id }) => id !== current);
  const newest = new Set(others.slice(0, current === undefined ? keep : keep - 1).map(({ id }) => id));
  const releases = all.map(({ id, createdAt }): PrunedRelease => {
    if (id === current) return { id, createdAt, fate: 'current' };
    if (newest.has(id)) return { id, createdAt, fate: 'newest' };
    const recent = now.getTime() - lastServed(volume, id) < grace;
    return { id, createdAt, fate: recent ? 'in use within the hour' : 'removed' };
  });
  return { releases, ...(await freed(volume, releases)) };
}

/** When a release ceased to be current, in milliseconds since 1970; never, if it was never left for another. */
function lastServed({ state, releases }: ReadVolume, id: string): number {
  const last = state.history.findLastIndex(({ release }) => release === id);
  const left = last === -1 ? undefined : state.history[last + 1];
  return Date.parse(left?.at ?? releases.complete.get(id)?.createdAt ?? '1970-01-01T00:00:00Z');
}

async function freed(
  { layout, releases }: ReadVolume,
  fates: readonly PrunedRelease[],
): Promise<{ files: number; bytes: number }> {
  const [kept, gone] = [new Set<string>(), new Map<string, number>()];
  for (const { id, fate } of fates) {
    for (const { file } of filesOf(releases.complete.get(id)?.plugins ?? [])) {
      if (fate === 'removed') gone.set(file.sha256, file.size);
      else kept.add(file.sha256);
    }
  }
  // Nobody knows what a damaged release uses, so while there is one no bytes go.
  const sizes = releases.damaged.size > 0 ? [] : [...gone].filter(([sha256]) => !kept.has(sha256));
  const present = await Promise.all(sizes.map(async ([sha256]) => isThere(blobPath(layout, sha256))));
  const counted = sizes.filter((_, index) => present[index]);
  return { files: counted.length, bytes: counted.reduce((sum, [, size]) => sum + size, 0) };
}

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

async function carryOut(volume: OpenVolume, { releases }: Plan): Promise<void> {
  const { layout, run } = volume;
  const removed = releases.filter(({ fate }) => fate === 'removed').map(({ id }) => id);
  const graveyard = join(run, 'removed');
  await mkdir(graveyard);
  for (const id of removed) {
    volume.options.signal?.throwIfAborted();
    await volume.lock.assertHeld();
    // Out of sight in one step: a release is complete or gone.
    await rename(releaseDirectory(layout, id), join(graveyard, id));
    volume.releases.complete.delete(id);
  }
  // Before any file goes: else a power cut might bring back a release without its files.
  await syncDirectory(layout.releases);
  await syncDirectory(graveyard);
  await rm(graveyard, { recursive: true, force: true });
  if (volume.releases.damaged.size === 0) await sweepBlobs(layout, volume.releases.complete.values());
  if (removed.length === 0) return;
  await audit(volume, { action: 'prune', result: 'done', removed });
}
