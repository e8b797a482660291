import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import { PlugferryError, systemCode } from '../errors.js';
import { formatPluginId } from '../plugin/plugin.js';
import { filesOf } from '../release/release.js';
import type { Release, ReleaseFile } from '../schema/release.js';
import { exists, lstatIfThere, makeDirectory } from './disk.js';
import { releaseDirectory } from './layout.js';
import type { OpenVolume } from './open-volume.js';
import { isOurs, refuseShared } from './ownership.js';
import type { BlobStore } from './store.js';

/** A file of a release that is not what release.json says, or that others could change. */
export interface Damage {
  readonly path: string;
  readonly plugin: string;
  readonly file: ReleaseFile;
  /** Its bytes are right, but it is not ours alone. */
  readonly shared?: boolean;
}

/**
 * The files of a release that are missing, of other bytes, behind a link, or not ours alone. Every byte is read: neither size nor
 * time says that a file is what it was.
 *
 * @throws PlugferryError `E_RELEASE` when others may exchange files in it.
 */
export async function damageIn(
  volume: Pick<OpenVolume, 'layout' | 'options' | 'lock' | 'proofs'>,
  release: Release,
): Promise<Damage[]> {
  const { layout, options, lock, proofs } = volume;
  const directory = releaseDirectory(layout, release.id);
  await refuseShared(layout, release, lock.uid);
  const damage: Damage[] = [];
  for (const { path, file, plugin } of filesOf(release.plugins)) {
    options.signal?.throwIfAborted();
    const found = join(directory, path);
    const stats = await unlinked(lstatIfThere(layout.files, found));
    const isRight =
      stats?.isFile() === true &&
      stats.size === file.size &&
      (await proofs.sha256(found, stats, options.signal)) === file.sha256;
    if (isRight && isOurs(stats, lock.uid)) continue;
    damage.push({ path, plugin: formatPluginId(plugin), file, shared: isRight });
  }
  return damage;
}

/** Undefined for a path that leads through a link. */
async function unlinked<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (systemCode(error) === 'ELOOP') return undefined;
    throw error;
  }
}

/**
 * Puts good bytes in the place of damaged ones, each file in one step, so that readers of a current release see no gap.
 *
 * @throws PlugferryError `E_RELEASE` naming every plugin whose bytes the store does not have, before anything is changed.
 */
export async function mendRelease(
  volume: OpenVolume,
  { release, damage, store }: { release: Release; damage: readonly Damage[]; store: BlobStore },
): Promise<void> {
  const { files } = volume.layout;
  const lost: string[] = [];
  for (const { plugin, file } of damage) if (!(await store.holds(file))) lost.push(plugin);
  if (lost.length > 0) throw damagedRelease(release, lost);
  for (const { path, file, shared } of damage) {
    const target = join(releaseDirectory(volume.layout, release.id), path);
    const draft = join(volume.run, randomUUID());
    await store.place(file, draft);
    for (const directory of [dirname(dirname(target)), dirname(target)]) {
      if (!(await exists(files, directory))) await makeDirectory(files, directory);
    }
    await volume.lock.assertHeld();
    await files.rename(draft, target);
    await files.syncDirectory(dirname(target));
    const what =
      shared === true ? 'could be written by others and is stored anew' : 'was damaged and is repaired';
    volume.warnings.push(`release ${release.id.slice(0, 12)}: ${path} ${what}`);
  }
}

/** In every release, bytes that were stored anew during this change replace what is there. */
export async function repairEverywhere(volume: OpenVolume, store: BlobStore): Promise<void> {
  const { renewed } = store;
  for (const release of volume.releases.complete.values()) {
    const damage = [...filesOf(release.plugins)].flatMap(({ path, file, plugin }) => {
      const reason = renewed.get(file.sha256);
      return reason === undefined
        ? []
        : [{ path, file, plugin: formatPluginId(plugin), shared: reason === 'shared' }];
    });
    await mendRelease(volume, { release, damage, store });
  }
}

function damagedRelease(release: Release, plugins: readonly string[]): PlugferryError {
  return new PlugferryError(
    'E_RELEASE',
    `release ${release.id.slice(0, 12)} is damaged: ${[...new Set(plugins)].join(', ')}`,
    {
      hint: 'Import the bundle that brought these plugins once more: damaged files are replaced by good ones.',
      details: { plugins, release: release.id },
    },
  );
}

/** @throws PlugferryError `E_RELEASE` when the place of a release is taken by one whose release.json is damaged. */
export function refuseUnreadable({ layout, releases }: OpenVolume, id: string): void {
  const damage = releases.damaged.get(id);
  if (damage === undefined) return;
  const directory = releaseDirectory(layout, id);
  throw new PlugferryError('E_RELEASE', `${directory} is damaged and stands where this release belongs`, {
    hint: `Move ${directory} away, then run again.`,
    details: { file: directory },
    cause: damage,
  });
}
