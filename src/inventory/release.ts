import { join } from 'node:path';
import { digestedFacts } from './module-facts.js';
import type { FoundFacts, Inventory, InventoryItem } from './inventory.js';
import { isDirectory } from '../files/open-regular.js';
import { releaseByPrefix } from '../release/select.js';
import type { Release, ReleasePlugin } from '../schema/release.js';
import { layoutOf, releasePlugins } from '../volume/layout.js';
import { readVolume } from '../volume/read.js';
import { demandFiles } from '../volume/sound.js';

/** A release of a volume, by the first characters of its id. */
export interface ReleaseLocation {
  readonly volume: string;
  readonly prefix: string;
}

/** Reads `VOLUME@ID`; undefined for any other location. */
export function releaseLocation(location: string): ReleaseLocation | undefined {
  const [, volume, prefix] = /^(.+)@([0-9a-f]{4,64})$/s.exec(location) ?? [];
  return volume === undefined || prefix === undefined ? undefined : { volume, prefix };
}

/**
 * The current release of a volume; nothing where none was imported yet. Undefined for a directory that is no volume.
 *
 * @throws PlugferryError `E_RELEASE`, `E_IO`.
 */
export async function volumeInventory(location: string): Promise<Inventory | undefined> {
  const { root, current, plain } = await readVolume(location);
  const isVolume = !plain && (current !== undefined || (await isDirectory(layoutOf(root).control)));
  return isVolume ? inventoryOf(location, root, current) : undefined;
}

/** @throws PlugferryError `E_NOT_FOUND` when there is no such volume or release, `E_RELEASE`, `E_IO`. */
export async function releaseInventory({ volume, prefix }: ReleaseLocation): Promise<Inventory> {
  const { root, releases } = await readVolume(volume);
  const id = releaseByPrefix(
    prefix,
    releases.map((release) => release.id),
  );
  const release = releases.find((each) => each.id === id);
  if (release !== undefined) await demandFiles(layoutOf(root), release);
  return inventoryOf(`${volume}@${prefix}`, root, release);
}

function inventoryOf(location: string, root: string, release: Release | undefined): Inventory {
  const directory = release && releasePlugins(layoutOf(root), release.id);
  return {
    place: {
      location,
      kind: 'release',
      basis: 'recorded',
      ...(release === undefined ? {} : { release: release.id }),
    },
    items: (release?.plugins ?? []).flatMap((plugin) => itemOf(plugin, directory ?? root)),
    notes: [],
    close: async () => undefined,
  };
}

function itemOf({ name, version, files }: ReleasePlugin, directory: string): InventoryItem[] {
  const module = files.find((file) => file.name === 'plugin.wasm');
  if (module === undefined) return [];
  const { size, sha256, md5 } = module;
  const path = join(directory, name, version, 'plugin.wasm');
  return [
    {
      name,
      version,
      size,
      sha256,
      md5,
      metadataSha256: files.find((file) => file.name === 'metadata.txt')?.sha256,
      facts: (signal) => recordedFacts(path, sha256, signal),
    },
  ];
}

/** Facts of other bytes than the recorded ones would be facts of another plugin. */
async function recordedFacts(path: string, sha256: string, signal?: AbortSignal): Promise<FoundFacts> {
  const { digest, facts } = await digestedFacts(path, path, { signal });
  if (digest.sha256 === sha256) return facts;
  return { problem: `${path} was altered since its import: sha256 is ${digest.sha256}` };
}
