import type { FileSystem } from '../files/file-system.js';
import { historyOf, type History } from '../release/history.js';
import { readParts } from './read.js';
import { lostLink } from './sound.js';

/**
 * Which release was current when. Reads only.
 *
 * @throws PlugferryError as {@link readVolume}, except that a damaged current release is a warning.
 */
export async function history(root: string, files?: FileSystem): Promise<History> {
  const volume = await readParts(root, files);
  const { layout, tree, releases, state } = volume;
  const lost = await lostLink(volume);
  return {
    root: layout.root,
    ...historyOf(state, tree.kind === 'release' ? tree.id : undefined, releases.complete),
    warnings: [
      ...(lost === undefined ? [] : [`${layout.link} ${lost}`]),
      ...[...releases.damaged.values()].map(({ message }) => message),
    ],
  };
}
