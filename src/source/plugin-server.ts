import { rm } from 'node:fs/promises';
import { PlugferryError } from '../errors.js';
import { differenceFrom, digestOf, type Digest } from '../stream/digest.js';
import type { HttpOptions } from '../http/client.js';
import { PrivateDirectory } from '../files/temp-directory.js';
import type { Progress } from '../stream/progress.js';
import type { PluginFileName } from '../plugin/layout.js';
import { maxMetadataBytes, parseMetadata } from '../plugin/metadata.js';
import { comparePluginIds, formatPluginId, type PluginId } from '../plugin/plugin.js';
import { notAsListed, promised, type InventoryEntry } from './inventory.js';
import { listServer } from './server-listing.js';
import { ServerTree } from './server-tree.js';
import type { Source, SourceListing, SourcePlugin, StatedFiles } from './source.js';
import { maxFetchedBytes } from '../plugin/limits.js';

export interface PluginServerOptions extends HttpOptions {
  /** Directory in which a private one for the downloads is made. */
  readonly scratch: string;
}

/** Longest time that listing a server may take, in milliseconds: it is a few hundred small requests at most. */
const listingMs = 10 * 60_000;

/**
 * A running plugin server: `plugferry serve`, the official image, or any web server that lists a plugin-server tree.
 *
 * @param location `http(s)://host[:port]/[prefix/]`, with or without the final `plugins/`. Nothing outside of it is asked for.
 * @throws PlugferryError `E_USAGE`.
 */
export async function pluginServerSource(location: string, options: PluginServerOptions): Promise<Source> {
  const server = new ServerTree(location, options);
  const downloads = new PrivateDirectory(options.scratch, { of: location, limit: maxFetchedBytes });
  return { list: (signal) => listOffers({ server, downloads }, signal), close: () => downloads.remove() };
}

interface Place {
  readonly server: ServerTree;
  readonly downloads: PrivateDirectory;
}

async function listOffers(place: Place, signal?: AbortSignal): Promise<SourceListing> {
  const { plugins, inventory, notes } = await inTime(place.server, signal);
  const listed = plugins.map(({ id }) => id);
  const rest = promised(inventory, listed).map((id) => ({ id, stated: undefined }));
  const all = [...plugins, ...rest].sort((a, b) => comparePluginIds(a.id, b.id));
  if (all.length === 0) throw noPlugins(place.server);
  const offers = all.map(({ id, stated }) => ({
    ...id,
    ...(stated === undefined ? {} : { stated }),
    host: place.server.host,
    fetch: (during?: AbortSignal, progress?: Progress) =>
      fetchPlugin(place, { id, stated, listed: inventory.get(formatPluginId(id)), signal: during, progress }),
  }));
  return { offers, notes };
}

async function inTime(server: ServerTree, signal?: AbortSignal): ReturnType<typeof listServer> {
  const deadline = new AbortController();
  const timer = setTimeout(() => {
    deadline.abort(tooSlow(server));
  }, listingMs);
  try {
    return await listServer(
      server,
      AbortSignal.any([deadline.signal, ...(signal === undefined ? [] : [signal])]),
    );
  } finally {
    clearTimeout(timer);
  }
}

interface Order {
  readonly id: PluginId;
  readonly stated: StatedFiles | undefined;
  readonly listed: InventoryEntry | undefined;
  readonly signal: AbortSignal | undefined;
  readonly progress: Progress | undefined;
}

async function fetchPlugin(place: Place, order: Order): Promise<SourcePlugin> {
  const wasm = await fetchModule(place, order);
  const discard = (): Promise<void> => rm(wasm, { force: true });
  try {
    return {
      ...order.id,
      wasm,
      metadata: await fetchMetadata(place.server, order),
      provenance: {
        kind: 'plugin-server',
        reference: place.server.display(inside(order.id, 'plugin.wasm')),
        ...(order.listed?.digest === undefined ? {} : { digest: order.listed.digest }),
      },
      discard,
    };
  } catch (error) {
    await discard();
    throw error;
  }
}

/** The path of a plugin file below the plugins directory. */
const inside = ({ name, version }: PluginId, file: PluginFileName): string => `${name}/${version}/${file}`;

/** The path of a local copy that is what the server promised. */
async function fetchModule({ server, downloads }: Place, order: Order): Promise<string> {
  const { id, stated, listed, signal, progress } = order;
  const path = inside(id, 'plugin.wasm');
  const file = server.display(path);
  const copy = await downloads.create();
  try {
    const found = await server.module(path, copy, { signal, progress });
    if (found === undefined) throw noFile(file, 'a WebAssembly module');
    if (stated !== undefined) checkStated(file, stated.wasm, found);
    if (listed !== undefined && found.sha256 !== listed.wasmSha256) {
      throw notAsListed(file, listed.wasmSha256, found.sha256);
    }
  } catch (error) {
    await rm(copy.path, { force: true });
    throw error;
  } finally {
    await copy.handle.close();
  }
  return copy.path;
}

async function fetchMetadata(server: ServerTree, { id, stated, signal }: Order): Promise<Buffer | undefined> {
  // An index lists all files; without one, asking is the only way to know.
  if (stated !== undefined && stated.metadata === undefined) return undefined;
  const path = inside(id, 'metadata.txt');
  const file = server.display(path);
  const document = await server.small(path, { limit: maxMetadataBytes, signal });
  if (document === undefined) {
    if (stated === undefined) return undefined;
    throw noFile(file, 'the metadata that index.json names');
  }
  if (stated?.metadata !== undefined) checkStated(file, stated.metadata, digestOf(document.bytes));
  parseMetadata(document.bytes.toString('utf8'), file);
  return document.bytes;
}

function checkStated(file: string, stated: Digest, digest: Digest): void {
  const difference = differenceFrom({ ...stated, path: file }, digest);
  if (difference === null) return;
  const { check, expected, found } = difference.details;
  throw new PlugferryError(
    'E_SOURCE',
    `${file}: ${String(check)} is ${found ?? ''}, but index.json says ${expected ?? ''}`,
    {
      hint: 'Has the server switched to another release meanwhile? Run the same command again.',
      details: difference.details,
    },
  );
}

const noFile = (file: string, expected: string): PlugferryError =>
  new PlugferryError('E_SOURCE', `${file}: there is nothing, expected ${expected}`, {
    hint: 'The server lists a plugin that it does not have. Have it repaired, or exclude the plugin.',
    details: { file, expected, found: 'nothing' },
  });

const noPlugins = ({ name }: ServerTree): PlugferryError =>
  new PlugferryError('E_SELECTION', `${name} lists no plugins`, {
    hint: 'Expected are plugins/<name>/<version>/plugin.wasm below the address. Check it.',
    details: { file: name, expected: 'plugins/<name>/<version>/plugin.wasm' },
  });

const tooSlow = ({ name }: ServerTree): PlugferryError =>
  new PlugferryError(
    'E_NETWORK',
    `${name}: no complete list of plugins within ${listingMs / 60_000} minutes`,
    {
      hint: 'Check the network and the load of the server, then run the same command again.',
      details: { file: name },
    },
  );
