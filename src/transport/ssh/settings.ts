import { join } from 'node:path';
import { PlugferryError } from '../../errors.js';
import { isUsualFile } from '../../files/open-regular.js';
import { readUnwritableFile } from '../../files/key-file.js';
import { hostConfig, type HostConfig } from './config.js';
import type { HostTrust } from './host-key.js';
import { knownKeys, knownName } from './known-hosts.js';

/** What the operator says about SSH connections, and how to ask for what is secret. */
export interface SshSettings {
  /** Fingerprints `SHA256:...` of which the server's key must have one; known_hosts is then not looked at. */
  readonly hostKeys?: readonly string[] | undefined;
  /** A file in place of `~/.ssh/config`. */
  readonly config?: string | undefined;
  /** Files in place of `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`. */
  readonly knownHosts?: readonly string[] | undefined;
  /** Private key files, tried before the agent and in place of those of `~/.ssh`. */
  readonly identities?: readonly string[] | undefined;
  /** Socket of an ssh-agent. */
  readonly agent?: string | undefined;
  /** Holds `.ssh`. Without it neither config, known_hosts nor keys of a user are looked for. */
  readonly home?: string | undefined;
  /** For a location that names no user. */
  readonly user?: string | undefined;
  /** The passphrase of a key file; undefined when there is none. Asked at most once for each file. */
  readonly passphrase?: ((file: string) => Promise<Buffer | undefined>) | undefined;
  /** The password of `user@host`; undefined when there is none. Asked at most once for each connection that wants it. */
  readonly password?: ((who: string) => Promise<Buffer | undefined>) | undefined;
}

/** Where to, as whom, and how to know the other side: everything that a connection is made of but the secrets. */
export interface SshTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly trust: HostTrust;
  /** Keys that the operator named. */
  readonly named: readonly string[];
  /** Keys that are only tried when they are there. */
  readonly usual: readonly string[];
}

/** `sftp://user@host:port`, as a location says it. */
export interface SshAddress {
  readonly host: string;
  readonly port?: number | undefined;
  readonly user?: string | undefined;
}

const maxKnownHosts = 16 * 1024 * 1024;
const maxConfig = 1024 * 1024;
const usualKeys = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/**
 * Reads config and known_hosts for one address. What the location says goes before what the config says.
 *
 * @throws PlugferryError `E_USAGE` for an unusable config or fingerprint, `E_NOT_FOUND` for a named file that is not there.
 */
export async function sshTarget(address: SshAddress, settings: SshSettings): Promise<SshTarget> {
  const { home, identities = [] } = settings;
  const config = await configOf(address.host, settings);
  const host = config.hostName ?? address.host;
  const port = address.port ?? config.port ?? 22;
  const user = address.user ?? config.user ?? settings.user;
  if (user === undefined) throw noUser(address.host);
  const expand = (path: string): string =>
    path
      .replace(/^~(?=\/|$)/, home ?? '~')
      .replace(
        /%[dhru%]/g,
        (token) => ({ '%d': home, '%h': host, '%r': user, '%u': settings.user, '%%': '%' })[token] ?? token,
      );
  const configured = config.identityFiles.map(expand);
  const usual = home === undefined ? [] : usualKeys.map((name) => join(home, '.ssh', name));
  return {
    host,
    port,
    user,
    trust: await trustIn(settings, knownName(host, port)),
    named: identities,
    usual: identities.length > 0 ? [] : configured.length > 0 ? configured : usual,
  };
}

async function configOf(alias: string, { config, home }: SshSettings): Promise<HostConfig> {
  const usual = home === undefined ? undefined : join(home, '.ssh', 'config');
  const file = config ?? (usual !== undefined && (await isUsualFile(usual)) ? usual : undefined);
  if (file === undefined) return { identityFiles: [] };
  return hostConfig((await readUnwritableFile(file, 'SSH config', maxConfig)).toString('utf8'), alias, file);
}

async function trustIn({ hostKeys, knownHosts, home }: SshSettings, name: string): Promise<HostTrust> {
  if (hostKeys !== undefined) return { pins: hostKeys.map(pinned) };
  const usual = [
    ...(home === undefined ? [] : [join(home, '.ssh', 'known_hosts')]),
    '/etc/ssh/ssh_known_hosts',
  ];
  const files: string[] = [];
  for (const file of knownHosts ?? usual)
    if (knownHosts !== undefined || (await isUsualFile(file))) files.push(file);
  const known = await Promise.all(
    files.map(async (file) =>
      knownKeys(
        (await readUnwritableFile(file, 'known_hosts', maxKnownHosts)).toString('latin1'),
        name,
        file,
      ),
    ),
  );
  return { known: known.flat(), files };
}

/** @throws PlugferryError `E_USAGE`: MD5 fingerprints prove nothing any more. */
function pinned(text: string): string {
  if (/^SHA256:[A-Za-z0-9+/]{43}=?$/.test(text)) return text.replace(/=$/, '');
  throw new PlugferryError('E_USAGE', `--host-key: "${text}" is not a SHA256 fingerprint`, {
    hint: 'Give it as "ssh-keygen -lf" prints it: SHA256: and 43 characters.',
    details: { found: text },
  });
}

const noUser = (host: string): PlugferryError =>
  new PlugferryError('E_USAGE', `sftp://${host}: no user is named`, {
    hint: `Name one: sftp://USER@${host}/...`,
    details: { file: host },
  });
