import { createHash, timingSafeEqual } from 'node:crypto';
import { PlugferryError } from '../../errors.js';
import { escapeText } from '../../stream/text.js';
import { knownName, typeIn, type KnownKey } from './known-hosts.js';

/** How we know that the server is the one that is meant. */
export type HostTrust =
  /** Fingerprints `SHA256:...` that the operator gave. */
  | { readonly pins: readonly string[] }
  /** Lines of known_hosts that name the host, and the files that were looked through. */
  | { readonly known: readonly KnownKey[]; readonly files: readonly string[] };

export interface HostName {
  readonly host: string;
  readonly port: number;
}

/** In order of preference. `ssh-rsa`, which signs with SHA-1, is not among them. */
const signatureTypes: Readonly<Record<string, readonly string[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};

/** The fingerprint of a public key as `ssh-keygen -l` prints it. */
export const fingerprint = (key: Buffer): string =>
  `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;

/** Signature algorithms to offer: only those of key types known for the host, so that its known key is the one asked for. */
export function hostKeyAlgorithms(trust: HostTrust): readonly string[] {
  const types = 'pins' in trust ? [] : trust.known.filter(({ revoked }) => !revoked).map(({ type }) => type);
  const wanted = Object.keys(signatureTypes).filter((type) => types.length === 0 || types.includes(type));
  return wanted.flatMap((type) => signatureTypes[type] ?? []);
}

/**
 * Judges the key of a server. Never trusts on first use.
 *
 * @returns undefined for the key that is known.
 */
export function refusalOf(key: Buffer, trust: HostTrust, name: HostName): PlugferryError | undefined {
  if ('pins' in trust)
    return trust.pins.includes(fingerprint(key)) ? undefined : notPinned(key, trust.pins, name);
  const revoked = trust.known.find((line) => line.revoked && isSame(line.key, key));
  if (revoked !== undefined) return revokedKey(key, revoked, name);
  const good = trust.known.filter((line) => !line.revoked);
  if (good.some((line) => isSame(line.key, key))) return undefined;
  return good.length === 0 ? unknownKey(key, trust.files, name) : changedKey(key, good, name);
}

const isSame = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);

const shown = (key: Buffer): string => `${escapeText(typeIn(key) ?? 'unknown type')} ${fingerprint(key)}`;

const addressOf = ({ host, port }: HostName): string => escapeText(knownName(host, port));

function unknownKey(key: Buffer, files: readonly string[], name: HostName): PlugferryError {
  const { host, port } = name;
  const where = files.length === 0 ? 'no known_hosts file' : files.map(escapeText).join(', ');
  const scan = `ssh-keyscan${port === 22 ? '' : ` -p ${port}`} ${escapeText(host)}`;
  return new PlugferryError(
    'E_HOST_KEY',
    `${addressOf(name)}: the key of this server is not known (${where}): ${shown(key)}`,
    {
      hint:
        'Ask whoever runs the server for its fingerprint ("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" there). If it is ' +
        `the one above, add the line that "${scan}" prints to known_hosts, or give --host-key with the fingerprint.`,
      details: { file: host, found: fingerprint(key), port },
    },
  );
}

function changedKey(key: Buffer, known: readonly KnownKey[], name: HostName): PlugferryError {
  const line = known.find(({ type }) => type === typeIn(key)) ?? known[0];
  const place = line === undefined ? '' : `${escapeText(line.file)} line ${line.line}`;
  const expected = line === undefined ? '' : shown(line.key);
  return new PlugferryError(
    'E_HOST_KEY',
    `${addressOf(name)}: THE KEY OF THIS SERVER HAS CHANGED. It shows ${shown(key)}; ${place} says ${expected}. ` +
      'Somebody may be listening in between; nothing was sent',
    {
      hint: `Find out by another way why the key changed. If the server was set up anew, replace ${place}.`,
      details: { file: line?.file ?? '', line: line?.line ?? 0, expected, found: fingerprint(key) },
    },
  );
}

/** The server did not even offer a key of the types that are known for it. */
export function noKnownType(trust: HostTrust, name: HostName): PlugferryError {
  const line = 'pins' in trust ? undefined : trust.known.find(({ revoked }) => !revoked);
  const place =
    line === undefined ? '' : `: ${escapeText(line.file)} line ${line.line} says ${shown(line.key)}`;
  return new PlugferryError(
    'E_HOST_KEY',
    `${addressOf(name)}: the server has no host key of a type that is known for it and still safe${place}`,
    {
      hint: 'Find out by another way why its keys changed, and replace that line; or have the server make an ed25519 key.',
      details: { file: line?.file ?? name.host, line: line?.line ?? 0 },
    },
  );
}

function revokedKey(key: Buffer, line: KnownKey, name: HostName): PlugferryError {
  return new PlugferryError(
    'E_HOST_KEY',
    `${addressOf(name)}: the key of this server is revoked by ${escapeText(line.file)} line ${line.line}: ${shown(key)}`,
    {
      hint: 'Whoever holds this key may not be the server. Have the server make a new key, and add that to known_hosts.',
      details: { file: line.file, line: line.line, found: fingerprint(key) },
    },
  );
}

function notPinned(key: Buffer, pins: readonly string[], name: HostName): PlugferryError {
  return new PlugferryError(
    'E_HOST_KEY',
    `${addressOf(name)}: the server shows ${shown(key)}, expected ${pins.map(escapeText).join(' or ')}`,
    {
      hint:
        'Compare with what "ssh-keygen -lf" prints on the server for its key of that type, and find out by another way why ' +
        'it differs.',
      details: { file: name.host, expected: pins.join(' '), found: fingerprint(key) },
    },
  );
}
