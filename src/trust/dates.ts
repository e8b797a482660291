import { PlugferryError } from '../errors.js';
import type { Manifest } from '../schema/manifest.js';
import { failed, passed, type Ruling } from './rule-result.js';

/** How far clocks may be apart before a bundle "from the future" is refused, in milliseconds. */
const tolerance = 24 * 60 * 60 * 1000;

/** The clock of this machine, and the latest time that it knows to have passed. */
export interface Moment {
  readonly clock: Date;
  /** The newest creation time of a bundle that was verified here: a clock that was set back does not go behind it. */
  readonly lastSeen?: string | undefined;
}

export const nowAt = ({ clock, lastSeen }: Moment): Date =>
  lastSeen === undefined ? clock : new Date(Math.max(clock.getTime(), Date.parse(lastSeen)));

/** What a bundle says of its own time, which holds whoever trusts it. */
export function judgeByDates({ createdAt, expiresAt }: Manifest, moment: Moment): readonly Ruling[] {
  return [creation(createdAt, moment.clock), expiry(expiresAt, nowAt(moment))];
}

/** Whether a time of creation lies further ahead of a clock than clocks may be apart. */
export const isAhead = (createdAt: Date, clock: Date): boolean =>
  createdAt.getTime() > clock.getTime() + tolerance;

function creation(createdAt: string, clock: Date): Ruling {
  if (!isAhead(new Date(createdAt), clock)) return passed('creation time', createdAt);
  const error = new PlugferryError(
    'E_CLOCK',
    `this bundle was created at ${createdAt}, which is in the future: the clock here says ${toSeconds(clock)}`,
    {
      hint: 'One of the two clocks is wrong. Correct this one, or have the bundle exported again with the right time.',
      details: { expected: toSeconds(clock), found: createdAt },
    },
  );
  return failed('creation time', error);
}

function expiry(expiresAt: string | undefined, now: Date): Ruling {
  if (expiresAt === undefined) return passed('expiry', 'none');
  if (now.getTime() <= Date.parse(expiresAt)) return passed('expiry', expiresAt);
  const error = new PlugferryError(
    'E_EXPIRED',
    `this bundle expired at ${expiresAt}; it is ${toSeconds(now)}`,
    {
      hint: 'Ask its sender to export it again; what has expired may have known faults.',
      details: { expected: toSeconds(now), found: expiresAt },
    },
  );
  return failed('expiry', error);
}

const toSeconds = (date: Date): string => `${date.toISOString().slice(0, 19)}Z`;
