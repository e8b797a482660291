import { randomBytes } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { PlugferryError, systemCode } from '../errors.js';
import type { FileSystem } from '../files/file-system.js';
import type { Actor } from '../release/change.js';
import { lstatIfThere, orIfMissing } from './disk.js';
import type { VolumeLayout } from './layout.js';
import { describeOwner, isBeforeReboot, isGone, parseOwner, sharesProcesses, type Owner } from './owner.js';

/** Without a sign of life for this long (milliseconds) a lock may be taken over from anywhere (security page 5.3). */
const lease = 10 * 60_000;
/** Milliseconds between two signs of life. */
const beat = 15_000;

/** Most bytes of owner.json. */
const maxOwner = 64 * 1024;

/** Locks of this very process: one that is not among them was abandoned, although its process is alive. */
const heldHere = new Set<string>();

/** What is locked, and the directory that is its lock while somebody holds it. */
export type LockPlace = Pick<VolumeLayout, 'files' | 'root' | 'lock'>;

export interface Lock {
  /** The user id that the file system gives to what this process creates (on NFS with root_squash not its own). */
  readonly uid: number;
  /** @throws PlugferryError `E_LOCKED` when another run took the lock over. */
  assertHeld(): Promise<void>;
  /** Never fails: what cannot be removed is taken over by the next run. */
  release(): Promise<void>;
}

interface Holder {
  readonly owner: Owner | undefined;
  /** Milliseconds since the last sign of life, by the clock of the file system. */
  readonly silence: number;
  readonly uid: number;
}

/**
 * Takes the lock of a volume or a trust store. The directory is made complete with its owner.json beside its place and renamed there:
 * renaming onto a directory that is not empty fails on every file system, so there is one winner, as with mkdir, and no
 * moment at which the lock exists without saying whose it is. flock does not exist in Node and is not reliable on NFS.
 *
 * @throws PlugferryError `E_LOCKED` naming the holder.
 */
export async function acquireLock(layout: LockPlace, actor: Actor, now: Date): Promise<Lock> {
  const { files } = layout;
  const owner = await describeOwner(actor, randomBytes(16).toString('hex'), now);
  const mine = `${layout.lock}.${owner.token}`;
  // Known before it can be seen, or another call in this process would take it for abandoned.
  heldHere.add(owner.token);
  let lock: Lock | undefined;
  try {
    for (let attempt = 0; attempt < 5; attempt += 1) {
      const ready = await orIfMissing(fill(files, mine, owner), false);
      if (ready && (await seized(files, mine, layout.lock))) return (lock = await hold(layout, owner));
      const holder = await readHolder(layout, mine);
      if (holder === undefined) continue;
      if (!(await isStale(holder, owner, { files, mine }))) throw locked(layout, holder);
      await moveAside(layout, `${mine}.stale`, holder);
    }
    throw locked(layout, undefined);
  } finally {
    if (lock === undefined) {
      heldHere.delete(owner.token);
      // The holder may be sweeping it away at this very moment; what is left goes with the next run.
      await files.removeAll(mine).catch(() => undefined);
      await giveBack(layout, owner).catch(() => undefined);
    }
  }
}

/** A connection may break when the lock is ours already, and before we hear of it. */
async function giveBack({ files, lock }: LockPlace, { token }: Owner): Promise<void> {
  if ((await readOwner(files, lock))?.token === token) await discard(files, lock, `${lock}.${token}`);
}

/**
 * Removes what runs left beside `lock` that were killed while they took or gave it back. Only for its holder. A draft of a run that is
 * alive is moved first, in one step: removed file by file, what is left of it could still become a lock, and one that says not
 * whose it is. Never fails: what stays goes with a later run.
 */
export async function sweepDrafts({ files, lock }: Pick<LockPlace, 'files' | 'lock'>): Promise<void> {
  const names = await files.readdir(dirname(lock));
  for (const name of names.filter((one) => one.startsWith(`${basename(lock)}.`))) {
    const draft = join(dirname(lock), name);
    const swept = draft.endsWith('.swept') ? draft : `${draft}.swept`;
    try {
      if (draft !== swept) await files.rename(draft, swept);
      await files.removeAll(swept);
    } catch {
      // Its own run was faster, or another one swept at the same time.
    }
  }
}

/** Made anew each time, and perhaps in vain: the holder sweeps drafts of others away with the other leftovers. */
async function fill(files: FileSystem, directory: string, owner: Owner): Promise<true> {
  await files.removeAll(directory);
  await files.mkdir(directory, { mode: 0o755 });
  // Flushed, so that after a power cut the next run can tell that its holder is gone.
  await files.writeNew(join(directory, 'owner.json'), [Buffer.from(`${JSON.stringify(owner, null, 2)}\n`)]);
  await files.scribble(join(directory, 'heartbeat'), '');
  return true;
}

