import { randomBytes } from 'node:crypto';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { PlugferryError } from '../errors.js';
import type { Exposure } from '../files/writable-by-others.js';
import type { FileSystem } from '../files/file-system.js';
import { localFileSystem } from '../files/local-file-system.js';
import { emptyState, withReleases } from '../release/state.js';
import type { State } from '../schema/state.js';
import { endOfAudit } from './audit.js';
import { demandControl } from './control.js';
import { ensureDirectory, exists, lstatIfThere, orIfMissing } from './disk.js';
import { noVolume, volumeFailure } from './failure.js';
import { closedWarning, refuseExposedPlace, relianceOn, vouchedWarning } from './guard.js';
import { layoutOf, ownPlaces, type VolumeLayout } from './layout.js';
import { acquireLock, type Lock } from './lock.js';
import { probeFileSystem } from './probe.js';
import { FileProofs } from './proofs.js';
import { completeAudit } from './record.js';
import { readReleases, restoreLink, sweepReleases, sweepStaging, type Releases } from './recover.js';
import { readState, settledState } from './state.js';
import { treeOf, type Tree } from './tree.js';
import { nowOf, type VolumeOptions } from './volume.js';
import type { OpenVolume } from './open-volume.js';

export interface OpenOptions extends VolumeOptions {
  /** What must be there already: a directory, or a volume that Plugferry wrote. @default nothing */
  readonly demand?: Demand;
}

type Demand = 'directory' | 'volume';

/**
 * Locks a volume (made if it is not there), checks it, cleans up after earlier runs, does `work` and always unlocks.
 * What a failed `work` left in staging is removed.
 */
export async function withVolume<T>(
  root: string,
  options: OpenOptions,
  work: (volume: OpenVolume) => Promise<T>,
): Promise<T> {
  try {
    options.signal?.throwIfAborted();
    const { layout, ...place } = await placeOf(root, options);
    const lock = await acquireLock(layout, options.actor, nowOf(options));
    try {
      return await inside(layout, { options, lock, ...place }, work);
    } catch (error) {
      // Who took the lock over also swept our staging: what failed then is not the cause.
      await lock.assertHeld();
      throw error;
    } finally {
      await lock.release();
    }
  } catch (error) {
    throw volumeFailure(error, root);
  }
}

/** Where the volume is, and what to say of that. */
interface Place {
  readonly warnings: readonly string[];
  readonly vouched: readonly Exposure[];
}

/** Makes what is missing of a volume. A place where others could write is refused before that. */
async function placeOf(
  root: string,
  options: OpenOptions,
): Promise<Place & { readonly layout: VolumeLayout }> {
  const { files = localFileSystem, demand } = options;
  const reliance = relianceOn(files.user, options);
  const before = await refuseExposedPlace(root, reliance);
  const { path, isMade } = await rootOf(files, root, demand);
  // Somebody else may have been faster with a directory that was missing.
  const vouched = isMade ? await refuseExposedPlace(path, reliance) : before;
  const layout = layoutOf(path, files);
  await demandControl(layout);
  await refuseStrangers(layout, vouched.length === 0 ? files.user : undefined);
  const isNew = await prepareControl(layout, demand);
  const closed = isNew ? await closedWarning(files, path) : undefined;
  const warnings = [...vouched.map(vouchedWarning), ...(closed === undefined ? [] : [closed])];
  return { layout, vouched, warnings };
}

async function inside<T>(
  layout: VolumeLayout,
  { options, lock, vouched, warnings }: { options: VolumeOptions; lock: Lock } & Place,
  work: (volume: OpenVolume) => Promise<T>,
): Promise<T> {
  const { files } = layout;
  // A server says only now who we are there.
  if (files.user === undefined) await refuseExposedPlace(layout.root, relianceOn(lock.uid, options));
  await refuseStrangers(layout, lock.uid);
  for (const path of [layout.releases, dirname(layout.blobs), layout.blobs])
    await ensureDirectory(files, path);
  if (!(await exists(files, layout.staging))) await files.mkdir(layout.staging, { mode: 0o700 });
  await sweepStaging(layout);
  const run = join(layout.staging, randomBytes(8).toString('hex'));
  await files.mkdir(run, { mode: 0o700 });
  try {
    return await work(await recovered(layout, { options, lock, run, vouched, warnings: [...warnings] }));
  } finally {
    // A leftover is not worth an error of its own: the next run sweeps.
    await files.removeAll(run).catch(() => undefined);
  }
}

