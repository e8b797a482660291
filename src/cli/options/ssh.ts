import { homedir, userInfo } from 'node:os';
import type { SshSettings } from '../../index.js';
import type { OptionTable } from '../option-table.js';
import { askHidden, secretInFile, secretInVariable } from './secret.js';

/** Environment variables with secrets; there are no options for them, which other users of the machine could read. */
export const passwordVariable = 'PLUGFERRY_SSH_PASSWORD';
export const passphraseVariable = 'PLUGFERRY_SSH_PASSPHRASE';

/** Options of every command that can go to `sftp://`. */
export const sshOptions = {
  'host-key': {
    type: 'string',
    array: true,
    describe:
      'Fingerprint SHA256:... that the key of the SSH server must have, in place of known_hosts (repeatable)',
  },
  identity: {
    type: 'string',
    array: true,
    alias: 'i',
    describe: 'Private key file to log in with (repeatable; default: ssh-agent, then those of ~/.ssh)',
  },
  'known-hosts': {
    type: 'string',
    array: true,
    describe:
      'File with keys of SSH servers (repeatable; default: ~/.ssh/known_hosts, /etc/ssh/ssh_known_hosts)',
  },
  'ssh-config': {
    type: 'string',
    describe: 'File with HostName, Port, User and IdentityFile of hosts (default: ~/.ssh/config)',
  },
  'ssh-password-file': {
    type: 'string',
    describe: `File with the password to log in with (one line; or ${passwordVariable}, or the prompt)`,
  },
  'ssh-passphrase-file': {
    type: 'string',
    describe: `File with the passphrase of the private key to log in with (one line; or ${passphraseVariable}, or the prompt)`,
  },
} as const satisfies OptionTable;

/** The positional of every command about a volume. */
export const volumePlace = {
  type: 'string',
  demandOption: true,
  describe: 'Directory of the volume, or sftp://USER@HOST/PATH',
} as const;

/** Option of every command that changes or checks a volume. */
export const safeDirectoryOption = {
  'safe-directory': {
    type: 'string',
    array: true,
    describe:
      'Directory that others may write and that is to count as yours: the volume, or one above it; logged (repeatable)',
  },
} as const satisfies OptionTable;

/** The directories that `--safe-directory` names. */
export const safeDirectoriesFrom = (flags: { readonly 'safe-directory'?: Words }): string[] =>
  (flags['safe-directory'] ?? []).map(String);

type Words = readonly (string | number)[] | undefined;

export interface SshFlags {
  readonly 'host-key': Words;
  readonly identity: Words;
  readonly 'known-hosts': Words;
  readonly 'ssh-config': string | undefined;
  readonly 'ssh-password-file': string | undefined;
  readonly 'ssh-passphrase-file': string | undefined;
}

/** How SSH servers are known and logged in to. Nothing is read or asked before a server wants it. */
export function sshSettings(flags: SshFlags): SshSettings {
  const { 'ssh-password-file': passwordFile, 'ssh-passphrase-file': passphraseFile } = flags;
  return {
    hostKeys: flags['host-key']?.map(String),
    identities: flags.identity?.map(String),
    knownHosts: flags['known-hosts']?.map(String),
    config: flags['ssh-config'],
    agent: process.env['SSH_AUTH_SOCK'],
    home: homedir(),
    user: userName(),
    password: async (who) =>
      passwordFile === undefined
        ? (secretInVariable(passwordVariable, 'password') ?? answer(`Password of ${who}: `))
        : secretInFile(passwordFile, 'password'),
    passphrase: async (file) =>
      passphraseFile === undefined
        ? (secretInVariable(passphraseVariable, 'passphrase') ?? answer(`Passphrase of ${file}: `))
        : secretInFile(passphraseFile, 'passphrase'),
  };
}

/** In a container the user id may have no name. */
function userName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}

const answer = async (question: string): Promise<Buffer | undefined> => (await askHidden([question]))?.[0];
