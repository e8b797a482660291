import { tmpdir } from 'node:os';
import { isPlugferryError, PlugferryError, systemCode } from '../errors.js';

/**
 * A system error met while writing, as a {@link PlugferryError} that says what to do; anything else is handed back as it
 * is.
 */
export function ioError(error: unknown, path: string): unknown {
  if (isPlugferryError(error)) return error;
  const code = systemCode(error);
  if (code === 'ERR_FS_EISDIR' || code === 'EISDIR') return directoryThere(error, path);
  if (code === undefined || !/^E[A-Z0-9]+$/.test(code)) return error;
  const details = { file: path, found: code };
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new PlugferryError('E_NO_SPACE', `${path}: no space left (${code})`, {
        hint: 'Free some space or raise the quota, then run the same command again.',
        details,
        cause: error,
      });
    case 'ENOENT':
    case 'ENOTDIR':
      return new PlugferryError('E_NOT_FOUND', `${path}: the directory does not exist`, {
        hint: 'Create the directory first, or check the path.',
        details,
        cause: error,
      });
    case 'ENAMETOOLONG':
      return new PlugferryError('E_IO', `${path}: the name is too long for its file system (${code})`, {
        hint: 'Choose a shorter name: most file systems take 255 bytes, and ".partial" is added while the file is written.',
        details,
        cause: error,
      });
    case 'ELOOP':
      return new PlugferryError('E_IO', `${path}: the symbolic links on the way lead in a circle (ELOOP)`, {
        hint: 'Look where they lead ("ls -l"), and name the directory itself.',
        details,
        cause: error,
      });
    default:
      return new PlugferryError('E_IO', `${path}: ${reasonOf(code)}`, {
        hint: 'Check permissions and mount options, then run the same command again.',
        details,
        cause: error,
      });
  }
}

/** {@link ioError} for a temporary file: a full disk is that of the directory, and another one can be named. */
export function temporaryError(error: unknown, directory: string): unknown {
  const code = systemCode(error);
  if (isPlugferryError(error) || (code !== 'ENOSPC' && code !== 'EDQUOT')) return ioError(error, directory);
  return new PlugferryError('E_NO_SPACE', `${directory}: no space left for temporary files (${code})`, {
    hint:
      directory === tmpdir()
        ? 'Free some space there, or name a directory that has more in the environment variable TMPDIR; then run the same command again.'
        : 'Free some space there, or write to a directory that has more; then run the same command again.',
    details: { file: directory, found: code },
    cause: error,
  });
}

/** Whether an error is what the system said to a call, such as `EIO`; none of Node itself. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && /^E[A-Z0-9]+$/.test(systemCode(error) ?? '');
}

/** What to do about a file that cannot be read. */
export const readHints = (code: string | undefined): string =>
  code === 'EACCES' || code === 'EPERM' || code === 'ELOOP'
    ? 'Check the permissions of the file and of the directories above it.'
    : 'The medium or its connection fails, or the machine lacks something. Check the system log, then copy the file anew or run again.';

/** Node names the path where it removes a file; where it opens one, it is the one that was meant. */
function directoryThere(cause: unknown, meant: string): PlugferryError {
  const { path } = cause as { readonly path?: unknown };
  const file = typeof path === 'string' ? path : meant;
  return new PlugferryError('E_EXISTS', `${file} is a directory, expected a file or nothing`, {
    hint: 'Move it away, or choose another name.',
    details: { file, expected: 'a file or nothing', found: 'a directory' },
    cause,
  });
}

function reasonOf(code: string): string {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return `permission denied (${code})`;
    case 'EROFS':
      return 'the file system is read-only (EROFS)';
    case 'EIO':
      return 'the device reported an input/output error (EIO)';
    default:
      return `the system said ${code}`;
  }
}