async function seized(files: FileSystem, mine: string, lock: string): Promise<boolean> {
  try {
    await files.rename(mine, lock);
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(systemCode(error) ?? '')) return false;
    throw error;
  }
}

async function hold(layout: LockPlace, owner: Owner): Promise<Lock> {
  const { files, lock } = layout;
  const { uid } = await files.lstat(lock);
  const isOurs = async (): Promise<boolean> => (await readOwner(files, lock))?.token === owner.token;
  const sign = async (): Promise<void> => {
    if (await isOurs()) await files.scribble(join(lock, 'heartbeat'), owner.token);
  };
  // A sign of life that cannot be given is found out by assertHeld, where it matters.
  const timer = setInterval(() => void sign().catch(() => undefined), beat).unref();
  return {
    uid,
    async assertHeld() {
      if (!(await isOurs())) throw lost(layout, await readOwner(files, lock));
    },
    async release() {
      clearInterval(timer);
      try {
        if (await isOurs()) await discard(files, lock, `${lock}.${owner.token}`);
      } catch {
        // The next run finds a lock whose process is gone, or that this process no longer knows.
      } finally {
        heldHere.delete(owner.token);
      }
    },
  };
}

/** In one step: a lock directory that loses its files one by one would be a lock that nobody owns. */
async function discard(files: FileSystem, lock: string, aside: string): Promise<void> {
  await files.rename(lock, aside);
  await files.removeAll(aside);
}

async function readOwner(files: FileSystem, lock: string): Promise<Owner | undefined> {
  const bytes = await orIfMissing(files.readFile(join(lock, 'owner.json'), maxOwner), undefined);
  return bytes === undefined ? undefined : parseOwner(bytes.toString('utf8'));
}

/** `mine` was written a moment ago: its time tells what the file system thinks is now. */
async function readHolder({ files, lock }: LockPlace, mine: string): Promise<Holder | undefined> {
  const there = await lstatIfThere(files, lock);
  const own = await lstatIfThere(files, join(mine, 'heartbeat'));
  if (there === undefined || own === undefined) return undefined;
  const sign = (await lstatIfThere(files, join(lock, 'heartbeat'))) ?? there;
  return { owner: await readOwner(files, lock), silence: own.mtimeMs - sign.mtimeMs, uid: there.uid };
}

async function isStale(
  { owner, silence, uid }: Holder,
  self: Owner,
  { files, mine }: { readonly files: FileSystem; readonly mine: string },
): Promise<boolean> {
  if (silence > lease) return true;
  if (owner === undefined) return false;
  if (isBeforeReboot(owner, self)) return true;
  if (!sharesProcesses(owner, self)) return false;
  if (owner.pid === self.pid && owner.processStart === self.processStart) return !heldHere.has(owner.token);
  const own = (await lstatIfThere(files, mine))?.uid;
  // Where /proc hides the processes of other users (hidepid), one that is not to be seen need not be gone.
  return (own === 0 || own === uid) && (await isGone(owner));
}

async function moveAside({ files, lock }: LockPlace, aside: string, judged: Holder): Promise<void> {
  const moved = await orIfMissing(
    files.rename(lock, aside).then(() => true),
    false,
  );
  if (!moved) return;
  const owner = await readOwner(files, aside);
  if (owner?.token === judged.owner?.token) {
    await files.removeAll(aside);
    return;
  }
  // Another run took over between our look and our move, and this is its lock: give it back. Should a third have come in
  // between, the second one finds out before it publishes.
  await seized(files, aside, lock);
}

const nameOf = ({ tool, user, host, pid, since }: Owner): string =>
  `${tool} of ${user}@${host} (process ${pid}), since ${since}`;

function locked({ root, lock }: LockPlace, holder: Holder | undefined): PlugferryError {
  const who = holder?.owner === undefined ? 'another run' : nameOf(holder.owner);
  const seconds = Math.max(0, Math.round((holder?.silence ?? 0) / 1000));
  return new PlugferryError(
    'E_LOCKED',
    `${root}: locked by ${who}; last sign of life ${seconds} seconds ago`,
    {
      hint:
        'Wait until it is done, then run again. Should its machine be gone: the lock counts for nothing 10 minutes after ' +
        'its last sign of life.',
      details: { file: lock, found: who, holder: holder?.owner },
    },
  );
}

function lost({ root, lock }: LockPlace, owner: Owner | undefined): PlugferryError {
  const who = owner === undefined ? 'another run' : nameOf(owner);
  return new PlugferryError(
    'E_LOCKED',
    `${root}: ${who} took the lock over, because this run gave no sign of life for 10 minutes`,
    {
      hint: 'Look at what is there now ("plugferry history", "plugferry trust list"), then run again if it is still needed.',
      details: { file: lock, found: who },
    },
  );
}
