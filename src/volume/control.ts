import { dirname } from 'node:path';
import { PlugferryError } from '../errors.js';
import { asidePath, loggedAside } from './audit-files.js';
import { lstatIfThere, orIfMissing } from './disk.js';
import { linkInTheWay, volumeFailure } from './failure.js';
import { layoutOf, type VolumeLayout } from './layout.js';

/**
 * Looks at every directory and file of the control area before anything in it is read, swept or written: each is what it is
 * named for, or not there. Deeper down, {@link enclosed} looks at each directory on the way.
 *
 * @throws PlugferryError `E_RELEASE` for a link, for anything else of another kind, and for an audit log with a second name, because a line that
 * is appended here would appear there. A server does not tell how many names a file has.
 */
export async function demandControl(layout: VolumeLayout): Promise<void> {
  const { files, control, blobs, releases, staging, lock, state, audit } = layout;
  for (const path of [control, dirname(blobs), blobs, releases, staging, lock]) {
    const stats = await lstatIfThere(files, path);
    if (stats?.isSymbolicLink() === true) throw linkInTheWay(path);
    if (stats !== undefined && !stats.isDirectory()) throw otherKind(path, 'is not a directory');
  }
  const aside = (await loggedAside(layout)).map((number) => asidePath(layout, number));
  for (const path of [state, audit, ...aside]) {
    const stats = await lstatIfThere(files, path);
    if (stats?.isSymbolicLink() === true) throw linkInTheWay(path);
    if (stats !== undefined && !stats.isFile()) throw otherKind(path, 'is not a regular file');
    if (path === audit && (stats?.nlink ?? 1) > 1) throw shared(path);
  }
}

/**
 * The staging directory of the volume at `root`, for nameless files of a run that does not have the lock yet; undefined where there is
 * none.
 *
 * @throws PlugferryError as {@link demandControl}, and `E_IO`.
 */
export async function stagingOf(root: string): Promise<string | undefined> {
  try {
    const { files } = layoutOf(root);
    const path = await orIfMissing(files.realpath(root), undefined);
    if (path === undefined) return undefined;
    const layout = layoutOf(path);
    await demandControl(layout);
    return (await lstatIfThere(files, layout.staging)) === undefined ? undefined : layout.staging;
  } catch (error) {
    throw volumeFailure(error, root);
  }
}

const otherKind = (path: string, found: string): PlugferryError =>
  new PlugferryError('E_RELEASE', `${path} ${found}`, {
    hint: 'Plugferry did not make it. Find out who did, move it away, then run again.',
    details: { file: path, found },
  });

const shared = (path: string): PlugferryError =>
  new PlugferryError(
    'E_RELEASE',
    `${path} has a second name elsewhere, and what is written here would appear there`,
    {
      hint: `Give the volume a file of its own: cp ${path} ${path}.own && mv ${path}.own ${path}`,
      details: { file: path, found: 'a second hard link' },
    },
  );
