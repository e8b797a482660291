import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import { PlugferryError } from '../errors.js';
import { formatPluginId } from '../plugin/plugin.js';
import { filesOf } from '../release/release.js';
import type { Release, ReleaseFile } from '../schema/release.js';
import { lstatIfThere, makeDirectory, exists } from './disk.js';
import { releaseDirectory, releaseFile } from './layout.js';
import type { OpenVolume } from './open.js';
import type { BlobStore } from './store.js';

/** A file of a release that is not what release.json says. */
export interface Damage {
  readonly path: string;
  readonly plugin: string;
  readonly file: ReleaseFile;
}

/**
 * The files of a release that are missing, of another size, or touched after the release was made and now different. Reads
 * only files that look touched, so a whole set costs milliseconds; silent damage of the medium is the business of `verify`.
 */
export async function damageIn(
  volume: Pick<OpenVolume, 'layout' | 'options'>,
  release: Release,
): Promise<Damage[]> {
  const { files } = volume.layout;
  const directory = releaseDirectory(volume.layout, release.id);
  const made = (await lstatIfThere(files, releaseFile(volume.layout, release.id)))?.mtimeMs ?? 0;
  const damage: Damage[] = [];
  for (const { path, file, plugin } of filesOf(release.plugins)) {
    const stats = await lstatIfThere(files, join(directory, path));
    const isWhole = stats?.isFile() === true && stats.size === file.size;
    const isUntouched = isWhole && stats.mtimeMs <= made;
    if (isUntouched) continue;
    if (isWhole && (await files.sha256(join(directory, path), volume.options)) === file.sha256) continue;
    damage.push({ path, plugin: formatPluginId(plugin), file });
  }
  return damage;
}

/** Puts good bytes in the place of damaged ones, each file in one step, so that readers of a current release see no gap. */
export async function mendRelease(
  volume: OpenVolume,
  { release, damage, store }: { release: Release; damage: readonly Damage[]; store: BlobStore },
): Promise<void> {
  const { files } = volume.layout;
  for (const { path, plugin, file } of damage) {
    if (!(await store.holds(file))) throw damagedRelease(release, [plugin]);
    const target = join(releaseDirectory(volume.layout, release.id), path);
    const draft = join(volume.run, randomUUID());
    await store.place(file, draft);
    for (const directory of [dirname(dirname(target)), dirname(target)]) {
      if (!(await exists(files, directory))) await makeDirectory(files, directory);
    }
    await volume.lock.assertHeld();
    await files.rename(draft, target);
    await files.syncDirectory(dirname(target));
    volume.warnings.push(`release ${release.id.slice(0, 12)}: ${path} was damaged and is repaired`);
  }
}

export function damagedRelease(release: Release, plugins: readonly string[]): PlugferryError {
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
