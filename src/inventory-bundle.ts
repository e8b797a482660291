import { authenticator, judge } from './authenticate.js';
import type { SealedBundle } from './bundle/bundle.js';
import { parseManifest } from './bundle/manifest.js';
import { reachOf } from './bundle-bytes.js';
import { openBundle } from './open-bundle.js';
import type { Inventory, InventoryItem, InventoryOptions } from './inventory.js';
import { sha256Of } from './io/digest.js';
import { withoutCredentials } from './io/http-address.js';
import { pluginPath } from './plugin/layout.js';
import type { Manifest, ManifestFile, ManifestPlugin } from './schema/manifest.js';

/**
 * What the manifest of a bundle says. Only the head of the file is read.
 *
 * @throws PlugferryError of the trust kinds, where trust is asked for; `E_NOT_FOUND`, `E_CONTAINER`, `E_MANIFEST` and others.
 */
export async function bundleInventory(location: string, options: InventoryOptions): Promise<Inventory> {
  const { trust, signal } = options;
  const sealed = await openBundle(location, { ...reachOf(options), signal });
  try {
    const manifestSha256 = sha256Of(sealed.manifestBytes);
    const manifest =
      trust === undefined ? parseManifest(sealed.manifestBytes) : signedManifest(sealed, trust);
    const basis = trust === undefined || 'insecureSkipSignature' in trust ? 'claimed' : 'signed';
    const files = new Map(manifest.files.map((file) => [file.path, file]));
    return {
      place: { location: withoutCredentials(location), kind: 'bundle', basis, manifestSha256 },
      items: manifest.plugins.flatMap((plugin) => itemOf(plugin, files)),
      notes: [],
      close: async () => undefined,
    };
  } finally {
    await sealed.close();
  }
}

function signedManifest(sealed: SealedBundle, trust: NonNullable<InventoryOptions['trust']>): Manifest {
  const moment = { clock: new Date() };
  const { manifest, signer: authentication } = sealed.open(authenticator(trust, moment.clock));
  const manifestSha256 = sha256Of(sealed.manifestBytes);
  judge(trust, { manifest, manifestSha256, authentication, moment });
  return manifest;
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
