import { join } from 'node:path';
import { demandKeep, fatesOf, type PrunedRelease } from '../release/fates.js';
import { filesOf } from '../release/release.js';
import { audited } from './change.js';
import { exists } from './disk.js';
import { blobPath, releaseDirectory } from './layout.js';
import { withVolume } from './open.js';
import type { OpenVolume } from './open-volume.js';
import { audit } from './record.js';
import { readParts } from './read.js';
import type { ReadVolume } from './read-volume.js';
import { sweepBlobs } from './recover.js';
import { nowOf, type VolumeOptions } from './volume.js';

export interface PruneOptions {
  /** How many releases to keep, the current one among them. At least 1. */
  readonly keep: number;
  /** Say what would go, remove nothing. @default false */
  readonly dryRun?: boolean;
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
  demandKeep(keep);
  if (dryRun) {
    const read = await readParts(root, options.files);
    return {
      ...(await plan(read, keep, nowOf(options))),
      dryRun,
      warnings: [...read.releases.damaged.values()].map(({ message }) => `damaged release: ${message}`),
    };
  }
  return withVolume(root, { ...options, demand: 'volume' }, async (volume) =>
    audited(volume, 'prune', async () => {
      const planned = await plan(volume, keep, nowOf(options));
      await carryOut(volume, planned);
      return { ...planned, dryRun, warnings: [...volume.warnings] };
    }),
  );
}

/** What a plan is made from, with or without a lock. */
type Planned = Omit<ReadVolume, 'isUsed'>;
type Plan = Pick<Pruned, 'releases' | 'files' | 'bytes'>;

async function plan(volume: Planned, keep: number, now: Date): Promise<Plan> {
  const { tree, state, releases: kept } = volume;
  const releases = fatesOf(kept.complete.values(), {
    state,
    current: tree.kind === 'release' ? tree.id : undefined,
    keep,
    now,
  });
  return { releases, ...(await freed(volume, releases)) };
}

async function freed(
  { layout, releases }: Planned,
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
  const present = await Promise.all(sizes.map(([sha256]) => exists(layout.files, blobPath(layout, sha256))));
  const counted = sizes.filter((_, index) => present[index]);
  return { files: counted.length, bytes: counted.reduce((sum, [, size]) => sum + size, 0) };
}

async function carryOut(volume: OpenVolume, { releases }: Plan): Promise<void> {
  const { layout, run } = volume;
  const { files } = layout;
  const removed = releases.filter(({ fate }) => fate === 'removed').map(({ id }) => id);
  const graveyard = join(run, 'removed');
  await files.mkdir(graveyard);
  for (const id of removed) {
    volume.options.signal?.throwIfAborted();
    await volume.lock.assertHeld();
    // Out of sight in one step: a release is complete or gone.
    await files.rename(releaseDirectory(layout, id), join(graveyard, id));
    volume.releases.complete.delete(id);
  }
  // Before any file goes: else a power cut might bring back a release without its files.
  await files.syncDirectory(layout.releases);
  await files.syncDirectory(graveyard);
  await files.removeAll(graveyard);
  if (volume.releases.damaged.size === 0) await sweepBlobs(layout, volume.releases.complete.values());
  if (removed.length === 0) return;
  await audit(volume, { action: 'prune', result: 'done', removed });
}
