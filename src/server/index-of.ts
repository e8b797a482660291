import { lstat, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { PlugferryError, systemCode } from '../errors.js';
import { makeIndex, type PluginIndex } from './plugin-index.js';
import { plainTree } from './plain-tree.js';
import { releaseTree } from './release-tree.js';
import type { Tree } from './tree.js';

/**
 * Makes the index of what a directory has to serve. The directory is a Plugferry volume, a plain plugin-server tree (the
 * directory that holds `plugins/`), or a plugins directory itself. A volume's `plugins` link is resolved once, here, so
 * everything in one index is of one release.
 *
 * @throws PlugferryError `E_NOT_FOUND` when there is no such directory, `E_RELEASE` for a damaged volume, `E_IO`, `E_LIMIT`.
 */
export async function indexOf(root: string, signal: AbortSignal): Promise<PluginIndex> {
  return makeIndex(await treeOf(resolve(root), signal));
}

async function treeOf(root: string, signal: AbortSignal): Promise<Tree> {
  await demandDirectory(root);
  const inner = join(root, 'plugins');
  if (await exists(inner)) return treeAt(inner, signal);
  if (await exists(join(root, '.plugferry')))
    return emptyTree(`${root} is an empty volume: nothing is imported yet`);
  return treeAt(root, signal);
}

async function treeAt(plugins: string, signal: AbortSignal): Promise<Tree> {
  const real = await realpath(plugins).catch((error: unknown) => {
    throw missingRelease(plugins, error);
  });
  await demandDirectory(real);
  const release = releaseDirectoryOf(real);
  if (release !== undefined) return releaseTree(release, signal);
  // Unresolved: behind kubelet's links the same name leads to other files tomorrow.
  const tree = await plainTree(plugins, signal);
  if (tree.plugins.length > 0) return tree;
  return { ...tree, notes: [...tree.notes, `${plugins} holds no plugins`] };
}

/** `.../.plugferry/releases/<id>` of `.../.plugferry/releases/<id>/plugins`. */
function releaseDirectoryOf(plugins: string): string | undefined {
  const release = dirname(plugins);
  const releases = dirname(release);
  const isRelease =
    basename(plugins) === 'plugins' &&
    basename(releases) === 'releases' &&
    basename(dirname(releases)) === '.plugferry';
  return isRelease ? release : undefined;
}

const emptyTree = (note: string): Tree => ({
  release: undefined,
  plugins: [],
  inventory: undefined,
  notes: [note],
});

const exists = async (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

async function demandDirectory(path: string): Promise<void> {
  const stats = await stat(path).catch((error: unknown) => {
    throw notFound(path, systemCode(error) ?? 'unreadable', error);
  });
  if (!stats.isDirectory()) throw notFound(path, 'not a directory');
}

function notFound(path: string, found: string, cause?: unknown): PlugferryError {
  return new PlugferryError('E_NOT_FOUND', `${path} is not a directory that can be served: ${found}`, {
    hint: 'Give a volume that `plugferry import` wrote, or a directory that holds plugins/<name>/<version>/plugin.wasm.',
    details: { file: path, expected: 'directory', found },
    cause,
  });
}

function missingRelease(link: string, cause: unknown): PlugferryError {
  return new PlugferryError('E_RELEASE', `${link} leads to a directory that is not there`, {
    hint: 'Import the bundle again, or roll the volume back to a release that is still there.',
    details: { file: link, found: systemCode(cause) ?? 'unreadable' },
    cause,
  });
}
