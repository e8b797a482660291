import { isPlugferryError } from './errors.js';
import type { PluginId } from './plugin/plugin.js';
import { sourceFor, type Offer } from './source/source.js';
import { surveyPlugin } from './source/survey.js';
import { readVolume } from './volume/read.js';

export interface ListOptions {
  /** A volume, or a plain plugin-server tree. */
  readonly location: string;
  readonly signal?: AbortSignal;
}

export interface ListedPlugin extends PluginId {
  /** Bytes of plugin.wasm; absent when it cannot be used. */
  readonly size?: number;
  readonly sha256?: string;
  readonly md5?: string;
  /** Why the plugin cannot be carried, in words. */
  readonly problem?: string;
}

export interface Listing {
  readonly kind: 'volume' | 'tree';
  /** Id of the current release of a volume. */
  readonly release?: string;
  readonly plugins: readonly ListedPlugin[];
  readonly notes: readonly string[];
}

/**
 * What a place holds. A volume is asked for its current release, whose digests it recorded when they were proved; a plain
 * tree is read. A plugin that is not right is listed with its problem.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_SELECTION` for a tree without plugins, `E_RELEASE`.
 */
export async function listPlugins({ location, signal }: ListOptions): Promise<Listing> {
  const volume = await readVolume(location);
  if (volume.current !== undefined && !volume.plain) {
    const plugins = volume.current.plugins.map(({ name, version, files }) => {
      const module = files.find((file) => file.name === 'plugin.wasm');
      return { name, version, ...(module === undefined ? {} : digestOf(module)) };
    });
    return { kind: 'volume', release: volume.current.id, plugins, notes: [] };
  }
  const { offers, notes } = await (await sourceFor(location)).list(signal);
  const plugins: ListedPlugin[] = [];
  for (const offer of offers) plugins.push(await look(offer, signal));
  return { kind: 'tree', plugins, notes };
}

async function look(offer: Offer, signal: AbortSignal | undefined): Promise<ListedPlugin> {
  const { name, version } = offer;
  try {
    const { wasm } = await surveyPlugin(await offer.fetch(signal), signal);
    return { name, version, ...digestOf(wasm) };
  } catch (error) {
    if (!isPlugferryError(error)) throw error;
    return { name, version, problem: error.message };
  }
}

const digestOf = ({ size, sha256, md5 }: { size: number; sha256: string; md5: string }) => ({
  size,
  sha256,
  md5,
});
