import { constants, type Stats } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PlugferryError, systemCode } from '../errors.js';

/**
 * Refuses a file of a trust store that somebody else could change: it, its directory, or where a link leads, is writable for
 * group or others, or owned by neither root nor `uid`. On a read-only mount modes mean nothing (the directory of a ConfigMap
 * has mode 0777), so there everything passes.
 *
 * @param uid undefined where the system has no user ids.
 * @throws PlugferryError `E_TRUST_STORE`, or the system's error when there is nothing at `path`.
 */
export async function refuseExposed(path: string, uid: number | undefined): Promise<void> {
  if (uid === undefined) return;
  const target = await realpath(path);
  for (const place of new Set([await realpath(dirname(path)), dirname(target), target])) {
    const found = exposure(await stat(place), uid);
    if (found !== undefined && !(await isReadOnly(place))) throw exposed(place, found);
  }
}

function exposure({ mode, uid: owner }: Stats, uid: number): string | undefined {
  if ((mode & 0o022) !== 0) return `mode ${(mode & 0o7777).toString(8)} lets others write it`;
  return owner === 0 || owner === uid ? undefined : `user ${owner} owns it, expected root or user ${uid}`;
}

async function isReadOnly(path: string): Promise<boolean> {
  try {
    await access(path, constants.W_OK);
    return false;
  } catch (error) {
    return systemCode(error) === 'EROFS';
  }
}

const exposed = (path: string, found: string): PlugferryError =>
  new PlugferryError('E_TRUST_STORE', `${path}: ${found}; who can change it decides whom you trust`, {
    hint: `Make it yours alone to change: chown root "${path}" and chmod go-w "${path}", or mount it read-only.`,
    details: { file: path, found },
  });
