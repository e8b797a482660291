import { basename, join, resolve } from 'node:path';
import { isPlugferryError, PlugferryError } from '../errors.js';
import { pluginFileNames } from '../plugin/layout.js';
import { isPluginName, isPluginVersion } from '../plugin/plugin.js';
import { Tree, type EntryKind } from './tree.js';

/**
 * The directory whose entries are plugin names: the given one, or `plugins` inside it. The name alone does not tell, since
 * a plugin may itself be called `plugins`; what stands inside does.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_IO`, or `E_SOURCE` when both could be meant.
 */
export async function pluginsDirectory(path: string): Promise<Tree> {
  const outer = await Tree.at(path);
  const below = join(path, 'plugins');
  if (!(await isDirectory(below))) return outer;
  const inner = await Tree.at(below);
  const inside = await holdsPlugins(inner, isPluginName);
  const beside = await holdsPlugins(outer, (name) => isPluginName(name) && name !== 'plugins');
  if (inside && beside) throw ambiguous(path, below);
  if (inside || beside) return inside ? inner : outer;
  const isNamed = basename(resolve(path)) === 'plugins';
  return isNamed || (await holdsPlugins(outer, isPluginName)) ? outer : inner;
}

/** Whether a directory is a plugin-server tree, or holds one in `plugins`: some plugin file lies where it belongs. */
export async function isPluginTree(path: string): Promise<boolean> {
  for (const place of [path, join(path, 'plugins')]) {
    const tree = await quietly(() => Tree.at(place));
    if (tree !== undefined && (await holdsPlugins(tree, isPluginName))) return true;
  }
  return false;
}

async function isDirectory(path: string): Promise<boolean> {
  return (await quietly(() => Tree.at(path))) !== undefined;
}

/** Whether some `<name>/<version>/` of a wanted name holds a plugin file. */
async function holdsPlugins(tree: Tree, isName: (name: string) => boolean): Promise<boolean> {
  for (const name of await directoriesOf(tree, '', isName)) {
    for (const version of await directoriesOf(tree, name, isPluginVersion)) {
      for (const file of pluginFileNames) {
        if ((await kindOf(tree, `${name}/${version}/${file}`)) === 'file') return true;
      }
    }
  }
  return false;
}

async function directoriesOf(
  tree: Tree,
  path: string,
  allowed: (name: string) => boolean,
): Promise<string[]> {
  const names: string[] = [];
  for (const { name, kind } of (await quietly(() => tree.entries(path))) ?? []) {
    if (!allowed(name) || kind === 'file') continue;
    if ((await kindOf(tree, join(path, name))) === 'directory') names.push(name);
  }
  return names;
}

const kindOf = (tree: Tree, path: string): Promise<EntryKind | undefined> => quietly(() => tree.kind(path));

/** Here only the shape of the tree is in question; what is wrong inside is reported when it is listed. */
async function quietly<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (isPlugferryError(error)) return undefined;
    throw error;
  }
}

const ambiguous = (path: string, below: string): PlugferryError =>
  new PlugferryError('E_SOURCE', `both ${path} and ${below} hold plugins`, {
    hint: `Name ${below}, or move away what does not belong to the plugins.`,
    details: { file: path },
  });
