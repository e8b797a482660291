import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { thisActor } from '../release/this-actor.js';
import { PlugferryError } from '../errors.js';
import { ioError } from '../files/file-errors.js';
import { localFileSystem } from '../files/local-file-system.js';
import type { Switch } from '../trust/save.js';
import { trustFile, type TrustStore } from '../trust/store.js';
import { acquireLock, sweepDrafts, type Lock } from '../volume/lock.js';

/** Stands in a trust store while somebody changes it. A directory, which `kubectl create configmap --from-file` passes over. */
const lockName = 'trust.json.lock';

/** Whether a name in a trust store is that of the lock, or of something that somebody who was killed left half done. */
export const isLeftover = (name: string): boolean =>
  name === lockName || name.startsWith(`${lockName}.`) || isPartial(name);

const isPartial = (name: string): boolean =>
  /^(?:trust\.json|[0-9a-f]{64}\.(?:pub|sig))\.partial$/.test(name);

/**
 * Does `work` while nobody else changes the trust store in `directory`. The lock is that of volumes: one of a process that is gone
 * counts for nothing.
 *
 * @throws PlugferryError `E_LOCKED` naming the holder, `E_NOT_FOUND` without the directory, `E_IO`, and what `work` throws.
 */
export async function withTrustLock<T>(directory: string, work: (lock: Lock) => Promise<T>): Promise<T> {
  const place = { files: localFileSystem, root: directory, lock: join(directory, lockName) };
  try {
    const lock = await acquireLock(place, thisActor(), new Date());
    try {
      await sweepDrafts(place);
      await sweep(directory);
      return await work(lock);
    } finally {
      await lock.release();
    }
  } catch (error) {
    throw ioError(error, directory);
  }
}

/** Removes the files that runs left half written which were killed. */
async function sweep(directory: string): Promise<void> {
  for (const name of (await localFileSystem.readdir(directory)).filter(isPartial))
    await localFileSystem.removeAll(join(directory, name));
}

/**
 * How a change of `store`, which was read under the lock, takes its place: only while the lock is ours, and trust.json what was read.
 * Who edits by hand, or copies a store over another, asks for no lock.
 *
 * Its functions throw `E_LOCKED` when another run took the lock over, `E_CONFLICT` for another trust.json.
 */
export const replacing = (lock: Lock, { directory, bytes }: TrustStore): Switch => ({
  assertHeld: () => lock.assertHeld(),
  confirm() {
    const file = trustFile(directory);
    if (existsSync(file) && readFileSync(file).equals(bytes)) return;
    throw new PlugferryError('E_CONFLICT', `${file} was changed by somebody else while it was edited`, {
      hint: 'Nothing was changed. Look at what is there now ("plugferry trust list"), then run the same command again.',
      details: { file },
    });
  },
});
