import { isPlugferryError, PlugferryError } from '../errors.js';
import { Fetching } from '../collection/fetch-progress.js';
import { isHttpLocation } from '../http/address.js';
import type { ProgressObserver } from '../stream/progress.js';
import type { Offer } from '../source/source.js';
import { sourceFor } from '../source/open.js';
import { surveyPlugin } from '../source/survey.js';
import type { RemoteAccess } from '../transport/transport.js';
import { atVolume } from '../location/volume-access.js';
import { readVolume } from '../volume/read.js';
import { digestOf, type ListedPlugin, type Listing, moduleDigest } from '../inventory/listing.js';

export interface ListOptions {
  /** A volume (here, or `sftp://USER@HOST/PATH`), a plain plugin-server tree, or the http(s) URL of a plugin server. */
  readonly location: string;
  /** How a server is reached. */
  readonly access?: RemoteAccess | undefined;
  readonly signal?: AbortSignal;
  /** Told of the bytes of modules that have to be read. */
  readonly onProgress?: ProgressObserver | undefined;
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
