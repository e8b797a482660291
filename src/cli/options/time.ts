import { PlugferryError } from '../../errors.js';
import { isMoment } from '../../schema/moment.js';

/**
 * A day (`2027-06-30`, UTC) or a second (`2027-06-30T12:00:00Z`) as the formats want it.
 *
 * @param edge which second of a day is meant: its first, or its last.
 * @throws PlugferryError `E_USAGE`.
 */
export function pointInTime(
  option: string,
  text: string | undefined,
  edge: 'start' | 'end',
): string | undefined {
  if (text === undefined) return undefined;
  const full = /^\d{4}-\d{2}-\d{2}$/.test(text)
    ? `${text}T${edge === 'start' ? '00:00:00' : '23:59:59'}Z`
    : text;
  if (isMoment(full)) return full;
  throw new PlugferryError('E_USAGE', `--${option}: "${text}" is not a day or time`, {
    hint: 'Write it as 2027-06-30 or 2027-06-30T12:00:00Z; times are UTC.',
    details: { found: text },
  });
}

/** What comes this much (`12h`, `90d`, `8w`) after a moment. */
function timeAfter(option: string, text: string, moment: Date): Date {
  const [, count, unit] = /^([1-9]\d{0,4})([hdw])$/.exec(text) ?? [];
  const hours = unit === 'h' ? 1 : unit === 'd' ? 24 : 24 * 7;
  if (count !== undefined) return new Date(moment.getTime() + Number(count) * hours * 3_600_000);
  throw new PlugferryError('E_USAGE', `--${option}: "${text}" is not a span of time`, {
    hint: 'Write it as 12h, 90d or 8w.',
    details: { found: text },
  });
}

interface ExpiryFlags {
  readonly 'expires-in': string | undefined;
  readonly 'expires-at': string | undefined;
}

/** When what `--expires-in` or `--expires-at` says is over; undefined for never. */
export function expiry(
  { 'expires-in': span, 'expires-at': moment }: ExpiryFlags,
  createdAt: Date,
): Date | undefined {
  if (span !== undefined && moment !== undefined) {
    throw new PlugferryError('E_USAGE', '--expires-in and --expires-at contradict each other', {
      hint: 'Give one of them.',
    });
  }
  if (span !== undefined) return timeAfter('expires-in', span, createdAt);
  const time = pointInTime('expires-at', moment, 'end');
  return time === undefined ? undefined : new Date(time);
}
