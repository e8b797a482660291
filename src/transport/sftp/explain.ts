import { posix } from 'node:path';
import { isFailure, SftpFailure } from './errors.js';
import { attributesAt, spaceAt } from './requests.js';
import type { SftpSession } from './session.js';

/** The value of `promise`, or undefined when the path is not there. */
export async function orIfMissing<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (isFailure(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** The protocol has no words for most of what goes wrong: a second look says what "Failure" to a change of `path` meant. */
export async function explained(session: SftpSession, error: unknown, path: string): Promise<unknown> {
  if (!isFailure(error, 'EFAILURE')) return error;
  const space = await spaceAt(session, posix.dirname(path)).catch(() => undefined);
  if (space === undefined) return error;
  if (space.readOnly) return new SftpFailure('EROFS', path, 'the file system is read-only');
  const isFull = space.bytes < session.chunk || space.inodes === 0;
  return isFull ? new SftpFailure('ENOSPC', path, 'no space left on the server') : error;
}

/**
 * Makes something new at `path`.
 *
 * @throws SftpFailure `EEXIST` when the name is taken, and as {@link explained}.
 */
export async function making<T>(session: SftpSession, path: string, attempt: Promise<T>): Promise<T> {
  try {
    return await attempt;
  } catch (error) {
    if (!isFailure(error, 'EFAILURE')) throw error;
    const there = await orIfMissing(attributesAt(session, path));
    if (there !== undefined) throw new SftpFailure('EEXIST', path, 'the name is taken');
    throw await explained(session, error, path);
  }
}

/** As {@link making}, for what not every file system has: `EPERM` and `ENOTSUP` when nothing else is the reason. */
export async function linking(session: SftpSession, path: string, attempt: Promise<void>): Promise<void> {
  try {
    await making(session, path, attempt);
  } catch (error) {
    if (isFailure(error, 'EACCES')) throw new SftpFailure('EPERM', path, error.message);
    if (isFailure(error, 'EFAILURE')) throw new SftpFailure('ENOTSUP', path, error.message);
    throw error;
  }
}
