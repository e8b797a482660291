import { join } from 'node:path';
import { PlugferryError, systemCode } from '../errors.js';
import { DirectoryTree } from '../files/directory-tree.js';
import { walkPlugins } from '../plugin/tree-walk.js';
import { filesOf } from '../release/release.js';
import type { Release, ReleaseFile } from '../schema/release.js';
import { currentRelease } from './current.js';
import { eachOf, lstatIfThere } from './disk.js';
import { volumeFailure } from './failure.js';
import { releaseDirectory, releaseFile, type VolumeLayout } from './layout.js';
import type { ReadVolume } from './read-volume.js';
import { wayOut } from './release.js';

/**
 * The current release, as `serve` would serve it: its link is there, and so is every file. Undefined in a plain tree, and where nothing
 * was imported.
 *
 * @throws PlugferryError `E_RELEASE`.
 */
export async function soundRelease(volume: ReadVolume): Promise<Release | undefined> {
  const lost = await lostLink(volume);
  if (lost !== undefined) throw unlinked(volume.layout, lost);
  const release = currentRelease(volume);
  if (release !== undefined) await demandFiles(volume.layout, release);
  return release;
}

/**
 * What is wrong with `plugins`, as the end of a sentence, where it is no way to the release of a volume that has some. The directory of
 * a plain tree is one: an adoption has yet to turn it into a release.
 */
export async function lostLink({ layout, tree, isUsed }: ReadVolume): Promise<string | undefined> {
  if (!isUsed || tree.kind === 'release') return undefined;
  if (tree.kind === 'absent') return 'is missing';
  if (tree.kind === 'foreign') return 'does not lead to a release of this volume';
  return (await holdsPlugin(layout)) ? undefined : 'holds no plugins';
}

async function holdsPlugin({ files, link }: VolumeLayout): Promise<boolean> {
  const tree = await DirectoryTree.at(files, link);
  for await (const { name, version } of walkPlugins(tree, { onStray: () => undefined })) {
    const { kind, isInside } = await tree.look(`${name}/${version}/plugin.wasm`);
    if (kind === 'file' && isInside) return true;
  }
  return false;
}

/**
 * Refuses a release of which a file is missing or not what was recorded. Bytes are read where a file was written to since then.
 *
 * @throws PlugferryError `E_RELEASE`.
 */
export async function demandFiles(layout: VolumeLayout, release: Release): Promise<void> {
  try {
    await compareFiles(layout, release);
  } catch (error) {
    throw volumeFailure(error, layout.root);
  }
}

async function compareFiles(layout: VolumeLayout, release: Release): Promise<void> {
  const directory = releaseDirectory(layout, release.id);
  const { mtimeMs: recordedAt } = await layout.files.lstat(releaseFile(layout, release.id));
  await eachOf(filesOf(release.plugins), async ({ path, file }) => {
    const full = join(directory, path);
    const found = await differenceOf(layout, full, { file, recordedAt });
    if (found !== undefined) throw damaged(full, found);
  });
}

interface Recorded {
  readonly file: ReleaseFile;
  /** Milliseconds since 1970. */
  readonly recordedAt: number;
}

async function differenceOf(
  { files }: VolumeLayout,
  path: string,
  { file, recordedAt }: Recorded,
): Promise<string | undefined> {
  const stats = await lstatIfThere(files, path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOTDIR') return undefined;
    throw error;
  });
  if (stats === undefined) return 'missing';
  if (!stats.isFile()) return 'not a regular file';
  if (stats.size !== file.size) return `${stats.size} bytes long instead of ${file.size}`;
  if (stats.mtimeMs <= recordedAt || (await files.sha256(path)) === file.sha256) return undefined;
  return 'not what the release recorded';
}

const damaged = (file: string, found: string): PlugferryError =>
  new PlugferryError('E_RELEASE', `${file} is ${found}`, {
    hint: `"plugferry verify VOLUME" says what else is. Import the bundle that brought it once more: that puts it right. ${wayOut}`,
    details: { file, found },
  });

const unlinked = ({ link }: VolumeLayout, found: string): PlugferryError =>
  new PlugferryError('E_RELEASE', `${link} ${found}, and the volume has releases`, {
    hint:
      'The next "plugferry import" or "plugferry rollback" puts a missing link back; a directory or another link that stands in ' +
      'its place has to be moved away first.',
    details: { file: link, expected: 'a link to the current release', found },
  });
