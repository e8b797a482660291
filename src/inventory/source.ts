import { Fetching } from '../collection/fetch-progress.js';
import { digestedFacts } from './module-facts.js';
import type { Inventory, InventoryItem, InventoryOptions } from './inventory.js';
import { sha256Of } from '../stream/digest.js';
import type { ProgressObserver } from '../stream/progress.js';
import { withoutCredentials } from '../http/address.js';
import { pluginPath } from '../plugin/layout.js';
import type { Offer } from '../source/source.js';
import { sourceFor } from '../source/open.js';

/**
 * What a plain tree or a plugin server holds: as the source states it, and where it states nothing, by reading every module.
 *
 * @throws PlugferryError `E_SELECTION`, `E_SOURCE`, `E_METADATA`, `E_NETWORK`, `E_LIMIT`, `E_IO`.
 */
export async function sourceInventory(
  location: string,
  kind: 'tree' | 'server',
  { access, signal, onProgress }: Pick<InventoryOptions, 'access' | 'signal' | 'onProgress'>,
): Promise<Inventory> {
  const source = await sourceFor(location, { http: access?.http });
  try {
    const { offers, notes } = await source.list(signal);
    const items: InventoryItem[] = [];
    const fetching = new Fetching(offers, onProgress);
    for (const offer of offers)
      items.push(statedItem(offer, onProgress) ?? (await readItem(offer, fetching, signal)));
    fetching.finish();
    const basis = offers.some(({ stated }) => stated !== undefined) ? 'stated' : 'read';
    const place = { location: withoutCredentials(location), kind, basis } as const;
    return { place, items, notes, close: () => source.close() };
  } catch (error) {
    await source.close();
    throw error;
  }
}

function statedItem(offer: Offer, onProgress: ProgressObserver | undefined): InventoryItem | undefined {
  const { name, version, stated } = offer;
  if (stated === undefined) return undefined;
  return {
    name,
    version,
    ...stated.wasm,
    metadataSha256: stated.metadata?.sha256,
    facts: async (signal) => {
      // Fetched by itself, long after the rest: a step of its own.
      const fetching = new Fetching([offer], onProgress);
      const item = await readItem(offer, fetching, signal);
      fetching.finish();
      return item.facts(signal);
    },
  };
}

/** Local copies go one by one: a server may have more than fits on this disk. */
async function readItem(
  offer: Offer,
  fetching: Fetching,
  signal: AbortSignal | undefined,
): Promise<InventoryItem> {
  return fetching.one(offer, signal, async (plugin, progress) => {
    try {
      const { name, version, wasm, metadata } = plugin;
      const label = pluginPath(plugin, 'plugin.wasm');
      const { digest, facts } = await digestedFacts(wasm, label, { signal, progress });
      return {
        name,
        version,
        ...digest,
        metadataSha256: metadata && sha256Of(metadata),
        facts: async () => facts,
      };
    } finally {
      await plugin.discard?.();
    }
  });
}
