import type { PluginId } from '../plugin/plugin.js';
import type { ReleaseFile } from '../schema/release.js';

export interface ListedPlugin extends PluginId {
  /** Bytes of plugin.wasm; absent when it cannot be used. */
  readonly size?: number;
  readonly sha256?: string;
  readonly md5?: string;
  /** Set where size and digests are what a server says; the module was not fetched. */
  readonly stated?: true;
  /** Why the plugin cannot be carried, in words. */
  readonly problem?: string;
}

export interface Listing {
  readonly kind: 'volume' | 'tree' | 'server' | 'configmap';
  /** Id of the current release of a volume, or of ConfigMaps. */
  readonly release?: string;
  readonly plugins: readonly ListedPlugin[];
  readonly notes: readonly string[];
}

/** What a release recorded of a module. */
export function moduleDigest(files: readonly ReleaseFile[]): Pick<ListedPlugin, 'size' | 'sha256' | 'md5'> {
  const module = files.find((file) => file.name === 'plugin.wasm');
  return module === undefined ? {} : digestOf(module);
}

export const digestOf = ({ size, sha256, md5 }: { size: number; sha256: string; md5: string }) => ({
  size,
  sha256,
  md5,
});
