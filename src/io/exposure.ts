import { constants, type Stats } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from '../errors.js';

/** Somebody else could change what a file says. */
export interface Exposure {
  /** The file, its directory, or where a link leads. */
  readonly place: string;
  /** In words. */
  readonly found: string;
}

/**
 * Whether somebody else could change a file: it, its directory, or where a link leads, is writable for group or others, or owned
 * by neither root nor `uid`. On a read-only mount modes mean nothing (the directory of a ConfigMap has mode 0777), so there
 * nothing is found.
 *
 * @param uid undefined where the system has no user ids.
 * @throws the system's error when there is nothing at `path`.
 */
export async function exposureOf(path: string, uid: number | undefined): Promise<Exposure | undefined> {
  if (uid === undefined) return undefined;
  const target = await realpath(path);
  for (const place of new Set([await realpath(dirname(path)), dirname(target), target])) {
    const found = exposure(await stat(place), uid);
    if (found !== undefined && !(await isReadOnly(place))) return { place, found };
  }
  return undefined;
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
