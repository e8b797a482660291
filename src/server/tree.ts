import type { PluginId } from '../plugin/plugin.js';
import type { PluginFileName } from '../plugin/layout.js';
import type { ServedFile } from './served-file.js';

/** A plugin as it lies on disk, ready to be served. */
export interface ServedPlugin {
  readonly id: PluginId;
  readonly files: ReadonlyMap<PluginFileName, ServedFile>;
}

/** What a directory has to offer: the input from which an index is made, whoever wrote the directory. */
export interface Tree {
  /** Id of the Plugferry release; undefined for a plain plugin-server tree. */
  readonly release: string | undefined;
  /** Ascending by name, then version. */
  readonly plugins: readonly ServedPlugin[];
  /** The tree's own `snapshot-inventory.json`, when it came with one. */
  readonly inventory: ServedFile | undefined;
  /** What was found and is not served, for the log. Holds raw names: escape before printing. */
  readonly notes: readonly string[];
}

export const mediaTypes = {
  'plugin.wasm': 'application/wasm',
  // Without a charset, as the official plugin server has it; the content is ASCII.
  'metadata.txt': 'text/plain',
} as const satisfies Record<PluginFileName, string>;
