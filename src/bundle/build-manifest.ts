import { digestOf, type Digest } from '../stream/digest.js';
import { pluginPath } from '../plugin/layout.js';
import { comparePluginIds, compareText, type PluginId } from '../plugin/plugin.js';
import { resourcePath } from '../plugin/resource-name.js';
import type {
  Manifest,
  ManifestFile,
  ManifestPlugin,
  ManifestResource,
  ModuleFacts,
} from '../schema/manifest.js';
import { checksumNames, maxSharedPath } from './bundle.js';
import { checksumText } from './checksums.js';

/** What the writer must know of a plugin. */
export interface PackedPlugin extends PluginId {
  readonly wasm: Digest;
  readonly metadata: Buffer;
  readonly facts: ModuleFacts;
  readonly provenance: ManifestPlugin['source'];
}

/** A WasmPlugin resource that travels along. */
export interface PackedResource extends ManifestResource {
  /** The resource as YAML. */
  readonly text: Buffer;
}

/** The fields of a manifest that the sender chooses. */
export type BundleLabel = Pick<
  Manifest,
  'set' | 'epoch' | 'sequence' | 'audience' | 'createdAt' | 'expiresAt' | 'tool'
>;

/** A manifest, and the small files whose bytes follow from it and from the plugins. */
export interface Contents {
  readonly manifest: Manifest;
  /** Bytes of the checksum, metadata and resource files by path. */
  readonly texts: ReadonlyMap<string, Buffer>;
}

/** Lays out a bundle: sorted, every file listed with its digests, modules with equal bytes named once. */
export function layOut(
  plugins: readonly PackedPlugin[],
  label: BundleLabel,
  resources: readonly PackedResource[] = [],
): Contents {
  const sorted = [...plugins].sort(comparePluginIds);
  const named = [...resources].sort((a, b) => compareText(a.name, b.name));
  const texts = new Map<string, Buffer>();
  const files = [
    ...named.map((resource) => resourceFile(resource, texts)),
    ...sorted.flatMap((plugin) => pluginFiles(plugin, texts)),
  ];
  shareModules(files);
  const checksums = checksumNames.map((path) => {
    const text = Buffer.from(checksumText(files, path === 'checksums.md5' ? 'md5' : 'sha256'));
    texts.set(path, text);
    return fileOf(path, digestOf(text));
  });
  const all = [...checksums, ...files];
  return { manifest: manifestOf({ plugins: sorted, resources: named, files: all, label }), texts };
}

function resourceFile({ name, text }: PackedResource, texts: Map<string, Buffer>): ManifestFile {
  const path = resourcePath(name);
  texts.set(path, text);
  return fileOf(path, digestOf(text));
}

function pluginFiles(plugin: PackedPlugin, texts: Map<string, Buffer>): ManifestFile[] {
  const metadataPath = pluginPath(plugin, 'metadata.txt');
  texts.set(metadataPath, plugin.metadata);
  return [
    fileOf(metadataPath, digestOf(plugin.metadata)),
    fileOf(pluginPath(plugin, 'plugin.wasm'), plugin.wasm),
  ];
}

const fileOf = (path: string, { size, sha256, md5 }: Digest): ManifestFile => ({ path, size, sha256, md5 });

/** Older plugin-server trees hold the same module under 1.0.0 and 2.0.0; the later ones point to the first. */
function shareModules(files: readonly ManifestFile[]): void {
  const first = new Map<string, string>();
  for (const file of files) {
    if (!file.path.endsWith('/plugin.wasm')) continue;
    const path = first.get(file.sha256);
    if (path !== undefined) file.sameAs = path;
    else if (file.path.length <= maxSharedPath) first.set(file.sha256, file.path);
  }
}

interface ManifestParts {
  readonly plugins: readonly PackedPlugin[];
  readonly resources: readonly PackedResource[];
  readonly files: ManifestFile[];
  readonly label: BundleLabel;
}

/** The order of keys is part of the format: it is the order of the bytes that are signed. */
function manifestOf({ plugins, resources, files, label }: ManifestParts): Manifest {
  return {
    type: 'plugferry.bundle/v1',
    set: label.set,
    epoch: label.epoch,
    sequence: label.sequence,
    audience: label.audience,
    createdAt: label.createdAt,
    ...(label.expiresAt === undefined ? {} : { expiresAt: label.expiresAt }),
    tool: label.tool,
    totalSize: files.reduce((sum, { size }) => sum + size, 0),
    plugins: plugins.map(({ name, version, provenance, facts }) => ({
      name,
      version,
      source: { kind: provenance.kind, reference: provenance.reference, digest: provenance.digest },
      wasm: facts,
    })),
    ...(resources.length === 0
      ? {}
      : {
          resources: resources.map(({ name, variables }) => ({
            name,
            variables: [...variables].sort(compareText),
          })),
        }),
    files,
  };
}
