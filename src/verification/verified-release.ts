import type { Trust } from './authenticate.js';
import { parseManifest } from '../bundle/manifest.js';
import { readBlob, type ReadPiece } from '../configmap/contents.js';
import type { IndexedRelease, ProvingBundle } from '../configmap/index-document.js';
import { PlugferryError } from '../errors.js';
import { pluginFileNames, pluginPath } from '../plugin/layout.js';
import { maxManifestBytes } from '../plugin/limits.js';
import { formatPluginId } from '../plugin/plugin.js';
import type { Manifest } from '../schema/manifest.js';
import type { Release, ReleasePlugin } from '../schema/release.js';
import type { ShardIndex } from '../schema/shardIndex.js';
import { verifiedManifest } from './verified-bundle.js';

export interface Claim {
  readonly release: Release;
  readonly entry: IndexedRelease;
  readonly index: ShardIndex;
  readonly read: ReadPiece;
}

/** Whom to believe, and what whoever may write the index may decide. */
export interface Proof {
  readonly trust: Trust;
  /** Whether plugins of a bundle may be left out where the index says that the importer did: nobody signs that. */
  readonly allowSelection: boolean;
  readonly clock: Date;
}

/**
 * Proves that each file of a release is one that somebody signed whom we trust, and that the release holds all that the bundles offer
 * which it comes from: by the manifests that came with it, whose signatures are checked, and which are judged as in an import. What
 * else the release and its index say decides nothing.
 *
 * @returns what the importer left out, as the index says; empty unless that is allowed.
 * @throws PlugferryError of the trust and integrity kinds.
 */
export async function proveRelease(claim: Claim, proof: Proof): Promise<readonly string[]> {
  const { release, entry } = claim;
  if (release.plugins.length === 0) throw empty(entry.id);
  const manifests = new Map<string, Manifest>();
  for (const bundle of entry.bundles)
    manifests.set(bundle.manifestSha256, await provenManifest(claim, bundle, proof));
  for (const plugin of release.plugins) {
    const manifest = plugin.manifestSha256 === undefined ? undefined : manifests.get(plugin.manifestSha256);
    if (manifest === undefined)
      throw unproven(plugin, 'comes from no bundle that is here with its signatures');
    if (plugin.aliasOf !== undefined) throw unproven(plugin, 'is an alias, which nobody signed');
    compare(plugin, manifest);
  }
  return leftOutOf(claim, manifests, proof);
}

/** 404 is final for a gateway: a plugin that is left out is switched off, which is as good as an attack on it. */
function leftOutOf(
  { release, entry }: Claim,
  manifests: ReadonlyMap<string, Manifest>,
  { allowSelection }: Proof,
): string[] {
  const held = new Set(release.plugins.map(formatPluginId));
  return entry.bundles.flatMap(({ manifestSha256, leftOut = [] }) => {
    const { set = '', plugins = [] } = manifests.get(manifestSha256) ?? {};
    const missing = plugins.map(formatPluginId).filter((plugin) => !held.has(plugin));
    const [first] = missing.filter((plugin) => !leftOut.includes(plugin));
    if (first !== undefined) throw incomplete(first, set, 'which the release lacks');
    if (missing.length > 0 && !allowSelection)
      throw incomplete(missing.join(', '), set, 'which its importer left out, as nobody signed');
    return missing;
  });
}

async function provenManifest(
  { index, read }: Claim,
  { manifestSha256, signatures }: ProvingBundle,
  { trust, clock }: Proof,
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

const incomplete = (plugins: string, set: string, found: string): PlugferryError =>
  new PlugferryError('E_RELEASE', `the signed bundle of set "${set}" holds ${plugins}, ${found}`, {
    hint:
      'Import the bundle again without --plugin; for some of its plugins alone, have a bundle made of them (export --plugin). If you ' +
      'left them out, and whoever may write these ConfigMaps may choose as well, start the server with --allow-selection.',
    details: { file: plugins, expected: 'all plugins of the bundle', found: 'left out' },
  });

const empty = (id: string): PlugferryError =>
  new PlugferryError('E_RELEASE', `release ${id.slice(0, 12)} holds no plugins`, {
    hint: 'Somebody changed the ConfigMaps. Find out who may write them, and import the bundle again.',
    details: { file: id, expected: 'at least 1 plugin', found: 0 },
  });

const tooLarge = (found: number): PlugferryError =>
  new PlugferryError('E_LIMIT', `a manifest has ${found} bytes, expected at most ${maxManifestBytes}`, {
    hint: 'Somebody changed the ConfigMaps. Find out who may write them, and import the bundle again.',
    details: { expected: maxManifestBytes, found },
  });
