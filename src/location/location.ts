import { posix } from 'node:path';
import { PlugferryError } from '../errors.js';

/** Whether a location names a place on another machine, by its scheme: `sftp://`, `https://`, ... */
export const isRemote = (location: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//i.test(location);

/** Whether a location is named after a bundle file, rather than a directory or a server. */
export const namesBundle = (location: string): boolean => /\.(?:tar\.gz|tgz|zip)$/i.test(location);

/** The name of the file at a location, if that can be a name here. */
export function lastName(location: string): string {
  const path = URL.canParse(location) ? new URL(location).pathname : '';
  try {
    const name = decodeURIComponent(posix.basename(path));
    if (/^[\w][\w.+@ -]*$/.test(name) && !path.endsWith('/')) return name;
  } catch {
    // A name that cannot be decoded is none.
  }
  throw new PlugferryError('E_USAGE', 'the location does not end in a plain file name', {
    hint: 'Give the name of the file to write with -o.',
    details: { expected: 'a file name', found: posix.basename(path) },
  });
}
