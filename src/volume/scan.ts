import { DirectoryTree, type Reached } from '../files/directory-tree.js';
import { PlugferryError } from '../errors.js';
import type { Digest } from '../stream/digest.js';
import type { FileSystem, ReadingOptions } from '../files/file-system.js';
import { escapeText } from '../stream/text.js';
import { pluginFileNames } from '../plugin/layout.js';
import { maxModuleBytes, type PluginId } from '../plugin/plugin.js';
import { walkPlugins, type StrayReason } from '../plugin/tree-walk.js';
import { sortedPlugins } from '../release/release.js';
import type { ReleaseFile, ReleasePlugin } from '../schema/release.js';
import { digestOfFile } from './hash.js';

/** What a plugin-server tree holds, with digests of the bytes that are there. */
export interface Scan {
  readonly plugins: readonly ReleasePlugin[];
  /** Paths below the directory that are not part of a plugin, ascending, escaped. */
  readonly extras: readonly string[];
  /** Whether some of the plugins are reached through links only. */
  readonly isLinked: boolean;
}

/** Nothing that anybody would miss. */
const unremarkable: StrayReason = 'without a version';

/**
 * Reads every plugin of a `plugins` directory that `serve` and `list` find there, those behind links of the tree too. Tolerant:
 * whatever is no plugin (other files, names that are not allowed, directories without a plugin.wasm) is listed and left alone.
 *
 * @throws PlugferryError `E_RELEASE` for a plugin behind a link that leads out of the tree: a web server may serve it, and no release
 * could hold it. `E_LIMIT`.
 */
export async function scanTree(
  files: FileSystem,
  directory: string,
  options: ReadingOptions = {},
): Promise<Scan> {
  const tree = await DirectoryTree.at(files, directory);
  const extras: string[] = [];
  const onStray = (path: string, reason: StrayReason): void => {
    if (reason === 'a link that leads out of the tree') throw leadsOut(tree.unlinked(path));
    if (reason !== unremarkable) extras.push(path);
  };
  const reader = new PluginReader(tree, files, options);
  const plugins: ReleasePlugin[] = [];
  for await (const id of walkPlugins(tree, { onStray, signal: options.signal })) {
    const found = await reader.filesOf(id);
    if (found.some(({ name }) => name === 'plugin.wasm')) plugins.push({ ...id, files: found });
    else extras.push(`${id.name}/${id.version}`);
  }
  return {
    plugins: sortedPlugins(plugins),
    extras: [...extras, ...reader.extras].map(escapeText).toSorted(),
    isLinked: reader.isLinked,
  };
}

/** Reads the files of plugins, each once, however many names lead to it. */
class PluginReader {
  isLinked = false;
  /** What stands beside the files of plugins. */
  readonly extras: string[] = [];
  readonly #digests = new Map<string, Digest>();
  readonly #tree: DirectoryTree;
  readonly #files: FileSystem;
  readonly #options: ReadingOptions;

  constructor(tree: DirectoryTree, files: FileSystem, options: ReadingOptions) {
    this.#tree = tree;
    this.#files = files;
    this.#options = options;
  }

  async filesOf({ name, version }: PluginId): Promise<ReleaseFile[]> {
    const directory = `${name}/${version}`;
    const names = new Set((await this.#tree.entries(directory)).map((entry) => entry.name));
    const found: ReleaseFile[] = [];
    for (const file of pluginFileNames.filter((each) => names.delete(each))) {
      const path = `${directory}/${file}`;
      const reached = await this.#tree.look(path);
      if (reached.kind === 'file' && !reached.isInside) throw leadsOut(this.#tree.unlinked(path));
      if (reached.kind === 'file' && reached.size <= maxModuleBytes) {
        found.push({ name: file, ...(await this.#digestOf(reached)) });
        this.isLinked ||= reached.real !== this.#tree.unlinked(path);
      } else if (file !== 'plugin.wasm') this.extras.push(path);
    }
    // A directory that is no plugin is named as a whole.
    if (found.some((each) => each.name === 'plugin.wasm'))
      this.extras.push(...[...names].map((each) => `${directory}/${each}`));
    return found;
  }

  async #digestOf({ real }: Reached): Promise<Digest> {
    const known = this.#digests.get(real);
    if (known !== undefined) return known;
    const digest = await digestOfFile(this.#files, real, this.#options);
    this.#digests.set(real, digest);
    return digest;
  }
}

function leadsOut(path: string): PlugferryError {
  return new PlugferryError('E_RELEASE', `${path} is a link that leads out of the tree`, {
    hint: 'Put there what is meant, or remove the link: only what lies in the tree can become part of a release.',
    details: { file: path, expected: 'a path inside the tree' },
  });
}
