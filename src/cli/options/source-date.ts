import { PlugferryError } from '../../errors.js';
import { isAhead } from '../../trust/dates.js';

/** SOURCE_DATE_EPOCH as reproducible-builds.org defines it: whole seconds since 1970. */
export function sourceDate(value: string | undefined): Date | undefined {
  if (value === undefined || value === '') return undefined;
  if (/^\d{1,11}$/.test(value)) return passed(new Date(Number(value) * 1000));
  throw new PlugferryError('E_USAGE', `SOURCE_DATE_EPOCH is "${value}", expected seconds since 1970`, {
    hint: 'Set it to a whole number, for example $(git log -1 --format=%ct), or unset it.',
    details: { found: value },
  });
}

/** What is created in the future, every receiver refuses whose clock is right. */
function passed(createdAt: Date): Date {
  const now = new Date();
  if (!isAhead(createdAt, now)) return createdAt;
  throw new PlugferryError(
    'E_CLOCK',
    `SOURCE_DATE_EPOCH is ${createdAt.toISOString()}, which is in the future`,
    {
      hint: 'Correct the clock here, or set it to a time that has passed, for example $(git log -1 --format=%ct).',
      details: { expected: now.toISOString(), found: createdAt.toISOString() },
    },
  );
}
