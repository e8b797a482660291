import { PlugferryError } from '../errors.js';
import { closedDirectory, exposuresOf, type Exposure, type Reliance } from '../files/writable-by-others.js';
import type { FileSystem } from '../files/file-system.js';
import type { VolumeOptions } from './volume.js';

/** On whom a volume relies: root, and `user`, who is undefined while a server has not said who we are there. */
export const relianceOn = (user: number | undefined, options: VolumeOptions): Reliance => ({
  users: user === undefined ? 'untold' : [user],
  files: options.files,
  safe: options.safeDirectories,
});

/**
 * Refuses a place for a volume where others could exchange what was verified, or the memory that keeps older bundles out: its
 * root or a directory above it, as {@link exposuresOf} finds them. Looks only, so that a refusal comes before anything is
 * written.
 *
 * @returns what is so all the same, because the operator vouches for it.
 * @throws PlugferryError `E_RELEASE`, or the system's error.
 */
export async function refuseExposedPlace(root: string, reliance: Reliance): Promise<readonly Exposure[]> {
  const { refused, vouched } = await exposuresOf(root, reliance);
  const [first] = refused;
  if (first !== undefined) throw exposed(first, reliance.users);
  return vouched;
}

function exposed({ place, found }: Exposure, users: Reliance['users']): PlugferryError {
  const user = users === 'untold' || users[0] === undefined || users[0] === 0 ? 'root' : `${users[0]}`;
  const owned = found.startsWith('user ');
  const asOwner = owned ? `Run as the user who owns ${place}, or make it yours: ` : '';
  return new PlugferryError(
    'E_RELEASE',
    `${place}: ${found}; who can change it can exchange the whole volume`,
    {
      hint:
        `${asOwner}${owned ? `chown ${user} "${place}" && ` : ''}chmod go-w "${place}". ` +
        'README, "Who may write a volume", has what to do where a group, or a volume driver of Kubernetes, manages it.',
      details: { file: place, found },
    },
  );
}

/** Says who cannot get at a new volume; undefined when every user can. */
export async function closedWarning(files: FileSystem, root: string): Promise<string | undefined> {
  const closed = await closedDirectory(files, root);
  return closed === undefined
    ? undefined
    : `${closed.place}: ${closed.found} lets no other user in, so a web server that runs as one finds no plugins; ` +
        `chmod o+x "${closed.place}" opens the way`;
}

/** What is recorded of a place that the operator vouches for. */
export const vouchedWarning = ({ place, found }: Exposure): string =>
  `${place}: ${found}; used, because it was named as a safe directory`;
