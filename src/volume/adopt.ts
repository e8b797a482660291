import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import { PlugferryError, systemCode } from '../errors.js';
import { filesOf, releaseBytes, releaseId } from '../release/release.js';
import { formatTime } from '../release/time.js';
import type { Release, ReleaseFile } from '../schema/release.js';
import { recordActivation } from './activate.js';
import { releaseFields } from './audit.js';
import { composeRelease } from './compose.js';
import { eachOf, makeDirectory, renameDurably } from './disk.js';
import { damageIn, mendRelease, refuseUnreadable } from './health.js';
import { linkTarget, releaseDirectory, releasePlugins } from './layout.js';
import { audit, nowOf, type OpenVolume } from './open.js';
import { scanTree } from './scan.js';
import type { BlobStore } from './store.js';

const keptOnce = 'kept in the adopted release, not in later ones';
const keptAside = 'kept beside the volume, not in its releases';

/** How many stray paths are named one by one. */
const maxNamed = 20;

/** A plain tree as the release that it will be. Reads every byte, changes nothing. */
export async function describeTree(volume: OpenVolume): Promise<Release> {
  const { layout, options } = volume;
  const { plugins, extras, isLinked } = await scanTree(layout.files, layout.link, {
    signal: options.signal,
    sync: true,
  });
  const warnings = extraWarnings(extras, isLinked);
  return {
    type: 'plugferry.release/v1',
    id: releaseId(plugins),
    createdAt: formatTime(nowOf(options)),
    tool: options.actor.tool,
    origin: { kind: 'adopted', ...(warnings.length === 0 ? {} : { warnings }) },
    plugins: [...plugins],
  };
}

function extraWarnings(extras: readonly string[], isLinked: boolean): string[] {
  if (extras.length === 0) return [];
  const named = extras.slice(0, maxNamed).map((path) => path.slice(0, 900));
  const rest = extras.length - named.length;
  return [
    ...named.map((path) => `plugins/${path} is no plugin: ${isLinked ? keptAside : keptOnce}`),
    ...(rest > 0 ? [`and ${rest} more like it`] : []),
  ];
}

/**
 * Turns the plain tree into the first release, by renaming its directory: nothing is copied and nothing lost. One with links is
 * made anew in the store, and its directory moved aside. A directory
 * cannot be exchanged with a link in one step (Node has no renameat2), so between the two renames of {@link exchange}
 * `plugins` is gone for microseconds; should this process die right there, the next run puts the link.
 */
export async function adoptTree(volume: OpenVolume, release: Release, store: BlobStore): Promise<void> {
  const { layout } = volume;
  const { id } = release;
  refuseUnreadable(volume, id);
  const places = await placesOf(volume, release);
  const isLinked = places.some(({ path, real }) => path !== real);
  await store.adopt(places.map(({ file, real }) => ({ file, path: real })));
  await eachOf(directoriesIn(layout.link, release), (path) => layout.files.syncDirectory(path));
  const known = volume.releases.complete.get(id);
  if (known === undefined) await (isLinked ? placeWholeRelease : placeEmptyRelease)(volume, release, store);
  else await mendRelease(volume, { release: known, damage: await damageIn(volume, known), store });
  await recordActivation(volume, { id, action: 'adopt' });
  const aside = `${layout.link}.replaced-${randomUUID().slice(0, 8)}`;
  const isMoved = known === undefined && !isLinked;
  await exchange(volume, id, isMoved ? releasePlugins(layout, id) : aside);
  volume.tree = { kind: 'release', id };
  if (known === undefined) volume.releases.complete.set(id, release);
  if (!isMoved) {
    volume.warnings.push(`${aside} stood in the place of the link; release ${id} has the same plugins`);
  }
  volume.warnings.push(...(release.origin.warnings ?? []));
  await audit(volume, { action: 'adopt', result: 'done', ...releaseFields(release) });
}

/** Moves the directory away and puts the link in its place, with nothing in between. */
async function exchange(volume: OpenVolume, id: string, away: string): Promise<void> {
  const { layout, lock, run } = volume;
  const { files } = layout;
  const draft = join(run, randomUUID());
  await files.symlink(linkTarget(id), draft);
  await lock.assertHeld();
  await moveTree(volume, away);
  try {
    await files.rename(draft, layout.link);
  } catch (error) {
    await files.rename(away, layout.link);
    throw error;
  }
  // Where it went to before where it came from, so that a power cut cannot lose it between them.
  await files.syncDirectory(dirname(away));
  await files.syncDirectory(layout.root);
}

function* directoriesIn(top: string, { plugins }: Release): Generator<string> {
  yield top;
  for (const name of new Set(plugins.map((plugin) => plugin.name))) yield join(top, name);
  for (const { name, version } of plugins) yield join(top, name, version);
}

/** Where the files of the tree are named, and where they are, all links resolved. */
async function placesOf(
  { layout }: OpenVolume,
  { plugins }: Release,
): Promise<{ file: ReleaseFile; path: string; real: string }[]> {
  const places: { file: ReleaseFile; path: string; real: string }[] = [];
  for (const { path: below, file } of filesOf(plugins)) {
    const path = join(layout.root, below);
    places.push({ file, path, real: await layout.files.realpath(path) });
  }
  return places;
}

/** The release with a file in the place of each link: what a link leads to may be another thing once the tree is a release. */
async function placeWholeRelease(volume: OpenVolume, release: Release, store: BlobStore): Promise<void> {
  const draft = await composeRelease(volume, { release, store, evidence: undefined, previous: undefined });
  await volume.lock.assertHeld();
  await renameDurably(volume.layout.files, draft, releaseDirectory(volume.layout, release.id));
}

/** Everything of the release but its plugins, which are still where readers look for them. */
async function placeEmptyRelease(volume: OpenVolume, release: Release): Promise<void> {
  const { files } = volume.layout;
  const draft = join(volume.run, 'adopted');
  await makeDirectory(files, draft);
  await files.writeNew(join(draft, 'release.json'), [releaseBytes(release)]);
  await files.syncDirectory(draft);
  await volume.lock.assertHeld();
  await renameDurably(files, draft, releaseDirectory(volume.layout, release.id));
}

async function moveTree({ layout }: OpenVolume, to: string): Promise<void> {
  try {
    await layout.files.rename(layout.link, to);
  } catch (error) {
    if (!['EXDEV', 'EBUSY'].includes(systemCode(error) ?? '')) throw error;
    throw new PlugferryError(
      'E_FILESYSTEM',
      `${layout.link} cannot be moved: it is a mount point, or part of a container image`,
      {
        hint: 'Mount the volume one directory higher, so that "plugins" is an ordinary directory on it.',
        details: { file: layout.link, found: systemCode(error) ?? '' },
        cause: error,
      },
    );
  }
}
