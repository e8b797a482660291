import { join } from 'node:path';
import { formatTime } from '../release/time.js';
import { appendAudit, releaseFields, type AuditEntry } from './audit.js';
import { rotateAudit } from './audit-rotation.js';
import type { OpenVolume } from './open-volume.js';
import { nowOf } from './volume.js';

/**
 * A change whose run ended between the switch and its line in the audit log gets the line now. One run makes two changes at
 * most: it adopts and publishes. Older ones are not looked for, because an operator may move an audit log away.
 */
export async function completeAudit(volume: OpenVolume): Promise<void> {
  const { options, state, releases, audited } = volume;
  for (const entry of state.history.slice(-2).filter(({ serial }) => serial > audited)) {
    const release = releases.complete.get(entry.release);
    await append(volume, {
      ...(release === undefined || entry.action === 'rollback' ? {} : releaseFields(release)),
      ...entry,
      at: formatTime(nowOf(options)),
      result: 'recovered',
    });
  }
}

/** What a line of the audit log says besides when, by whom and after which change. */
export type AuditNote = Omit<AuditEntry, 'serial' | 'at' | 'user' | 'host' | 'pid' | 'tool'>;

export function auditEntry({ state, options, vouched }: OpenVolume, note: AuditNote): AuditEntry {
  const { user, host, pid, tool } = options.actor;
  const safe = vouched.length === 0 ? {} : { safeDirectories: vouched.map(({ place }) => place) };
  return { serial: state.serial, at: formatTime(nowOf(options)), ...note, ...safe, user, host, pid, tool };
}

/** Appends to the audit log. The change itself is done by then, so a failure is told and made up for by the next run. */
export const audit = (volume: OpenVolume, note: AuditNote): Promise<void> =>
  append(volume, auditEntry(volume, note));

async function append(volume: OpenVolume, entry: AuditEntry): Promise<void> {
  const { layout, warnings, unaudited } = volume;
  unaudited.push(entry);
  await makeRoomInAudit(volume).catch((error: unknown) => {
    warnings.push(`${layout.audit} is long and could not be put aside yet (${reasonOf(error)})`);
  });
  try {
    for (let next = unaudited.at(0); next !== undefined; next = unaudited.at(0)) {
      await appendAudit(volume.layout, next);
      volume.audited = next.serial;
      unaudited.shift();
    }
  } catch (error) {
    warnings.push(
      `${layout.audit}: the line about this change could not be written yet (${reasonOf(error)})`,
    );
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Thins a long audit log, or puts it aside. */
export const makeRoomInAudit = ({ layout, run, lock, options }: OpenVolume): Promise<void> =>
  rotateAudit(layout, {
    draft: join(run, 'audit.jsonl'),
    now: nowOf(options),
    assertHeld: () => lock.assertHeld(),
  });
