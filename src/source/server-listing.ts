import { PlugferryError } from '../errors.js';
import { isPluginName, isPluginVersion, type PluginId } from '../plugin/plugin.js';
import { readPage, type Page } from './autoindex.js';
import { inventoryName, parseInventory, type Inventory } from './inventory.js';
import { note } from './listing.js';
import { isPluginIndex, parsePluginIndex, type IndexedPlugin } from './server-index.js';
import type { ServerTree } from './server-tree.js';
import { maxIndexBytes, maxInventoryBytes, maxReleasePlugins } from '../plugin/limits.js';

/** What a server says it has. */
export interface ServerListing {
  readonly plugins: readonly IndexedPlugin[];
  readonly inventory: Inventory;
  readonly notes: readonly string[];
}

const maxPageBytes = 4 * 1024 * 1024;
/** Each takes a request of its own where there is no index; the official server has 43. */
const maxNames = 2000;

const indexName = 'index.json';
/** nginx says 403 for a directory that it does not list. */
const unlisted = [403, 404, 410];
const pageTypes = 'application/json, text/html;q=0.9';

/**
 * Asks a server what it has: its index.json where that is ours, else the listings of its directories, and in either case
 * its snapshot inventory. At most two levels deep, and only in directories whose names are those of plugins.
 *
 * @throws PlugferryError `E_SOURCE` when an answer is malformed or nothing is listed at all, `E_LIMIT`, `E_NETWORK`.
 */
export async function listServer(server: ServerTree, signal?: AbortSignal): Promise<ServerListing> {
  const index = await readIndex(server, signal);
  const inventory = await readServerInventory(server, signal);
  const found = 'plugins' in index ? index : await walk(server, signal);
  if (found === undefined && inventory.size === 0) throw noListing(server);
  return { plugins: found?.plugins ?? [], inventory, notes: [...index.notes, ...(found?.notes ?? [])] };
}

async function readIndex(
  server: ServerTree,
  signal: AbortSignal | undefined,
): Promise<{ readonly plugins?: IndexedPlugin[]; readonly notes: string[] }> {
  const document = await server.small(indexName, { limit: maxIndexBytes, absent: unlisted, signal });
  if (document === undefined) return { notes: [] };
  const file = server.display(indexName);
  if (isPluginIndex(document.bytes)) return { plugins: parsePluginIndex(document.bytes, file), notes: [] };
  return { notes: [`${file} is not an index of plugins and was not used`] };
}

async function readServerInventory(server: ServerTree, signal: AbortSignal | undefined): Promise<Inventory> {
  const document = await server.small(inventoryName, { limit: maxInventoryBytes, absent: unlisted, signal });
  // A server that answers every path with its front page has no inventory.
  if (document === undefined || document.type === 'text/html') return new Map();
  return parseInventory(document.bytes, server.display(inventoryName));
}

/** What was met on the way and left out. */
interface Leftovers {
  readonly misnamed: string[];
  readonly astray: string[];
  readonly barren: string[];
  readonly files: string[];
}

async function walk(
  server: ServerTree,
  signal: AbortSignal | undefined,
): Promise<{ readonly plugins: IndexedPlugin[]; readonly notes: string[] } | undefined> {
  const left: Leftovers = { misnamed: [], astray: [], barren: [], files: [] };
  const names = await level(server, { path: '', isAllowed: isPluginName, left, signal });
  if (names === undefined) return undefined;
  if (names.length > maxNames) throw tooMany(server, maxNames, 'plugin names without an index.json');
  const ids: PluginId[] = [];
  for (const name of names) {
    const versions = await level(server, { path: `${name}/`, isAllowed: isPluginVersion, left, signal });
    if (versions === undefined || versions.length === 0) left.barren.push(`${name}/`);
    ids.push(...(versions ?? []).map((version) => ({ name, version })));
    if (ids.length > maxReleasePlugins) throw tooMany(server, maxReleasePlugins, 'plugins');
  }
  return { plugins: ids.map((id) => ({ id, stated: undefined })), notes: notesOn(left) };
}

interface Visit {
  readonly path: string;
  readonly isAllowed: (name: string) => boolean;
  readonly left: Leftovers;
  readonly signal: AbortSignal | undefined;
}

async function level(
  server: ServerTree,
  { path, isAllowed, left, signal }: Visit,
): Promise<string[] | undefined> {
  const page = await pageAt(server, path, signal);
  if (page === undefined) return undefined;
  left.astray.push(...page.astray);
  left.files.push(
    ...page.files.filter((name) => ![indexName, inventoryName].includes(name)).map((name) => path + name),
  );
  left.misnamed.push(...page.directories.filter((name) => !isAllowed(name)).map((name) => `${path}${name}/`));
  return page.directories.filter(isAllowed);
}

async function pageAt(
  server: ServerTree,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Page | undefined> {
  const document = await server.small(path, {
    limit: maxPageBytes,
    accept: pageTypes,
    absent: unlisted,
    signal,
  });
  return document && readPage({ ...document, file: server.display(path) });
}

const notesOn = ({ misnamed, astray, barren, files }: Leftovers): string[] => [
  ...note('left out, not a plugin name or version', misnamed),
  ...note('links not followed, they lead elsewhere', astray),
  ...note('left out, no versions listed', barren),
  ...note('left out, not part of a plugin', files),
];

function tooMany(server: ServerTree, limit: number, what: string): PlugferryError {
  return new PlugferryError('E_LIMIT', `${server.name} lists more than ${limit} ${what}`, {
    hint: 'Is this really a plugin server? Check the address.',
    details: { file: server.name, expected: limit },
  });
}

const noListing = (server: ServerTree): PlugferryError =>
  new PlugferryError('E_SOURCE', `${server.name}: the server lists nothing there, expected its plugins`, {
    hint:
      'Check the address. Where it is right, have the listing switched on ("autoindex on" in nginx), ' +
      'or the directory served with "plugferry serve".',
    details: { file: server.name, expected: 'index.json, a directory listing or snapshot-inventory.json' },
  });
