import { isPlugferryError, PlugferryError, systemCode } from '../errors.js';

const fullCodes = new Set(['ENOSPC', 'EDQUOT']);
const hints: Readonly<Record<string, string>> = {
  EROFS: 'The file system is mounted read-only. Run where it is writable.',
  EACCES: 'Run as the user who owns the volume, or give that directory to the user who imports.',
  EPERM: 'Run as the user who owns the volume, or give that directory to the user who imports.',
  EIO: 'The medium or its connection fails. Check the system log, then run again.',
  ESTALE: 'The network file system lost the directory. Mount it again, then run again.',
  EMFILE: 'Too many files are open. Raise the limit (ulimit -n), then run again.',
};

/** A failed system call as an error that says which volume, which path and what to do. Other errors come back as they are. */
export function volumeFailure(error: unknown, root: string): unknown {
  if (isPlugferryError(error) || !(error instanceof Error)) return error;
  if (error.name === 'AbortError') return interrupted(error);
  const code = systemCode(error);
  if (code === undefined || !('errno' in error)) return error;
  const path = 'path' in error && typeof error.path === 'string' ? error.path : root;
  if (code === 'ELOOP' && /\/\.plugferry(?:\/|$)/.test(path)) return linkInTheWay(path);
  const details = { file: path, found: code, volume: root };
  if (fullCodes.has(code)) {
    return new PlugferryError('E_NO_SPACE', `${root}: no space left (${code}) at ${path}`, {
      hint: 'Free space or raise the quota, then run again. Old releases go with "plugferry prune".',
      details,
      cause: error,
    });
  }
  return new PlugferryError(
    'E_IO',
    `${root}: ${error.message}${error.message.includes(path) ? '' : ` (${path})`}`,
    {
      hint: hints[code] ?? 'See the message of the system above, then run again.',
      details,
      cause: error,
    },
  );
}

/** What opening a link without following it fails with, as an error of the system. */
export const linkFailure = (path: string): Error =>
  Object.assign(new Error(`ELOOP: a symbolic link, ${path}`), { code: 'ELOOP', path, errno: -1 });

export const linkInTheWay = (path: string): PlugferryError =>
  new PlugferryError(
    'E_RELEASE',
    `${path} is a symbolic link, and Plugferry goes through none where it keeps its own`,
    {
      hint: 'Find out who put it there and where it leads. Put the directory or file itself in its place, or remove the link; then run again.',
      details: { file: path, found: 'a symbolic link' },
    },
  );

export function noVolume(root: string, cause?: unknown): PlugferryError {
  return new PlugferryError('E_NOT_FOUND', `${root} is not a volume, or does not exist`, {
    hint: 'Check the path. "plugferry import BUNDLE --to DIRECTORY" makes a volume.',
    details: { file: root },
    cause,
  });
}

function interrupted(error: Error): unknown {
  if (isPlugferryError(error.cause)) return error.cause;
  return new PlugferryError('E_INTERRUPTED', 'stopped before the change was made', { cause: error });
}
