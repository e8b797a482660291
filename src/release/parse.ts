import { PlugferryError } from '../errors.js';
import { parseDocument } from '../schema/parse.js';
import type { Release } from '../schema/release.js';
import { faultOf } from './release.js';

/** How a release record is named in errors, and what to do about one that is refused. */
export interface RecordPlace {
  /** The path or name of the release.json. */
  readonly file: string;
  readonly hint: string;
}

/**
 * The bytes of a `release.json` to the release `id`: schema, canonical form, names that are safe as paths, order, nothing twice,
 * and an id that is the digest of what is listed. Whoever reads a release reads it by this: a volume, ConfigMaps, the server.
 *
 * @param id 64 hex characters: the name of its directory, or the entry of the index.
 * @throws PlugferryError `E_RELEASE`.
 */
export function parseRelease(bytes: Uint8Array, id: string, { file, hint }: RecordPlace): Release {
  const release = parseDocument('release', bytes, { file, code: 'E_RELEASE', hint });
  const reason = faultOf(release, id);
  if (reason === undefined) return release;
  throw new PlugferryError('E_RELEASE', `${file}: ${reason}`, { hint, details: { file, found: reason } });
}
