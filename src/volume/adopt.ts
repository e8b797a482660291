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
import type { OpenVolume } from './open-volume.js';
import { audit } from './record.js';
import { nowOf } from './volume.js';
import { belongsTo, closeToOthers, directoriesIn } from './ownership.js';
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
 * Turns the plain tree into the first release. Its plugins become copies in the store: who else has one of those files, or has it open,
 * does not have what is served. A tree without links that belongs to us is then moved as it is, with everything else that is in it, its
 * plugins replaced by what is in the store; another one is left beside what was made of it. A directory cannot be
 * exchanged with a link in one step (Node has no renameat2), so between the two renames of {@link exchange}
 * `plugins` is gone for microseconds; should this process die right there, the next run puts the link.
 */
export async function adoptTree(volume: OpenVolume, release: Release, store: BlobStore): Promise<void> {
  const { layout, lock, releases } = volume;
  const { files } = layout;
  const { id } = release;
  refuseUnreadable(volume, id);
  const places = await placesOf(volume, release);
  const isLinked = places.some(({ path, real }) => path !== real);
  await store.adopt(places.map(({ file, real }) => ({ file, path: real })));
  const known = releases.complete.get(id);
  const isOurs = !isLinked && (await belongsTo(files, layout, { release, uid: lock.uid }));
  const moves = known === undefined && isOurs;
  if (known !== undefined)
    await mendRelease(volume, { release: known, damage: await damageIn(volume, known), store });
  else if (moves) await takeOver(volume, release, store);
  else await placeCopy(volume, release, store);
  await recordActivation(volume, { id, action: 'adopt' });
  const aside = `${layout.link}.replaced-${randomUUID().slice(0, 8)}`;
  await exchange(volume, id, moves ? releasePlugins(layout, id) : aside);
  volume.tree = { kind: 'release', id };
  releases.complete.set(id, known ?? release);
  if (known !== undefined)
    volume.warnings.push(`${aside} stood in the place of the link; release ${id} has the same plugins`);
  else if (!moves)
    volume.warnings.push(
      leftAside(aside, id, isLinked ? 'it has links' : 'not all of it belongs to this user'),
    );
  volume.warnings.push(...(release.origin.warnings ?? []));
  await audit(volume, { action: 'adopt', result: 'done', ...releaseFields(release) });
}

const leftAside = (aside: string, id: string, reason: string): string =>
  `${aside} is the tree that was there: ${reason}, so release ${id} was made of copies of its plugins. ` +
  'Remove it when nothing else in it is needed';

/** Closes the tree to others, and puts what is in the store in the place of each of its plugins: the same bytes, in files of our own. */
async function takeOver(volume: OpenVolume, release: Release, store: BlobStore): Promise<void> {
  const { layout, run } = volume;
  const { files } = layout;
  await closeToOthers(files, layout.link);
  await eachOf(filesIn(layout.root, release), async ({ file, path }) => {
    const draft = join(run, randomUUID());
    await store.place(file, draft);
    await files.rename(draft, path);
  });
  const [, ...directories] = directoriesIn(layout.root, release);
  await eachOf(directories, (path) => files.syncDirectory(path));
  await placeEmptyRelease(volume, release);
}

/** A release made of the store alone. */
async function placeCopy(volume: OpenVolume, release: Release, store: BlobStore): Promise<void> {
  const { layout, lock } = volume;
  const draft = await composeRelease(volume, { release, store, evidence: undefined, previous: undefined });
  await lock.assertHeld();
  volume.releases.complete.set(release.id, release);
  await renameDurably(layout.files, draft, releaseDirectory(layout, release.id));
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

function* filesIn(root: string, release: Release): Generator<{ file: ReleaseFile; path: string }> {
  for (const { path, file } of filesOf(release.plugins)) yield { file, path: join(root, path) };
}

/** Where the files of the tree are named, and where they are, all links resolved. */
async function placesOf(
  { layout }: OpenVolume,
  release: Release,
): Promise<{ file: ReleaseFile; path: string; real: string }[]> {
  const places: { file: ReleaseFile; path: string; real: string }[] = [];
  for (const { path, file } of filesIn(layout.root, release))
    places.push({ file, path, real: await layout.files.realpath(path) });
  return places;
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
