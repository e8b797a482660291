import { PlugferryError } from '../../errors.js';
import { escapeText } from '../../stream/text.js';
import type { SshAddress } from '../ssh/settings.js';

/** A file or directory on a server. */
export interface SftpLocation extends SshAddress {
  /** Absolute, or relative to the home of the user. */
  readonly path: string;
  /** For messages: without user. */
  readonly name: string;
}

/**
 * Reads `sftp://[user@]host[:port]/path`. A path that begins with `/~/` starts in the home of the user, as with curl.
 *
 * @throws PlugferryError `E_USAGE`, also for a password, which has no place on a command line.
 */
export function sftpLocation(text: string): SftpLocation {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'sftp:' || url.hostname === '') throw malformed(text, 'it is not an sftp:// address');
  if (url.password !== '') throw withPassword(url);
  if (url.search !== '' || url.hash !== '') throw malformed(text, 'write ? as %3F and # as %23');
  const path = decoded(url.pathname, text);
  if (path.includes('\0') || path === '' || path === '/') throw malformed(text, 'it names no path');
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    host: decoded(host, text),
    ...(url.port === '' ? {} : { port: Number(url.port) }),
    ...(url.username === '' ? {} : { user: decoded(url.username, text) }),
    path: path.startsWith('/~/') ? path.slice(3) : path,
    name: `sftp://${url.host}${url.pathname}`,
  };
}

function decoded(text: string, whole: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw malformed(whole, 'a % stands before something that is not two hex digits');
  }
}

const malformed = (text: string, reason: string): PlugferryError =>
  new PlugferryError('E_USAGE', `${escapeText(text)}: ${reason}`, {
    hint: 'Write sftp://USER@HOST/PATH or sftp://USER@HOST:PORT/PATH.',
    details: { file: text },
  });

const withPassword = (url: URL): PlugferryError =>
  new PlugferryError('E_USAGE', `sftp://${url.host}${url.pathname}: a password stands in the address`, {
    hint:
      'Everybody on this machine can read it there, so change it. Give it by --ssh-password-file FILE, by ' +
      'PLUGFERRY_SSH_PASSWORD or at the prompt.',
    details: { file: `sftp://${url.host}${url.pathname}` },
  });
