import { join } from 'node:path';
import { PlugferryError } from '../errors.js';
import type { NextRelease, Published } from '../release/change.js';
import { describeRelease, filesOf, saysMore } from '../release/release.js';
import { withSeen } from '../release/state.js';
import type { Release } from '../schema/release.js';
import { activate, commitState, currentId } from './activate.js';
import { adoptTree } from './adopt.js';
import { releaseFields } from './audit.js';
import { attestRelease, composeRelease } from './compose.js';
import { eachOf, orIfMissing, renameDurably } from './disk.js';
import { damageIn, mendRelease, refuseUnreadable, repairEverywhere } from './health.js';
import { releaseDirectory } from './layout.js';
import type { OpenVolume } from './open-volume.js';
import { audit } from './record.js';
import { nowOf } from './volume.js';
import type { BlobStore } from './store.js';

export interface Publication {
  readonly next: NextRelease;
  readonly store: BlobStore;
  /** The plain tree, if there is one, as the release that it becomes first. */
  readonly adoptee: Release | undefined;
}

/** The order of the security page 5.1, steps 6 to 11. */
export async function publish(volume: OpenVolume, publication: Publication): Promise<Published> {
  const { next, store, adoptee } = publication;
  const { options } = volume;
  const release = describeRelease(next, { at: nowOf(options), tool: options.actor.tool });
  if (!volume.features.caseSensitive) refuseTwins(volume, release);
  if (!volume.releases.complete.has(release.id)) refuseUnreadable(volume, release.id);
  const before = new Set(volume.releases.complete.keys());
  try {
    await store.commit();
    if (adoptee !== undefined) await adoptTree(volume, adoptee, store);
    await proveAll(volume, release, store);
    await repairEverywhere(volume, store);
    const previous = currentId(volume);
    const kept = await place(volume, publication, release);
    options.signal?.throwIfAborted();
    const outcome = previous === release.id ? 'unchanged' : 'published';
    if (outcome === 'published') {
      await activate(volume, { id: release.id, action: actionOf(release), seen: next.seen });
    } else if (next.seen !== undefined) {
      const state = withSeen(volume.state, next.seen);
      if (JSON.stringify(state) !== JSON.stringify(volume.state)) await commitState(volume, state);
    }
    await record(volume, { release, outcome, previous });
    return { release: kept, previous, outcome, warnings: [...volume.warnings] };
  } catch (error) {
    await withdraw(volume, before);
    throw error;
  }
}

/**
 * Takes out again the releases that a failed change made and that the state does not name. Best effort, and not while somebody else has
 * the lock: what is left is complete, and nobody is led to it.
 */
async function withdraw(volume: OpenVolume, before: ReadonlySet<string>): Promise<void> {
  const { layout, releases, state, lock, run } = volume;
  const { files } = layout;
  const named = new Set(state.history.map(({ release }) => release));
  try {
    for (const id of releases.complete.keys()) {
      if (before.has(id) || named.has(id)) continue;
      await lock.assertHeld();
      releases.complete.delete(id);
      await orIfMissing(files.rename(releaseDirectory(layout, id), join(run, `withdrawn-${id}`)), undefined);
      await files.syncDirectory(layout.releases);
    }
  } catch {
    // What made the change fail is what the caller must hear of.
  }
}

const actionOf = ({ origin }: Release): 'import' | 'alias' => (origin.kind === 'alias' ? 'alias' : 'import');

/** Puts `release` among the kept ones, or brings the one that is there into order. Returns what is kept. */
async function place(volume: OpenVolume, { next, store }: Publication, release: Release): Promise<Release> {
  const composition = { release, store, evidence: next.evidence, previous: currentId(volume) };
  const known = volume.releases.complete.get(release.id);
  if (known === undefined) {
    const draft = await composeRelease(volume, composition);
    await volume.lock.assertHeld();
    volume.releases.complete.set(release.id, release);
    await renameDurably(volume.layout.files, draft, releaseDirectory(volume.layout, release.id));
    return release;
  }
  await mendRelease(volume, { release: known, damage: await damageIn(volume, known), store });
  if (!saysMore(release, known)) return known;
  const attested = { ...release, createdAt: known.createdAt };
  await attestRelease(volume, { ...composition, release: attested });
  volume.releases.complete.set(release.id, attested);
  return attested;
}

/**
 * Reads every stored file that `release` is to hold: what was carried on as well as what came in. Bytes that the store lost come back
 * from the current release, where that still has them.
 */
async function proveAll(volume: OpenVolume, release: Release, store: BlobStore): Promise<void> {
  const wanted = new Map([...filesOf(release.plugins)].map(({ file }) => [file.sha256, file]));
  const lost = new Set<string>();
  await eachOf(wanted.values(), async (file) => {
    volume.options.signal?.throwIfAborted();
    if (!(await store.holds(file))) lost.add(file.sha256);
  });
  const current = currentId(volume);
  if (current === undefined || lost.size === 0) return;
  const directory = releaseDirectory(volume.layout, current);
  for (const { path, file } of filesOf(volume.releases.complete.get(current)?.plugins ?? [])) {
    if (!lost.has(file.sha256)) continue;
    const found = await orIfMissing(
      volume.layout.files.sha256(join(directory, path), volume.options),
      undefined,
    );
    if (found === file.sha256) await store.adopt([{ file, path: join(directory, path) }]);
  }
}

async function record(
  volume: OpenVolume,
  { release, outcome, previous }: Pick<Published, 'release' | 'outcome' | 'previous'>,
): Promise<void> {
  await audit(volume, {
    action: actionOf(release),
    result: outcome === 'published' ? 'done' : 'unchanged',
    ...releaseFields(release),
    ...(previous === undefined ? {} : { previous }),
  });
}

function refuseTwins({ layout }: OpenVolume, release: Release): void {
  const seen = new Map<string, string>();
  for (const { path } of filesOf(release.plugins)) {
    const twin = seen.get(path.toLowerCase());
    if (twin !== undefined) {
      throw new PlugferryError(
        'E_FILESYSTEM',
        `${layout.root}: this file system cannot tell ${twin} from ${path}`,
        { hint: 'Use a volume on a case-sensitive file system.', details: { file: path, found: twin } },
      );
    }
    seen.set(path.toLowerCase(), path);
  }
}