async function recovered(
  layout: VolumeLayout,
  {
    options,
    lock,
    run,
    vouched,
    warnings,
  }: Pick<OpenVolume, 'options' | 'lock' | 'run' | 'vouched' | 'warnings'>,
): Promise<OpenVolume> {
  const features = await probeFileSystem(layout.root, join(run, 'probe'), layout.files);
  if (!features.directorySync) {
    warnings.push('this file system cannot flush directories: a power cut may lose the last change');
  }
  const found = await treeOf(layout);
  if (found.kind === 'foreign') throw foreign(layout, found.target);
  const releases = await readReleases(layout);
  for (const { message } of releases.damaged.values()) warnings.push(`damaged release: ${message}`);
  const { serial: audited, warning } = await endOfAudit(layout);
  if (warning !== undefined) warnings.push(warning);
  const committed = await committedState(layout, { releases, warnings, serial: audited });
  const tree =
    found.kind === 'absent'
      ? await restoreLink(layout, { state: committed, releases, draft: join(run, 'restored') })
      : found;
  await sweepReleases(layout, releases);
  const state = effectiveState(committed, { tree, releases });
  const proofs = new FileProofs(layout.files);
  const parts = { layout, options, lock, features, run, warnings, vouched, releases, proofs, tree, state };
  const volume: OpenVolume = { ...parts, unaudited: [], audited };
  await completeAudit(volume);
  return volume;
}

/** A missing state next to releases is made again from them, and never silently: it held the anti-rollback floor. */
async function committedState(
  layout: VolumeLayout,
  { releases, warnings, serial }: { releases: Releases; warnings: string[]; serial: number },
): Promise<State> {
  const state = await readState(layout);
  if (state !== undefined) return { ...state, serial: Math.max(state.serial, serial) };
  if (releases.complete.size + releases.damaged.size > 0) {
    warnings.push(
      `${layout.state} is missing: the newest bundle seen of each set is taken from the kept releases, ` +
        'so an older bundle may be accepted again. Set minSequence in the trust policy to rule that out',
    );
  }
  return withReleases({ ...emptyState, serial }, releases.complete.values());
}

function effectiveState(state: State, { tree, releases }: { tree: Tree; releases: Releases }): State {
  const current = tree.kind === 'release' ? tree.id : undefined;
  if (state.history.at(-1)?.release === current) return state;
  // Either a change was cut short, or a run without its lock wrote an older state over a newer one.
  return withReleases(settledState(state, current), releases.complete.values());
}

interface Root {
  /** All links resolved. */
  readonly path: string;
  readonly isMade: boolean;
}

async function rootOf(files: FileSystem, root: string, demand: Demand | undefined): Promise<Root> {
  if (demand === undefined) return makeRoot(files, root);
  const path = await orIfMissing(files.realpath(root), undefined);
  if (path === undefined) throw noVolume(root);
  return { path, isMade: false };
}

async function makeRoot(files: FileSystem, root: string): Promise<Root> {
  const first = await files.mkdir(root, { recursive: true });
  const path = await files.realpath(root);
  if (first === undefined) return { path, isMade: false };
  const levels = relative(dirname(resolve(first)), resolve(root)).split(sep).length;
  for (let level = 0, made = path; level < levels; level += 1, made = dirname(made)) {
    // Web servers of other users go through it, whatever the umask says.
    await files.chmod(made, 0o755);
    // Every new level is an entry of the one above it.
    await files.syncDirectory(dirname(made));
  }
  return { path, isMade: true };
}

/** Whether there was none. */
async function prepareControl(layout: VolumeLayout, demand: Demand | undefined): Promise<boolean> {
  const { files } = layout;
  const stats = await lstatIfThere(files, layout.control);
  if (stats === undefined) {
    if (demand === 'volume') throw noVolume(layout.root);
    await files.mkdir(layout.control, { recursive: true, mode: 0o755 });
    await files.chmod(layout.control, 0o755);
    await files.syncDirectory(layout.root);
    return true;
  }
  return false;
}

/**
 * Who can write here can replace what was verified, and lower the anti-rollback floor (security page 1.5).
 *
 * @param self undefined while it is not known who we are there; then owners are not looked at.
 */
async function refuseStrangers(layout: VolumeLayout, self: number | undefined): Promise<void> {
  for (const path of ownPlaces(layout)) {
    const stats = await lstatIfThere(layout.files, path);
    if (stats === undefined) continue;
    if (stats.isSymbolicLink()) throw unsafe(path, 'is a symbolic link');
    if ((stats.mode & 0o022) !== 0) throw unsafe(path, 'may be written by its group or by everyone');
    if (self !== undefined && stats.uid !== 0 && stats.uid !== self)
      throw unsafe(path, `belongs to user ${stats.uid}`);
  }
}

function unsafe(path: string, reason: string): PlugferryError {
  return new PlugferryError('E_RELEASE', `${path} ${reason}`, {
    hint:
      'Run as its owner, with nobody else able to write it (chmod -R go-w). In Kubernetes, fsGroup makes volumes ' +
      'group-writable at every mount: set fsGroupChangePolicy: OnRootMismatch.',
    details: { file: path, found: reason },
  });
}

function foreign({ link }: VolumeLayout, target: string): PlugferryError {
  return new PlugferryError(
    'E_RELEASE',
    `${link} is a symbolic link to ${target}, which Plugferry did not make`,
    {
      hint: 'Put the directory itself in the place of the link, and it is adopted; or name another volume.',
      details: { file: link, found: target },
    },
  );
}
