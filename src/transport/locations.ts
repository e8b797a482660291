import { PlugferryError } from '../errors.js';
import { withoutCredentials } from '../http/address.js';
import { httpFile } from './http.js';
import { sftpFile } from './sftp/sftp.js';
import type { RemoteAccess, RemoteFile } from './transport.js';

type Open = (location: string, access: RemoteAccess) => RemoteFile;

/** One line for each scheme. */
const transports: Readonly<Record<string, Open>> = {
  sftp: (location, { ssh = {} }) => sftpFile(location, ssh),
  http: httpFile,
  https: httpFile,
};

/**
 * What moves the file at a location of another machine. Nothing is asked of that machine yet.
 *
 * @throws PlugferryError `E_USAGE` for a scheme that is not known, or an address that is none.
 */
export function transportFor(location: string, access: RemoteAccess = {}): RemoteFile {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(location)?.[1]?.toLowerCase() ?? '';
  const open = Object.hasOwn(transports, scheme) ? transports[scheme] : undefined;
  if (open !== undefined) return open(location, access);
  const file = withoutCredentials(location);
  throw new PlugferryError('E_USAGE', `"${file}" is not a place where a bundle can be`, {
    hint: 'Give a path, - for standard input or output, sftp://USER@HOST/PATH, or http(s)://HOST/PATH.',
    details: { file, expected: Object.keys(transports).join(', '), found: scheme },
  });
}
