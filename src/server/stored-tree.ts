import { dirname } from 'node:path';
import { PlugferryError } from '../errors.js';
import type { PluginFileName } from '../plugin/layout.js';
import { comparePluginIds } from '../plugin/plugin.js';
import type { Release } from '../schema/release.js';
import { examine, type ServedFile } from './served-file.js';
import { mediaTypes, type ServedPlugin, type Tree } from './tree.js';

/**
 * A release whose files lie in a private directory, each proved when it was put there.
 *
 * @param paths absolute path of each file, free of links, by its SHA-256.
 * @throws PlugferryError `E_RELEASE` when one is not there any more.
 */
export async function storedTree(
  release: Release,
  paths: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<Tree> {
  const plugins: ServedPlugin[] = [];
  for (const { name, version, files } of release.plugins) {
    const served = new Map<PluginFileName, ServedFile>();
    for (const { name: fileName, size, sha256, md5 } of files) {
      const path = paths.get(sha256) ?? '';
      const recorded = { digest: { size, sha256, md5 }, modified: Date.parse(release.createdAt) };
      const candidate = { path, root: dirname(path), type: mediaTypes[fileName], recorded };
      const examined = await examine(candidate, signal);
      if ('refused' in examined) throw gone(path, examined.refused);
      served.set(fileName, examined);
    }
    plugins.push({ id: { name, version }, files: served });
  }
  plugins.sort((a, b) => comparePluginIds(a.id, b.id));
  return { release: release.id, plugins, inventory: undefined, notes: [] };
}

const gone = (path: string, found: string): PlugferryError =>
  new PlugferryError('E_RELEASE', `${path} is ${found}`, {
    hint: 'Somebody changed the temporary files of the server. Start it again.',
    details: { file: path, found },
  });
