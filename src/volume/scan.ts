import { join } from 'node:path';
import type { FileSystem, ReadingOptions } from '../io/file-system.js';
import { escapeText } from '../io/text.js';
import { pluginFileNames, type PluginFileName } from '../plugin/layout.js';
import { isPluginName, isPluginVersion, maxModuleBytes } from '../plugin/plugin.js';
import { sortedPlugins } from '../release/release.js';
import type { ReleaseFile, ReleasePlugin } from '../schema/release.js';
import { digestOfFile } from './hash.js';

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
export async function scanTree(
  files: FileSystem,
  directory: string,
  options: ReadingOptions = {},
): Promise<Scan> {
  const plugins: ReleasePlugin[] = [];
  const extras: string[] = [];
  for (const [name, path] of await partsOf(files, directory, {
    isAllowed: isPluginName,
    extras,
  })) {
    const found: string[] = [];
    for (const [version, versionPath] of await partsOf(files, path, {
      isAllowed: isPluginVersion,
      extras: found,
    })) {
      const listed = await filesIn(files, versionPath, options);
      if (listed.length > 0) plugins.push({ name, version, files: listed });
      else found.push(version);
    }
    extras.push(...found.map((entry) => `${name}/${entry}`));
  }
  return { plugins: sortedPlugins(plugins), extras: extras.map(escapeText).toSorted() };
}

interface Sieve {
  readonly isAllowed: (name: string) => boolean;
  /** Where every entry goes that is no directory with an allowed name. */
  readonly extras: string[];
}

/** Directories with an allowed name, with their paths. */
async function partsOf(
  files: FileSystem,
  directory: string,
  { isAllowed, extras }: Sieve,
): Promise<[string, string][]> {
  const entries = await files.entries(directory);
  const isPart = (entry: (typeof entries)[number]): boolean => entry.isDirectory() && isAllowed(entry.name);
  extras.push(...entries.filter((entry) => !isPart(entry)).map(({ name }) => name));
  return entries.filter(isPart).map(({ name }) => [name, join(directory, name)]);
}

/** The files of one version; none when it has no module that the gateway could load. */
async function filesIn(
  files: FileSystem,
  directory: string,
  options: ReadingOptions,
): Promise<ReleaseFile[]> {
  const names = await files.readdir(directory);
  const found: ReleaseFile[] = [];
  for (const name of pluginFileNames.filter((file) => names.includes(file))) {
    const path = join(directory, name);
    const stats = await files.lstat(path);
    if (stats.isFile() && stats.size <= maxModuleBytes)
      found.push({ name, ...(await digestOfFile(files, path, options)) });
  }
  return found.some(({ name }: { name: PluginFileName }) => name === 'plugin.wasm') ? found : [];
}
