import { PlugferryError } from '../errors.js';
import { compareText } from '../plugin/plugin.js';

/** Shortest beginning of a release id that is taken: a slip of one or two characters should not pick a release. */
const minPrefix = 4;
/** How much of an id messages show. */
export const shortId = (id: string): string => id.slice(0, 12);

/**
 * The release id that `prefix` begins.
 *
 * @throws PlugferryError `E_NOT_FOUND`, also when more than one id begins so.
 */
export function releaseByPrefix(prefix: string, ids: Iterable<string>): string {
  const all = [...ids].toSorted(compareText);
  const matching = prefix.length < minPrefix ? [] : all.filter((id) => id.startsWith(prefix));
  const [first, second] = matching;
  if (first !== undefined && second === undefined) return first;
  const reason = second === undefined ? 'no kept release has this id' : 'more than one release id begins so';
  throw new PlugferryError('E_NOT_FOUND', `release ${prefix}: ${reason}`, {
    hint: `Give at least ${minPrefix} characters of one of: ${all.map(shortId).join(', ') || '(none)'}.`,
    details: { found: prefix, releases: all },
  });
}
