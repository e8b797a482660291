import { PlugferryError, systemCode } from '../../errors.js';
import { escapeText } from '../../stream/text.js';
import { knownName } from '../ssh/known-hosts.js';
import type { SshTarget } from '../ssh/settings.js';

/** Status codes of the protocol (draft-ietf-secsh-filexfer-02, 7) as the system errors that servers make them from. */
const systemCodes: Readonly<Record<number, string>> = {
  2: 'ENOENT',
  3: 'EACCES',
  // OpenSSH says this of everything else: full disks, names that are taken, directories that are not empty.
  4: 'EFAILURE',
  5: 'EINVAL',
  8: 'ENOTSUP',
};

/** What the server answered to one request, in the shape of a system error. */
export class SftpFailure extends Error {
  readonly code: string;
  readonly errno = -1;
  readonly path: string;

  constructor(code: string, path: string, said: string) {
    super(`${code}: ${escapeText(said).slice(0, 200)}, ${path}`);
    this.code = code;
    this.path = path;
  }

  /** Undefined for an error that is not an answer of the server. */
  static from(error: Error, path: string): SftpFailure | undefined {
    if (/does not support this extended request/.test(error.message)) {
      return new SftpFailure('ENOTSUP', path, error.message);
    }
    const status = 'code' in error && typeof error.code === 'number' ? systemCodes[error.code] : undefined;
    return status === undefined ? undefined : new SftpFailure(status, path, error.message);
  }
}

export const isFailure = (error: unknown, ...codes: readonly string[]): error is SftpFailure =>
  error instanceof SftpFailure && (codes.length === 0 || codes.includes(error.code));

/** An answer of the server about the one file that a command is about, as an error that says what to do. */
export function fileError(error: unknown, name: string): unknown {
  if (!(error instanceof SftpFailure)) return error;
  const details = { file: name, found: error.code };
  switch (error.code) {
    case 'ENOENT':
      return new PlugferryError('E_NOT_FOUND', `${name}: no such file or directory on the server`, {
        hint: 'Check the path. It is absolute; one that begins with /~/ starts in the home of the user.',
        details,
        cause: error,
      });
    case 'EACCES':
      return new PlugferryError('E_IO', `${name}: the server denies permission`, {
        hint: 'Log in as a user who may read or write there, or name another directory.',
        details,
        cause: error,
      });
    default:
      return new PlugferryError('E_IO', `${name}: the server failed: ${error.message}`, {
        hint: 'Check the file system of the server and its log, then run the same command again.',
        details,
        cause: error,
      });
  }
}

const again = 'Check the network and the server, then run the same command again.';

const addressOf = ({ host, port }: Pick<SshTarget, 'host' | 'port'>): string =>
  escapeText(knownName(host, port));

export function lost(target: SshTarget, cause: Error | undefined): PlugferryError {
  const reason = cause === undefined ? 'it was closed' : escapeText(cause.message).slice(0, 200);
  return new PlugferryError('E_NETWORK', `${addressOf(target)}: the connection was lost: ${reason}`, {
    hint: again,
    details: { file: target.host, port: target.port },
    cause,
  });
}

export const stalled = (target: SshTarget): PlugferryError =>
  new PlugferryError('E_NETWORK', `${addressOf(target)}: the server does not answer any more`, {
    hint: again,
    details: { file: target.host, port: target.port },
  });

/** Why there is no connection. */
export function connectionFailure(error: unknown, target: SshTarget): PlugferryError {
  const code = systemCode(error);
  const said = error instanceof Error ? escapeText(error.message).slice(0, 200) : 'unknown';
  // Trying again does not help against a wrong name, nor where the two sides have no algorithm in common.
  const final = code === 'ENOTFOUND' || said.includes('no matching');
  const reasons: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'nobody listens there (ECONNREFUSED)',
    ENOTFOUND: 'there is no such host (ENOTFOUND)',
    ETIMEDOUT: 'no answer (ETIMEDOUT)',
    EHOSTUNREACH: 'there is no way to it (EHOSTUNREACH)',
  };
  return new PlugferryError(
    'E_NETWORK',
    `${addressOf(target)}: cannot connect: ${reasons[code ?? ''] ?? said}`,
    {
      hint: 'Check host and port, the network and the server, then run the same command again.',
      details: { file: target.host, port: target.port, found: code ?? said, ...(final ? { final } : {}) },
      cause: error,
    },
  );
}

export function refusedLogin(target: SshTarget, tried: readonly string[]): PlugferryError {
  const ways = [...new Set(tried)];
  const what = ways.length === 0 ? 'there was nothing to log in with' : `tried: ${ways.join(', ')}`;
  return new PlugferryError(
    'E_LOGIN',
    `${addressOf(target)}: the server does not let ${escapeText(target.user)} in (${what})`,
    {
      hint:
        'Give the right key (--identity FILE, or ssh-agent) or password (--ssh-password-file FILE, or ' +
        'PLUGFERRY_SSH_PASSWORD), and check the name of the user.',
      details: { file: target.host, user: target.user, tried: ways },
    },
  );
}
