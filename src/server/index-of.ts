import { lstat, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { isPlugferryError, PlugferryError, systemCode } from '../errors.js';
import { makeIndex, type PluginIndex } from './plugin-index.js';
import { plainTree } from './plain-tree.js';
import { releaseTree } from './release-tree.js';
import type { Tree } from './tree.js';
import { holdsReleases } from './volume-record.js';

/**
 * Makes the index of what a directory has to serve. The directory is a Plugferry volume, a plain plugin-server tree (the
 * directory that holds `plugins/`), or a plugins directory itself. A volume's `plugins` link is resolved once, here, so
 * everything in one index is of one release.
 *
 * @throws PlugferryError `E_NOT_FOUND` when there is no such directory, `E_RELEASE` for a damaged volume ({@link isUnlinked} tells
 * the one that only lacks its link), `E_IO`, `E_LIMIT`.
 */
export async function indexOf(root: string, signal: AbortSignal): Promise<PluginIndex> {
  return makeIndex(await treeOf(resolve(root), signal));
}

async function treeOf(root: string, signal: AbortSignal): Promise<Tree> {
  await demandDirectory(root);
  const inner = join(root, 'plugins');
  const control = join(root, '.plugferry');
  const holds = await holdsReleases(control);
  if (await exists(inner)) return holds ? currentTree(inner, control, signal) : treeAt(inner, signal);
  if (holds) throw unlinked(inner, 'is missing');
  if (await exists(control)) return emptyTree(`${root} is an empty volume: nothing is imported yet`);
  return treeAt(root, signal);
}

/**
 * The tree behind the `plugins` of a volume into which something was imported: one of its releases, or the directory of a plain
 * tree, which an adoption has yet to turn into a release. Anything else is a volume that somebody is at work on.
 */
async function currentTree(link: string, control: string, signal: AbortSignal): Promise<Tree> {
  const isLink = (await lstat(link)).isSymbolicLink();
  const real = await realpath(link).catch((error: unknown) => {
    throw unlinked(link, 'leads to a directory that is not there', error);
  });
  const releases = join(await realpath(control), 'releases');
  if (isLink && !(releaseDirectoryOf(real) ?? '').startsWith(releases + sep)) {
    throw unlinked(link, 'does not lead to a release of this volume');
  }
  if (!(await stat(real)).isDirectory()) throw unlinked(link, 'is not a directory');
  const tree = await treeAt(link, signal);
  if (tree.release === undefined && tree.plugins.length === 0) throw unlinked(link, 'holds no plugins');
  return tree;
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

/** A volume that has releases, and no link to one: most likely somebody is copying it here or putting it right. */
export const isUnlinked = (error: unknown): boolean =>
  isPlugferryError(error) && error.details['unlinked'] === true;

function unlinked(link: string, found: string, cause?: unknown): PlugferryError {
  return new PlugferryError('E_RELEASE', `${link} ${found}, and the volume has releases`, {
    hint:
      'The next "plugferry import" or "plugferry rollback" puts a missing link back; a directory or another link that stands in ' +
      'its place has to be moved away first.',
    details: { file: link, expected: 'a link to the current release', found, unlinked: true },
    cause,
  });
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
