import { PlugferryError } from '../errors.js';
import { readSmallFile } from '../files/open-regular.js';
import { maxInventoryBytes } from '../plugin/limits.js';
import { formatPluginId, isPluginName, isPluginVersion, type PluginId } from '../plugin/plugin.js';
import type { Tree } from './tree.js';

/** What plugin-server images since 2.2.4 say of a plugin that they serve (plugin-server `pull_plugins.py`, PR 14). */
export interface InventoryEntry extends PluginId {
  /** Of the OCI manifest that the module was pulled from: `sha256:` and 64 hex characters. Plugferry's server knows none. */
  readonly digest?: string;
  /** Of plugin.wasm, 64 hex characters. */
  readonly wasmSha256: string;
}

export type Inventory = ReadonlyMap<string, InventoryEntry>;

export const inventoryName = 'snapshot-inventory.json';

/**
 * Reads `snapshot-inventory.json` beside the plugins, by `name@version`; empty where there is none.
 *
 * @throws PlugferryError `E_SOURCE` when it is malformed.
 */
export async function readInventory(tree: Tree): Promise<Inventory> {
  if ((await tree.kind(inventoryName)) !== 'file') return new Map();
  const file = tree.display(inventoryName);
  const bytes = await readSmallFile(
    await tree.resolve(inventoryName),
    'snapshot inventory',
    maxInventoryBytes,
  );
  return parseInventory(bytes, file);
}

/** @throws PlugferryError `E_SOURCE` when it is malformed. */
export function parseInventory(bytes: Buffer, file: string): Inventory {
  const entries = Object.entries(parseObject(bytes, file)).map(([name, value]) => entryOf(name, value, file));
  return new Map(entries.map((entry) => [formatPluginId(entry), entry]));
}

/** What the inventory names and a listing lacks: offered all the same, so that its absence is an error and not a silence. */
export function promised(inventory: Inventory, ids: readonly PluginId[]): PluginId[] {
  const present = new Set(ids.map(formatPluginId));
  return [...inventory]
    .filter(([reference]) => !present.has(reference))
    .map(([, { name, version }]) => ({ name, version }));
}

/** The refusal of a module that is not the one that the inventory names. */
export function notAsListed(file: string, expected: string, found: string): PlugferryError {
  return new PlugferryError(
    'E_SOURCE',
    `${file}: sha256 is ${found}, but ${inventoryName} says ${expected}`,
    {
      hint: 'The module is not the one that the inventory was made for. Copy the tree again from where it comes from.',
      details: { file, expected, found },
    },
  );
}

function parseObject(bytes: Buffer, file: string): object {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw malformed(file, 'it is not JSON in UTF-8', error);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(file, 'it is not an object of plugins by name');
  }
  return value;
}

function entryOf(name: string, value: unknown, file: string): InventoryEntry {
  const { version, digest, wasmSha256 } = fieldsOf(value);
  if (!isPluginName(name)) throw malformed(file, `"${name}" is not a plugin name`);
  if (!isPluginVersion(version)) throw malformed(file, `the version of "${name}" is not one`);
  if (digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(digest)) {
    throw malformed(file, `the digest of "${name}" is not one`);
  }
  if (!/^[0-9a-f]{64}$/.test(wasmSha256)) throw malformed(file, `the wasmSha256 of "${name}" is not one`);
  return { name, version, wasmSha256, ...(digest === undefined ? {} : { digest }) };
}

function fieldsOf(value: unknown): Omit<InventoryEntry, 'name'> {
  const record: Readonly<Record<string, unknown>> = { ...(typeof value === 'object' ? value : {}) };
  const text = (field: string): string => (typeof record[field] === 'string' ? record[field] : '');
  const digest = record['digest'] === undefined ? {} : { digest: text('digest') };
  return { version: text('version'), wasmSha256: text('wasmSha256'), ...digest };
}

const malformed = (file: string, reason: string, cause?: unknown): PlugferryError =>
  new PlugferryError('E_SOURCE', `${file}: ${reason}`, {
    hint: 'Copy the tree again from the plugin-server image that it comes from.',
    details: { file, found: reason },
    cause,
  });
