import { join } from 'node:path';
import { filesOf, releaseBytes } from '../release/release.js';
import type { Release } from '../schema/release.js';
import { eachOf, makeDirectory } from './disk.js';
import { bringEvidence, type EvidenceSources } from './evidence.js';
import { releaseDirectory, releaseFile } from './layout.js';
import type { OpenVolume } from './open-volume.js';
import { directoriesIn } from './ownership.js';
import type { BlobStore } from './store.js';

/** What a release directory is made of. */
export interface Composition extends EvidenceSources {
  readonly release: Release;
  readonly store: BlobStore;
}

/** Builds a complete and durable release directory in staging and returns its path. */
export async function composeRelease(volume: OpenVolume, composition: Composition): Promise<string> {
  const { release, store } = composition;
  const { files } = volume.layout;
  const directory = join(volume.run, 'release');
  const directories = directoriesIn(directory, release);
  for (const path of directories) await makeDirectory(files, path);
  await eachOf(filesOf(release.plugins), async ({ path, file }) => {
    volume.options.signal?.throwIfAborted();
    await store.place(file, join(directory, path));
  });
  await bringEvidence(volume, composition, directory);
  await files.writeNew(join(directory, 'release.json'), [releaseBytes(release)]);
  // Children are all durable before the one rename that publishes their top.
  await eachOf(directories, (path) => files.syncDirectory(path));
  return directory;
}

/**
 * Makes a kept release with the same files say where they came from now: its manifest and signatures first, then
 * release.json in one step. The files themselves stay as they are.
 */
export async function attestRelease(volume: OpenVolume, composition: Composition): Promise<void> {
  const { release } = composition;
  const { files } = volume.layout;
  const directory = releaseDirectory(volume.layout, release.id);
  await bringEvidence(volume, composition, directory);
  const draft = join(volume.run, 'release.json');
  await files.writeNew(draft, [releaseBytes(release)]);
  await volume.lock.assertHeld();
  await files.rename(draft, releaseFile(volume.layout, release.id));
  await files.syncDirectory(directory);
}
