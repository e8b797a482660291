import { pluginPath, type PluginFileName } from '../plugin/layout.js';
import { indexDocument, inventoryDocument } from './documents.js';
import { cataloguePage, pluginPage, pluginsPage, versionPage } from './listing.js';
import type { Page } from './page.js';
import type { ServedFile } from './served-file.js';
import type { ServedPlugin, Tree } from './tree.js';

/** Everything that can be asked for, by the exact path of the request line. Never changed: a new state is a new index. */
export interface PluginIndex {
  readonly release: string | undefined;
  readonly plugins: readonly ServedPlugin[];
  readonly files: ReadonlyMap<string, ServedFile>;
  readonly pages: ReadonlyMap<string, Page>;
  readonly notes: readonly string[];
  /** The same index with `file` at `path`, and everything that tells of it told anew. */
  with(path: string, file: ServedFile): PluginIndex;
}

const inventoryPath = '/plugins/snapshot-inventory.json';

export function makeIndex(tree: Tree): PluginIndex {
  return {
    release: tree.release,
    plugins: tree.plugins,
    files: filesOf(tree),
    pages: pagesOf(tree),
    notes: tree.notes,
    with: (path, file) => makeIndex(replaced(tree, path, file)),
  };
}

const urlOf = (plugin: ServedPlugin, name: PluginFileName): string => `/${pluginPath(plugin.id, name)}`;

function filesOf({ plugins, inventory }: Tree): Map<string, ServedFile> {
  const files = new Map<string, ServedFile>();
  for (const plugin of plugins) for (const [name, file] of plugin.files) files.set(urlOf(plugin, name), file);
  if (inventory !== undefined) files.set(inventoryPath, inventory);
  return files;
}

function pagesOf(tree: Tree): Map<string, Page> {
  const { plugins } = tree;
  const byName = versionsByName(plugins);
  const pages = new Map<string, Page>([
    ['/', cataloguePage(tree)],
    ['/plugins/', pluginsPage(byName)],
    ['/plugins/index.json', indexDocument(tree)],
    [inventoryPath, inventoryDocument(plugins)],
  ]);
  for (const [name, versions] of byName) pages.set(`/plugins/${name}/`, pluginPage(name, versions));
  for (const plugin of plugins) {
    pages.set(`/plugins/${plugin.id.name}/${plugin.id.version}/`, versionPage(plugin));
  }
  return pages;
}

function versionsByName(plugins: readonly ServedPlugin[]): Map<string, ServedPlugin[]> {
  const byName = new Map<string, ServedPlugin[]>();
  for (const plugin of plugins) {
    const versions = byName.get(plugin.id.name);
    if (versions === undefined) byName.set(plugin.id.name, [plugin]);
    else versions.push(plugin);
  }
  return byName;
}

function replaced(tree: Tree, path: string, file: ServedFile): Tree {
  if (path === inventoryPath) return { ...tree, inventory: file };
  const plugins = tree.plugins.map((plugin) => {
    const name = [...plugin.files.keys()].find((each) => urlOf(plugin, each) === path);
    return name === undefined ? plugin : { ...plugin, files: new Map(plugin.files).set(name, file) };
  });
  return { ...tree, plugins };
}
