import { parseManifest } from '../bundle/manifest.js';
import { type BytesOptions, reachOf } from '../location/bundle-input.js';
import { openBundle } from '../location/open-bundle.js';
import type { Inventory, InventoryItem, InventoryOptions } from './inventory.js';
import { sha256Of } from '../stream/digest.js';
import { withoutCredentials } from '../http/address.js';
import { pluginPath } from '../plugin/layout.js';
import type { ManifestFile, ManifestPlugin } from '../schema/manifest.js';
import {
  openVerifiedBundle,
  type VerifiedManifest,
  type VerifyingOptions,
} from '../verification/verified-bundle.js';

/**
 * What the manifest of a bundle says. Only the head of the file is read.
 *
 * @throws PlugferryError of the trust kinds, where trust is asked for; `E_NOT_FOUND`, `E_CONTAINER`, `E_MANIFEST` and others.
 */
export async function bundleInventory(location: string, options: InventoryOptions): Promise<Inventory> {
  const { trust, signal } = options;
  const reach = { ...reachOf(options), signal };
  const { manifest, manifestSha256 } = await (trust === undefined
    ? claimedManifest(location, reach)
    : signedManifest(location, { ...reach, trust }));
  const basis = trust === undefined || 'insecureSkipSignature' in trust ? 'claimed' : 'signed';
  const files = new Map(manifest.files.map((file) => [file.path, file]));
  return {
    place: { location: withoutCredentials(location), kind: 'bundle', basis, manifestSha256 },
    items: manifest.plugins.flatMap((plugin) => itemOf(plugin, files)),
    notes: [],
    close: async () => undefined,
  };
}

type ReadManifest = Pick<VerifiedManifest, 'manifest' | 'manifestSha256'>;

async function claimedManifest(location: string, options: BytesOptions): Promise<ReadManifest> {
  const sealed = await openBundle(location, options);
  try {
    return { manifest: parseManifest(sealed.manifestBytes), manifestSha256: sha256Of(sealed.manifestBytes) };
  } finally {
    await sealed.close();
  }
}

async function signedManifest(
  location: string,
  options: VerifyingOptions & BytesOptions,
): Promise<ReadManifest> {
  const bundle = await openVerifiedBundle(location, options);
  await bundle.close();
  return bundle;
}

function itemOf(
  { name, version, wasm }: ManifestPlugin,
  files: ReadonlyMap<string, ManifestFile>,
): InventoryItem[] {
  const module = files.get(pluginPath({ name, version }, 'plugin.wasm'));
  if (module === undefined) return [];
  const { size, sha256, md5 } = module;
  const metadataSha256 = files.get(pluginPath({ name, version }, 'metadata.txt'))?.sha256;
  return [{ name, version, size, sha256, md5, metadataSha256, facts: async () => ({ module: wasm }) }];
}
