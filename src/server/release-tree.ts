import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PlugferryError } from '../errors.js';
import type { PluginFileName } from '../plugin/layout.js';
import { comparePluginIds } from '../plugin/plugin.js';
import type { ReleaseFile, ReleasePlugin } from '../schema/release.js';
import { each } from './each.js';
import { examine, type ServedFile } from './served-file.js';
import { mediaTypes, type ServedPlugin, type Tree } from './tree.js';
import { damageHint, readRecord } from './volume-record.js';

/**
 * Reads a release of a volume. Sizes and digests are those that the import recorded; each file's presence and size are
 * checked, its bytes are read where it looks touched since then.
 *
 * @param directory `<volume>/.plugferry/releases/<id>`, all links resolved.
 * @throws PlugferryError `E_RELEASE` when release.json or a file that it lists is missing or wrong. A damaged release is
 * refused whole: half a plugin set behind a healthy port is what nobody looks for.
 */
export async function releaseTree(directory: string, signal: AbortSignal): Promise<Tree> {
  const release = await readRecord(directory);
  const place: Place = {
    root: join(directory, 'plugins'),
    modified: Date.parse(release.createdAt),
    recordedAt: (await stat(join(directory, 'release.json'), { bigint: true })).mtimeNs,
    signal,
  };
  const plugins = await each(release.plugins, 4, (plugin) => servedPlugin(plugin, place));
  plugins.sort((a, b) => comparePluginIds(a.id, b.id));
  return { release: release.id, plugins, inventory: undefined, notes: [] };
}

interface Place {
  readonly root: string;
  /**
   * Files of a release are links to a shared store, so their own times say nothing of when they came to be served here;
   * the release's does, and no two releases share it.
   */
  readonly modified: number;
  /** When release.json was written, in nanoseconds since 1970. */
  readonly recordedAt: bigint;
  readonly signal: AbortSignal;
}

async function servedPlugin({ name, version, files }: ReleasePlugin, place: Place): Promise<ServedPlugin> {
  const id = { name, version };
  const served = new Map<PluginFileName, ServedFile>();
  for (const file of files)
    served.set(file.name, await servedFile(file, join(place.root, name, version), place));
  return { id, files: served };
}

async function servedFile(file: ReleaseFile, directory: string, place: Place): Promise<ServedFile> {
  const path = join(directory, file.name);
  const { size, sha256, md5 } = file;
  const recorded = { digest: { size, sha256, md5 }, modified: place.modified, at: place.recordedAt };
  const examined = await examine(
    { path, root: place.root, type: mediaTypes[file.name], recorded },
    place.signal,
  );
  if ('refused' in examined) throw damaged(path, `is ${examined.refused}`);
  // A release is made of files and directories: a link in it is somebody else's, wherever it leads.
  if ((await realpath(path)) !== path) throw damaged(path, 'is behind a symbolic link');
  return examined;
}

function damaged(file: string, found: string): PlugferryError {
  return new PlugferryError('E_RELEASE', `${file} ${found}`, { hint: damageHint, details: { file, found } });
}
