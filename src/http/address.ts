import { PlugferryError } from '../errors.js';

/** Where a server stands, and what it wants to know of its caller. */
export interface HttpAddress {
  /** Without user, password, query and fragment. */
  readonly url: URL;
  /** Value of the Authorization header; undefined where the location names nobody. */
  readonly authorization: string | undefined;
}

export const isHttpLocation = (location: string): boolean => /^https?:\/\//i.test(location);

/** A location as it may be shown: without user, password and query, whether or not it is a URL. */
export const withoutCredentials = (location: string): string =>
  location.replace(/^([a-z][a-z0-9+.-]*:\/\/).*@/i, '$1').replace(/^(https?:\/\/[^?]*)\?.*$/is, '$1?(...)');

/** A URL as messages name it: the query of a redirect may be a key to what lies there. */
export const displayUrl = ({ origin, pathname, search }: URL): string =>
  `${origin}${pathname}${search === '' ? '' : '?(...)'}`;

/**
 * Reads a location that the user gave. `http://user:password@host/` becomes a Basic authorization (RFC 7617) and a URL that
 * can be shown and recorded.
 *
 * @param query whether it may have one, as the address of a single file may, which is never recorded.
 * @throws PlugferryError `E_USAGE` when it is not an http(s) URL, or carries a fragment, or a query where there may be none.
 */
export function parseHttpAddress(location: string, { query = false } = {}): HttpAddress {
  const url = isHttpLocation(location) && URL.canParse(location) ? new URL(location) : undefined;
  if (url === undefined) throw unusable(location, 'is not an http or https URL');
  if ((url.search !== '' && !query) || url.hash !== '')
    throw unusable(location, query ? 'has a fragment' : 'has a query or a fragment');
  const { username, password } = url;
  url.username = '';
  url.password = '';
  if (username === '' && password === '') return { url, authorization: undefined };
  const pair = [username, password].map((part) => decoded(part, location)).join(':');
  return { url, authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

function decoded(part: string, location: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw unusable(location, 'has a user or password that is not percent-encoded UTF-8');
  }
}

function unusable(location: string, trouble: string): PlugferryError {
  const shown = withoutCredentials(location);
  return new PlugferryError('E_USAGE', `"${shown}" ${trouble}`, {
    hint: 'Write it as http://host:8080/plugins/ or https://host/plugins/',
    details: { file: shown, expected: 'http(s)://host[:port]/path', found: shown },
  });
}
