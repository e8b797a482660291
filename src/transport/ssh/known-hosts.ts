import { createHmac, timingSafeEqual } from 'node:crypto';
import { matchesHost } from './pattern.js';

/** A line of known_hosts that names our host. */
export interface KnownKey {
  readonly file: string;
  readonly line: number;
  /** `@revoked`: this key must not be believed, whatever other lines say. */
  readonly revoked: boolean;
  /** `ssh-ed25519`, `ssh-rsa`, ... */
  readonly type: string;
  /** The public key as SSH sends it. */
  readonly key: Buffer;
}

/** How known_hosts names a host: with its port unless that is 22. */
export const knownName = (host: string, port: number): string =>
  port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`;

/**
 * The lines of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT) that name a host: plain, hashed, with wildcards and
 * negation. A line that cannot be read counts for nothing, and so does `@cert-authority`: we do not check certificates.
 *
 * @param name as {@link knownName} gives it.
 */
export function knownKeys(text: string, name: string, file: string): KnownKey[] {
  const found: KnownKey[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const words = line.trim().split(/[ \t]+/);
    const marker = words[0]?.startsWith('@') === true ? words.shift() : undefined;
    const [hosts = '', type = '', base64 = ''] = words;
    if (hosts === '' || hosts.startsWith('#') || (marker !== undefined && marker !== '@revoked')) continue;
    const key = Buffer.from(base64, 'base64');
    if (typeIn(key) !== type || !names(hosts, name)) continue;
    found.push({ file, line: index + 1, revoked: marker === '@revoked', type, key });
  }
  return found;
}

/** The type that a public key says of itself; undefined for what is not a key. */
export function typeIn(key: Buffer): string | undefined {
  if (key.length < 4) return undefined;
  const length = key.readUInt32BE(0);
  return length <= 64 && key.length >= 4 + length ? key.toString('latin1', 4, 4 + length) : undefined;
}

function names(hosts: string, name: string): boolean {
  if (!hosts.startsWith('|')) return matchesHost(hosts.split(','), name);
  const [, version, salt = '', hash = ''] = hosts.split('|');
  if (version !== '1') return false;
  const expected = Buffer.from(hash, 'base64');
  const found = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return expected.length === found.length && timingSafeEqual(expected, found);
}
