import type { Trust } from './authenticate.js';
import { parseManifest } from './bundle/manifest.js';
import { readBlob, type ReadPiece } from './configmap/contents.js';
import type { IndexedRelease, ProvingBundle } from './configmap/index-document.js';
import { PlugferryError } from './errors.js';
import { pluginFileNames, pluginPath } from './plugin/layout.js';
import { maxManifestBytes } from './plugin/limits.js';
import { formatPluginId } from './plugin/plugin.js';
import type { Manifest } from './schema/manifest.js';
import type { Release, ReleasePlugin } from './schema/release.js';
import type { ShardIndex } from './schema/shardIndex.js';
import { verifiedManifest } from './verified-bundle.js';

export interface Claim {
  readonly release: Release;
  readonly entry: IndexedRelease;
  readonly index: ShardIndex;
  readonly read: ReadPiece;
}

/**
 * Proves that each file of a release is one that somebody signed whom we trust: by the manifests that came with it, whose signatures
 * are checked, and which are judged as in an import. What else the release and its index say decides nothing.
 *
 * @throws PlugferryError of the trust and integrity kinds.
 */
export async function proveRelease(claim: Claim, trust: Trust, clock: Date): Promise<void> {
  const manifests = new Map<string, Manifest>();
  for (const bundle of claim.entry.bundles)
    manifests.set(bundle.manifestSha256, await provenManifest(claim, bundle, { trust, clock }));
  for (const plugin of claim.release.plugins) {
    const manifest = plugin.manifestSha256 === undefined ? undefined : manifests.get(plugin.manifestSha256);
    if (manifest === undefined)
      throw unproven(plugin, 'comes from no bundle that is here with its signatures');
    if (plugin.aliasOf !== undefined) throw unproven(plugin, 'is an alias, which nobody signed');
    compare(plugin, manifest);
  }
}

async function provenManifest(
  { index, read }: Claim,
  { manifestSha256, signatures }: ProvingBundle,
  { trust, clock }: { readonly trust: Trust; readonly clock: Date },
): Promise<Manifest> {
  const size = index.blobs.find(({ sha256 }) => sha256 === manifestSha256)?.size ?? 0;
  if (size > maxManifestBytes) throw tooLarge(size);
  const manifestBytes = await readBlob(index, manifestSha256, read);
  const claimed = new Map(
    signatures.map(({ keyId, signature }) => [keyId, Buffer.from(signature, 'base64')]),
  );
  const sealed = { manifestBytes, signatures: claimed };
  return verifiedManifest(sealed, parseManifest, { trust, clock: () => clock }).manifest;
}

function compare(plugin: ReleasePlugin, manifest: Manifest): void {
  const signed = new Map(manifest.files.map((file) => [file.path, file]));
  for (const name of pluginFileNames) {
    const expected = signed.get(pluginPath(plugin, name));
    const file = plugin.files.find((each) => each.name === name);
    const isSame =
      expected?.sha256 === file?.sha256 && expected?.size === file?.size && expected?.md5 === file?.md5;
    if (!isSame) throw unproven(plugin, `has a ${name} that is not the one that was signed`);
  }
}

const unproven = (plugin: ReleasePlugin, found: string): PlugferryError =>
  new PlugferryError('E_RELEASE', `${formatPluginId(plugin)} ${found}`, {
    hint: 'Somebody changed the ConfigMaps. Find out who may write them, and import the bundle again.',
    details: { file: formatPluginId(plugin), found },
  });

const tooLarge = (found: number): PlugferryError =>
  new PlugferryError('E_LIMIT', `a manifest has ${found} bytes, expected at most ${maxManifestBytes}`, {
    hint: 'Somebody changed the ConfigMaps. Find out who may write them, and import the bundle again.',
    details: { expected: maxManifestBytes, found },
  });
