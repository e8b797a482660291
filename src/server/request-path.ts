/** What a request target asks for, or why it is none: the text of a 400. */
export type RequestPath = { readonly path: string } | { readonly malformed: string };

/**
 * Brings a request target to the one spelling that the index is looked up by, as nginx does before it chooses a file: a
 * gateway whose base URL ends in a slash, or a client that encodes more than it has to, gets the same plugin there and here.
 * `http://host/path` counts as `/path` (RFC 9112 section 3.2.2), `%2D` as `-` (RFC 3986 section 6.2.2.2), slashes in a row
 * as one, and `.` and `..` are resolved, after one round of decoding. The result is only ever compared with paths of the index,
 * so a name that holds what was decoded (`%252e`, `%5c`) is simply a name that nobody serves.
 *
 * @param target as it came, bytes as Latin-1, with or without a query.
 */
export function requestPath(target: string): RequestPath {
  const origin = target.startsWith('/') ? target : originForm(target);
  if (origin === undefined) return { malformed: 'the request target is no path' };
  const decoded = decodeOnce(origin.split(/[?#]/, 1)[0] ?? '');
  if (decoded === undefined || decoded.includes('\0'))
    return { malformed: 'the path is not encoded properly' };
  const segments = resolved(decoded.split('/').slice(1));
  if (segments === undefined) return { malformed: 'the path leads above the root' };
  return { path: `/${segments.join('/')}` };
}

/** The path of an absolute-form target. What host it names decides nothing, as `Host` decides nothing. */
const originForm = (target: string): string | undefined => {
  const found = /^https?:\/\/[^/?#]+(.*)$/is.exec(target);
  if (found === null) return undefined;
  const rest = found[1] ?? '';
  return rest.startsWith('/') ? rest : `/${rest}`;
};

/** undefined where a percent sign is not followed by two hexadecimal digits. */
function decodeOnce(path: string): string | undefined {
  if (!path.includes('%')) return path;
  if (/%(?![0-9a-f]{2})/i.test(path)) return undefined;
  return path.replace(/%([0-9a-f]{2})/gi, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** Without empty and dotted segments; a last one that is empty or dotted leaves a final slash. */
function resolved(segments: readonly string[]): readonly string[] | undefined {
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === '..' && kept.pop() === undefined) return undefined;
    if (segment !== '' && segment !== '.' && segment !== '..') kept.push(segment);
  }
  const last = segments.at(-1) ?? '';
  return last === '' || last === '.' || last === '..' ? [...kept, ''] : kept;
}
