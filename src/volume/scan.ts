import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { escapeText } from '../io/text.js';
import { pluginFileNames, type PluginFileName } from '../plugin/layout.js';
import { isPluginName, isPluginVersion, maxModuleBytes } from '../plugin/plugin.js';
import { sortedPlugins } from '../release/release.js';
import type { ReleaseFile, ReleasePlugin } from '../schema/release.js';
import { digestOfFile, type ReadOptions } from './hash.js';

/** What a plugin-server tree holds, with digests of the bytes that are there. */
export interface Scan {
  readonly plugins: readonly ReleasePlugin[];
  /** Paths below the directory that are not part of a plugin, ascending, escaped. */
  readonly extras: readonly string[];
}

/**
 * Reads every plugin of a `plugins` directory. Tolerant: whatever is no plugin (other files, links, names that are not
 * allowed, directories without a plugin.wasm) is listed and left alone.
 */
export async function scanTree(directory: string, options: ReadOptions = {}): Promise<Scan> {
  const plugins: ReleasePlugin[] = [];
  const extras: string[] = [];
  for (const [name, path] of await entriesOf(directory, isPluginName, extras)) {
    const found: string[] = [];
    for (const [version, versionPath] of await entriesOf(path, isPluginVersion, found)) {
      const files = await filesIn(versionPath, options);
      if (files.length > 0) plugins.push({ name, version, files });
      else found.push(version);
    }
    extras.push(...found.map((entry) => `${name}/${entry}`));
  }
  return { plugins: sortedPlugins(plugins), extras: extras.map(escapeText).toSorted() };
}

/** Directories with an allowed name; every other entry goes to `extras`. */
async function entriesOf(
  directory: string,
  isAllowed: (name: string) => boolean,
  extras: string[],
): Promise<[string, string][]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const isPart = (entry: (typeof entries)[number]): boolean => entry.isDirectory() && isAllowed(entry.name);
  extras.push(...entries.filter((entry) => !isPart(entry)).map(({ name }) => name));
  return entries.filter(isPart).map(({ name }) => [name, join(directory, name)]);
}

/** The files of one version; none when it has no module that the gateway could load. */
async function filesIn(directory: string, options: ReadOptions): Promise<ReleaseFile[]> {
  const names = await readdir(directory);
  const files: ReleaseFile[] = [];
  for (const name of pluginFileNames.filter((file) => names.includes(file))) {
    const path = join(directory, name);
    const stats = await lstat(path);
    if (stats.isFile() && stats.size <= maxModuleBytes)
      files.push({ name, ...(await digestOfFile(path, options)) });
  }
  return files.some(({ name }: { name: PluginFileName }) => name === 'plugin.wasm') ? files : [];
}
