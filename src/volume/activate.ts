import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { isPlugferryError } from '../errors.js';
import { nameOf } from '../release/change.js';
import { stateBytes, withEntry, withSeen } from '../release/state.js';
import { formatTime } from '../release/time.js';
import type { HistoryEntry, SeenBundle, State } from '../schema/state.js';
import { exists, renameDurably } from './disk.js';
import { releasePlugins } from './layout.js';
import type { OpenVolume } from './open-volume.js';
import { nowOf } from './volume.js';
import { readState } from './state.js';
import { switchDurably, switchTo, treeOf } from './tree.js';

/** Which release becomes current, and why. */
export interface Activation {
  readonly id: string;
  readonly action: HistoryEntry['action'];
  readonly seen?: SeenBundle | undefined;
}

/**
 * Steps 9 and 10 of the security page 5.1: the state is committed before the switch, because the other way round a crash
 * leaves new files over an old anti-rollback floor.
 */
export async function activate(volume: OpenVolume, activation: Activation): Promise<void> {
  await recordActivation(volume, activation);
  await volume.lock.assertHeld();
  const previous = currentId(volume);
  try {
    await switchDurably(volume.layout, activation.id, draftIn(volume));
  } catch (error) {
    await switchBack(volume, { from: activation.id, to: previous });
    throw error;
  }
  volume.tree = { kind: 'release', id: activation.id };
  await yieldToWinner(volume, activation.id);
}

/** Commits that `id` is about to become current. */
export async function recordActivation(volume: OpenVolume, { id, action, seen }: Activation): Promise<void> {
  const previous = currentId(volume);
  const floor = seen === undefined ? volume.state : withSeen(volume.state, seen);
  await commitState(
    volume,
    withEntry(floor, {
      at: formatTime(nowOf(volume.options)),
      action,
      release: id,
      ...(previous === undefined ? {} : { previous }),
      by: nameOf(volume.options.actor),
    }),
  );
}

/** Replaces state.json in one step. */
export async function commitState(volume: OpenVolume, state: State): Promise<void> {
  const draft = draftIn(volume);
  const { files } = volume.layout;
  await files.writeNew(draft, [stateBytes(state)]);
  await volume.lock.assertHeld();
  await renameDurably(files, draft, volume.layout.state);
  volume.state = state;
}

export const currentId = ({ tree }: OpenVolume): string | undefined =>
  tree.kind === 'release' ? tree.id : undefined;

const draftIn = ({ run }: OpenVolume): string => join(run, randomUUID());

/** A switch that failed half-way (the link moved, the flush did not) is taken back; readers keep what they had. */
async function switchBack(
  volume: OpenVolume,
  { from, to }: { from: string; to: string | undefined },
): Promise<void> {
  try {
    const tree = await treeOf(volume.layout);
    if (tree.kind !== 'release' || tree.id !== from) return;
    if (to === undefined) await volume.layout.files.unlink(volume.layout.link);
    else await switchTo(volume.layout, to, draftIn(volume));
  } catch {
    // The failure that led here is the one to report; both releases are complete and verified.
  }
}

/**
 * A run that was stopped for longer than its lease between the check of the lock and the switch has switched over what
 * somebody else published in between. The state is theirs, so it says what should be current.
 */
async function yieldToWinner(volume: OpenVolume, id: string): Promise<void> {
  try {
    await volume.lock.assertHeld();
  } catch (error) {
    // The switch is made: that the lock could not be looked at just now is no reason to call it failed.
    if (!isPlugferryError(error)) return;
    await restoreWinner(volume, id);
    throw error;
  }
}

async function restoreWinner(volume: OpenVolume, id: string): Promise<void> {
  const winner = (await readState(volume.layout))?.history.at(-1)?.release;
  if (
    winner === undefined ||
    winner === id ||
    !(await exists(volume.layout.files, releasePlugins(volume.layout, winner)))
  )
    return;
  await switchDurably(volume.layout, winner, draftIn(volume));
}
