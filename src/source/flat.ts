import { PlugferryError } from '../errors.js';
import { escapeText } from '../stream/text.js';
import { isModuleName, listingOf, noModules, type FoundModule } from './modules.js';
import type { Source, SourceListing } from './source.js';
import { Tree } from './tree.js';

/** Deeper than any build puts its modules. */
const maxDepth = 12;
/** Most files and directories that are looked at. */
const maxEntries = 200_000;

/**
 * A directory in which modules lie under names of their own: `<name>-<version>.wasm` side by side, as on a plain file server,
 * or `<plugin>/main.wasm`, as builds leave them. Names with a leading dot are passed over, as are directories behind links.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_IO`.
 */
export async function flatSource(path: string): Promise<Source> {
  const tree = await Tree.at(path);
  return { list: (signal) => listModules(tree, signal), close: async () => undefined };
}

/** Whether there is a file of a wanted name anywhere in a directory. */
export async function holdsFiles(path: string, isWanted: (name: string) => boolean): Promise<boolean> {
  for await (const _path of filesBelow(await Tree.at(path), isWanted)) return true;
  return false;
}

async function listModules(tree: Tree, signal?: AbortSignal): Promise<SourceListing> {
  const modules: FoundModule[] = [];
  for await (const path of filesBelow(tree, isModuleName, signal)) modules.push(moduleAt(tree, path));
  if (modules.length === 0) throw noModules(tree.name, 'Give the directory in which the modules are.');
  return listingOf(modules);
}

const moduleAt = (tree: Tree, from: string): FoundModule => ({
  from,
  fetch: async () => ({
    wasm: await tree.resolve(from),
    metadata: undefined,
    provenance: { kind: 'file', reference: escapeText(from) },
  }),
});

async function* filesBelow(
  tree: Tree,
  isWanted: (name: string) => boolean,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  const waiting = [''];
  let seen = 0;
  // Also those that are put in on the way.
  for (const directory of waiting) {
    signal?.throwIfAborted();
    for (const { name, kind } of await tree.entries(directory)) {
      seen += 1;
      if (seen > maxEntries) throw tooMuch(tree.name);
      if (name.startsWith('.')) continue;
      const path = directory === '' ? name : `${directory}/${name}`;
      if (kind === 'directory' && path.split('/').length < maxDepth) waiting.push(path);
      else if (isWanted(name) && (kind === 'link' ? await tree.kind(path) : kind) === 'file') yield path;
    }
  }
}

const tooMuch = (file: string): PlugferryError =>
  new PlugferryError('E_LIMIT', `${file} holds more than ${maxEntries} files and directories`, {
    hint: 'Give the directory in which the modules are, and little else.',
    details: { file, expected: maxEntries },
  });
