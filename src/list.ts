import { isPlugferryError, PlugferryError } from './errors.js';
import { Fetching } from './fetching.js';
import { isHttpLocation } from './io/http-address.js';
import type { ProgressObserver } from './io/progress.js';
import type { PluginId } from './plugin/plugin.js';
import type { ReleaseFile } from './schema/release.js';
import { sourceFor, type Offer } from './source/source.js';
import { surveyPlugin } from './source/survey.js';
import type { RemoteAccess } from './transport/locations.js';
import { atVolume } from './volume-place.js';
import { readVolume } from './volume/read.js';

export interface ListOptions {
  /** A volume (here, or `sftp://USER@HOST/PATH`), a plain plugin-server tree, or the http(s) URL of a plugin server. */
  readonly location: string;
  /** How a server is reached. */
  readonly access?: RemoteAccess | undefined;
  readonly signal?: AbortSignal;
  /** Told of the bytes of modules that have to be read. */
  readonly onProgress?: ProgressObserver | undefined;
}

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

/**
 * What a place holds. A volume is asked for its current release, whose digests it recorded when they were proved; a plain
 * tree is read. A server is believed where it states digests, and read where it does not. A plugin that is not right is
 * listed with its problem.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_SELECTION` for a place without plugins, `E_RELEASE`, `E_NETWORK`.
 */
export async function listPlugins(options: ListOptions): Promise<Listing> {
  const { location, access, signal } = options;
  if (isHttpLocation(location)) return { kind: 'server', ...(await listSource(options)) };
  const volume = await atVolume(location, { access, signal }, async ({ root, files }) => {
    const found = await readVolume(root, files);
    if (files !== undefined && (found.current === undefined || found.plain)) throw notImported(root);
    return found;
  });
  if (volume.current === undefined || volume.plain) {
    return { kind: 'tree', ...(await listSource(options)) };
  }
  const plugins = volume.current.plugins.map(({ name, version, files }) => ({
    name,
    version,
    ...moduleDigest(files),
  }));
  return { kind: 'volume', release: volume.current.id, plugins, notes: [] };
}

/** What a release recorded of a module. */
export function moduleDigest(files: readonly ReleaseFile[]): Pick<ListedPlugin, 'size' | 'sha256' | 'md5'> {
  const module = files.find((file) => file.name === 'plugin.wasm');
  return module === undefined ? {} : digestOf(module);
}

async function listSource({
  location,
  access,
  signal,
  onProgress,
}: ListOptions): Promise<Pick<Listing, 'plugins' | 'notes'>> {
  const source = await sourceFor(location, { http: access?.http });
  try {
    const { offers, notes } = await source.list(signal);
    const plugins: ListedPlugin[] = [];
    const fetching = new Fetching(offers, onProgress);
    for (const offer of offers) plugins.push(await look(offer, fetching, signal));
    fetching.finish();
    return { plugins, notes };
  } finally {
    await source.close();
  }
}

async function look(
  offer: Offer,
  fetching: Fetching,
  signal: AbortSignal | undefined,
): Promise<ListedPlugin> {
  const { name, version, stated } = offer;
  if (stated !== undefined) return { name, version, ...digestOf(stated.wasm), stated: true };
  try {
    return await fetching.one(offer, signal, async (plugin, progress) => {
      try {
        const { wasm } = await surveyPlugin(plugin, signal, progress);
        return { name, version, ...digestOf(wasm) };
      } finally {
        await plugin.discard?.();
      }
    });
  } catch (error) {
    // A server that is gone would be found gone again for each of the others.
    if (!isPlugferryError(error) || error.code === 'E_NETWORK') throw error;
    return { name, version, problem: error.message };
  }
}

const notImported = (root: string): PlugferryError =>
  new PlugferryError('E_NOT_FOUND', `${root} has no release of Plugferry`, {
    hint: 'A plain tree is listed by "plugferry list" on the server, or by the URL under which it is served.',
    details: { file: root },
  });

const digestOf = ({ size, sha256, md5 }: { size: number; sha256: string; md5: string }) => ({
  size,
  sha256,
  md5,
});
