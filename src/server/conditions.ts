import type { IncomingHttpHeaders } from 'node:http';

/** What conditional headers are compared with. */
export interface Validators {
  /** Strong, with its quotes. */
  readonly etag: string;
  /** An HTTP date. */
  readonly lastModified?: string | undefined;
}

/**
 * Decides the conditional headers of a GET or HEAD in the order of RFC 9110 section 13.2.2.
 *
 * A date in `If-Modified-Since` must be the very one that was sent out, as nginx has it by default: after a rollback the served
 * file is older than the copy of the asker, and "not newer" would leave the withdrawn plugin in place. `If-Unmodified-Since`
 * holds for any date that is not earlier than ours (RFC 9110 section 13.1.4).
 *
 * @returns the status that ends the request, or undefined to go on.
 */
export function failedCondition(headers: IncomingHttpHeaders, current: Validators): 304 | 412 | undefined {
  const unmodifiedSince = headers['if-unmodified-since'];
  if (headers['if-match'] !== undefined) {
    if (!names(headers['if-match'], current.etag, 'strong')) return 412;
  } else if (unmodifiedSince !== undefined && current.lastModified !== undefined) {
    if (Date.parse(unmodifiedSince) < Date.parse(current.lastModified)) return 412;
  }
  if (headers['if-none-match'] !== undefined) {
    return names(headers['if-none-match'], current.etag, 'weak') ? 304 : undefined;
  }
  const modifiedSince = headers['if-modified-since'];
  return modifiedSince !== undefined && sameDate(modifiedSince, current.lastModified) ? 304 : undefined;
}

/**
 * Whether `If-Range` lets a range through: only for our strong tag. A date is allowed in the header, but a change within
 * the same second would go unseen and splice two modules together, so it is answered with the whole file.
 */
export const rangeIsCurrent = (ifRange: string | readonly string[] | undefined, etag: string): boolean =>
  ifRange === undefined || ifRange === etag;

/** Whether a list of entity tags, or `*`, names this one. Weak comparison overlooks the `W/` mark (RFC 9110, 8.8.3.2). */
function names(list: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (list.trim() === '*') return true;
  for (const [tag, weak] of list.matchAll(/(W\/)?"[^"]*"/g)) {
    if (comparison === 'strong' && weak !== undefined) continue;
    if (tag.slice(weak?.length ?? 0) === etag) return true;
  }
  return false;
}

const sameDate = (text: string, date: string | undefined): boolean =>
  date !== undefined && Date.parse(text) === Date.parse(date);
