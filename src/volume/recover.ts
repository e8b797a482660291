import { join } from 'node:path';
import { isPlugferryError, PlugferryError, systemCode } from '../errors.js';
import { filesOf } from '../release/release.js';
import type { Release } from '../schema/release.js';
import type { State } from '../schema/state.js';
import { lstatIfThere, orIfMissing } from './disk.js';
import { linkInTheWay } from './failure.js';
import { blobPath, isSha256, releaseDirectory, releasePlugins, type VolumeLayout } from './layout.js';
import { sweepDrafts } from './lock.js';
import { readRelease, wayOut } from './release.js';
import { switchDurably, type Tree } from './tree.js';

/** The releases of a volume. */
export interface Releases {
  readonly complete: Map<string, Release>;
  /** Directories whose release.json cannot be trusted, with the reason. */
  readonly damaged: Map<string, PlugferryError>;
}

/** Everything in `releases/`. A directory without `plugins` is a leftover of an adoption and is in neither list. */
export async function readReleases(layout: VolumeLayout): Promise<Releases> {
  const complete = new Map<string, Release>();
  const damaged = new Map<string, PlugferryError>();
  const names = await orIfMissing(layout.files.readdir(layout.releases), []);
  for (const id of names.filter(isSha256).toSorted()) {
    try {
      const plugins = await lstatIfThere(layout.files, releasePlugins(layout, id));
      if (plugins === undefined) continue;
      if (!plugins.isDirectory()) throw linkInTheWay(releasePlugins(layout, id));
      complete.set(id, await readRelease(layout, id));
    } catch (error) {
      damaged.set(id, damageOf(error, releaseDirectory(layout, id)));
    }
  }
  return { complete, damaged };
}

/** What stands in the place of release.json or of a directory: a link, a pipe, a directory, or far too much. */
const notAFile = new Set(['ELOOP', 'EINVAL', 'EISDIR', 'ENOTDIR', 'EFBIG']);

function damageOf(error: unknown, directory: string): PlugferryError {
  if (isPlugferryError(error)) return error;
  const code = systemCode(error) ?? '';
  if (notAFile.has(code)) {
    const found = error instanceof Error ? error.message : code;
    return new PlugferryError('E_RELEASE', `${directory}: ${found}`, {
      hint: wayOut,
      details: { file: directory, found: code },
      cause: error,
    });
  }
  if (code !== 'ENOENT') throw error;
  return new PlugferryError('E_RELEASE', `${directory}: release.json is missing`, {
    hint: wayOut,
    details: { file: directory },
  });
}

/**
 * Removes what earlier runs left in the working space. Only under the lock. Everything that is published comes out of
 * staging by a rename, so this also ties the hands of a run that slept past its lease and wakes up now.
 */
export async function sweepStaging(layout: VolumeLayout): Promise<void> {
  const { files, staging } = layout;
  for (const name of await files.readdir(staging)) await files.removeAll(join(staging, name));
  await sweepDrafts(layout);
}

/** Removes releases that an adoption began, and blobs that no release uses. */
export async function sweepReleases(layout: VolumeLayout, { complete, damaged }: Releases): Promise<void> {
  for (const id of (await layout.files.readdir(layout.releases)).filter(isSha256)) {
    if (complete.has(id) || damaged.has(id)) continue;
    await layout.files.removeAll(releaseDirectory(layout, id));
  }
  // Nobody knows what a damaged release uses.
  if (damaged.size === 0) await sweepBlobs(layout, complete.values());
}

/** Removes blobs that none of `releases` uses. */
export async function sweepBlobs(layout: VolumeLayout, releases: Iterable<Release>): Promise<void> {
  const used = new Set<string>();
  for (const release of releases) for (const { file } of filesOf(release.plugins)) used.add(file.sha256);
  const unused = (await layout.files.readdir(layout.blobs)).filter((sha256) => !used.has(sha256));
  for (const sha256 of unused) await layout.files.unlink(blobPath(layout, sha256));
  if (unused.length > 0) await layout.files.syncDirectory(layout.blobs);
}

/**
 * Puts the link back when `plugins` is gone: the gap of an adoption (a directory cannot be exchanged with a link in one
 * step), or a link that somebody deleted. The state says which release was meant.
 */
export async function restoreLink(
  layout: VolumeLayout,
  { state, releases, draft }: { state: State; releases: Releases; draft: string },
): Promise<Tree> {
  const meant = state.history.findLast(({ release }) => releases.complete.has(release));
  if (meant === undefined) return { kind: 'absent' };
  await switchDurably(layout, meant.release, draft);
  return { kind: 'release', id: meant.release };
}
