import { isPlugferryError, type PlugferryError } from '../errors.js';
import type { ReleaseChange } from '../release/change.js';
import { filesOf } from '../release/release.js';
import { currentId } from './activate.js';
import { describeTree } from './adopt.js';
import { appendAudit, type AuditAction } from './audit.js';
import { currentRelease } from './current.js';
import { volumeFailure } from './failure.js';
import { withVolume, type OpenOptions } from './open.js';
import type { OpenVolume } from './open-volume.js';
import { auditEntry, makeRoomInAudit } from './record.js';
import { publish } from './publish.js';
import { BlobStore } from './store.js';

/** {@link VolumeOptions} and what is attempted, for the audit line of a refusal. */
export interface ChangeOptions extends OpenOptions {
  /** @default 'import' */
  readonly action?: AuditAction;
}

/**
 * Takes the lock of a volume (which is made if it is not there), cleans up after earlier runs, and hands out one change.
 * Whatever happens in `change`, staging is emptied and the lock given back; until {@link ReleaseChange.publish} nothing that
 * readers see is touched. A refusal is written to the audit log.
 *
 * @throws PlugferryError `E_LOCKED`, `E_FILESYSTEM`, `E_RELEASE` (damaged or foreign content), `E_NO_SPACE`, `E_IO`.
 */
export async function changeVolume<T>(
  root: string,
  options: ChangeOptions,
  change: (volume: ReleaseChange) => Promise<T>,
): Promise<T> {
  return withVolume(root, options, async (volume) =>
    audited(volume, options.action ?? 'import', async () => {
      const { store, session } = await changeOf(volume);
      try {
        return await change(session);
      } catch (error) {
        await store.discard();
        throw error;
      }
    }),
  );
}

/** Runs a change; should it be refused or fail, that goes to the audit log. */
export async function audited<T>(
  volume: OpenVolume,
  action: AuditAction,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // Who took the lock over also swept our staging: what failed then is not the cause.
    const cause = await volume.lock.assertHeld().then(
      () => error,
      (loss: unknown) => loss,
    );
    const failure = volumeFailure(cause, volume.layout.root);
    if (isPlugferryError(failure)) await recordRefusal(volume, failure, action);
    throw failure;
  }
}

async function changeOf(volume: OpenVolume): Promise<{ store: BlobStore; session: ReleaseChange }> {
  const adoptee = volume.tree.kind === 'plain' ? await describeTree(volume) : undefined;
  const store = new BlobStore(
    volume,
    [...filesOf(adoptee?.plugins ?? [])].map(({ file }) => file),
  );
  const current = adoptee ?? currentRelease(volume);
  const session: ReleaseChange = {
    current,
    plain: adoptee !== undefined,
    state: volume.state,
    warnings: [...volume.warnings],
    prepare: (files) => store.prepare(files),
    receive: (expected, bytes) => store.receive(expected, bytes),
    publish: (next) => publish(volume, { next, store, adoptee }),
  };
  return { store, session };
}

/** Best effort: the refusal itself is what the caller must hear of. */
async function recordRefusal(volume: OpenVolume, error: PlugferryError, action: AuditAction): Promise<void> {
  const previous = currentId(volume);
  const note = { action, result: 'refused', code: error.code, message: error.message } as const;
  const entry = {
    ...auditEntry(volume, previous === undefined ? note : { ...note, release: previous }),
    // A change that got as far as the state may yet turn out to have happened: its own line is still to come.
    serial: volume.audited,
  };
  try {
    // Where that fails, the log takes no more of what anybody can cause without end.
    await makeRoomInAudit(volume);
    await appendAudit(volume.layout, entry);
  } catch {
    // See above.
  }
}
