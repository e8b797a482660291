import { isPluginName, isPluginVersion, type PluginId } from './plugin.js';

/** The two files of a plugin directory, in the order in which they travel. */
export const pluginFileNames = ['metadata.txt', 'plugin.wasm'] as const;
export type PluginFileName = (typeof pluginFileNames)[number];

/** The path of a plugin file in bundles, volumes and URLs: `plugins/<name>/<version>/<file>`, always with `/`. */
export const pluginPath = ({ name, version }: PluginId, file: PluginFileName): string =>
  `plugins/${name}/${version}/${file}`;

/**
 * The reverse of {@link pluginPath}; undefined for any other path. This is the only decision on whether a path of a
 * bundle may become a path on disk.
 */
export function parsePluginPath(path: string): { id: PluginId; file: PluginFileName } | undefined {
  const [root, name, version, file, ...rest] = path.split('/');
  if (root !== 'plugins' || name === undefined || version === undefined || rest.length > 0) return undefined;
  if (!isPluginName(name) || !isPluginVersion(version)) return undefined;
  if (file !== 'plugin.wasm' && file !== 'metadata.txt') return undefined;
  return { id: { name, version }, file };
}
