import { lstat } from 'node:fs/promises';
import { isBundleElsewhere, isElsewhere } from '../location/bundle-input.js';
import { isDirectory } from '../files/open-regular.js';
import { bundleInventory } from './bundle.js';
import { releaseInventory, releaseLocation, volumeInventory } from './release.js';
import { sourceInventory } from './source.js';
import type { Inventory, InventoryOptions } from './inventory.js';

/**
 * Takes the inventory of a place: a bundle file, a volume (its current release), `VOLUME@ID` (another release, by the first
 * four or more characters of its id), a plain plugin-server tree, or the http(s) URL of a plugin server. Writes nothing but
 * private temporary copies of what a server does not describe.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_SELECTION`, `E_RELEASE`, `E_SOURCE`, `E_NETWORK`, the trust kinds and others.
 */
export async function takeInventory(location: string, options: InventoryOptions): Promise<Inventory> {
  if (isElsewhere(location)) {
    return isBundleElsewhere(location)
      ? bundleInventory(location, options)
      : sourceInventory(location, 'server', options);
  }
  if (await isDirectory(location)) {
    return (await volumeInventory(location)) ?? sourceInventory(location, 'tree', options);
  }
  const release = releaseLocation(location);
  // What is there under the whole name is what is meant, whatever the name looks like.
  if (release !== undefined && !(await exists(location))) return releaseInventory(release);
  return bundleInventory(location, options);
}

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );
