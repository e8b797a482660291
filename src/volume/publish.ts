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
import { renameDurably } from './disk.js';
import { damageIn, mendRelease, refuseUnreadable } from './health.js';
import { releaseDirectory } from './layout.js';
import { audit, nowOf, type OpenVolume } from './open.js';
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
  await store.commit();
  if (adoptee !== undefined) await adoptTree(volume, adoptee, store);
  await repairEverywhere(volume, store);
  const previous = currentId(volume);
  const kept = await place(volume, publication, release);
  volume.options.signal?.throwIfAborted();
  const outcome = previous === release.id ? 'unchanged' : 'published';
  if (outcome === 'published') {
    await activate(volume, { id: release.id, action: actionOf(release), seen: next.seen });
  } else if (next.seen !== undefined) {
    const state = withSeen(volume.state, next.seen);
    if (JSON.stringify(state) !== JSON.stringify(volume.state)) await commitState(volume, state);
  }
  await record(volume, { release, outcome, previous });
  return { release: kept, previous, outcome, warnings: [...volume.warnings] };
}

const actionOf = ({ origin }: Release): 'import' | 'alias' => (origin.kind === 'alias' ? 'alias' : 'import');

/** Puts `release` among the kept ones, or brings the one that is there into order. Returns what is kept. */
async function place(volume: OpenVolume, { next, store }: Publication, release: Release): Promise<Release> {
  const composition = { release, store, evidence: next.evidence, previous: currentId(volume) };
  const known = volume.releases.complete.get(release.id);
  if (known === undefined) {
    refuseUnreadable(volume, release.id);
    await restoreBlobs(volume, release, store);
    const draft = await composeRelease(volume, composition);
    await volume.lock.assertHeld();
    await renameDurably(volume.layout.files, draft, releaseDirectory(volume.layout, release.id));
    volume.releases.complete.set(release.id, release);
    return release;
  }
  await mendRelease(volume, { release: known, damage: await damageIn(volume, known), store });
  if (!saysMore(release, known)) return known;
  const attested = { ...release, createdAt: known.createdAt };
  await attestRelease(volume, { ...composition, release: attested });
  volume.releases.complete.set(release.id, attested);
  return attested;
}

/** Bytes that are carried on and were removed from the store come back from the release that still has them. */
async function restoreBlobs(volume: OpenVolume, release: Release, store: BlobStore): Promise<void> {
  const current = currentId(volume);
  if (current === undefined) return;
  const directory = releaseDirectory(volume.layout, current);
  const listed = [...filesOf(volume.releases.complete.get(current)?.plugins ?? [])];
  const wanted = new Set([...filesOf(release.plugins)].map(({ file }) => file.sha256));
  for (const { path, file } of listed) {
    if (!wanted.has(file.sha256) || (await store.looksRight(file))) continue;
    const hash = await volume.layout.files.sha256(join(directory, path), volume.options);
    if (hash === file.sha256) await store.adopt([{ file, path: join(directory, path) }]);
  }
}

/** Bytes that had to be brought anew although a release lists them replace what is damaged there. */
async function repairEverywhere(volume: OpenVolume, store: BlobStore): Promise<void> {
  const { received } = store;
  for (const release of volume.releases.complete.values()) {
    const damage = [...filesOf(release.plugins)]
      .filter(({ file }) => received.has(file.sha256))
      .map(({ path, file, plugin }) => ({ path, file, plugin: `${plugin.name}@${plugin.version}` }));
    await mendRelease(volume, { release, damage, store });
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
