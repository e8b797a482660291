/**
 * Whether a text is a time as every document of Plugferry writes it, UTC to the second (`2026-01-31T09:00:00Z`), and exists:
 * `Date.parse` takes 30 February and 24:00 for the day after, and other readers take neither, or something else.
 */
export function isMoment(text: string): boolean {
  const moment = new Date(text);
  // JavaScript also has years of six digits, with a sign.
  return (
    /^\d{4}-/.test(text) &&
    !Number.isNaN(moment.getTime()) &&
    moment.toISOString() === text.replace(/Z$/, '.000Z')
  );
}

/** What `format` says in the schemas; `npm run gen` puts it into the validators. */
export const formats = { 'date-time': isMoment } as const;
