import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import {
  layOut,
  type BundleLabel,
  type PackedPlugin,
  type PackedResource,
} from '../../src/bundle/build-manifest.js';
import { digestOf } from '../../src/stream/digest.js';
import { formatMetadata } from '../../src/plugin/metadata.js';
import type { Manifest } from '../../src/schema/manifest.js';
import { documentBytes } from '../../src/schema/parse.js';
import type { TestKey } from './keys.js';
import { rawTar, type RawEntry } from './tar.js';
import { ModuleStream } from '../../src/wasm/module-stream.js';
import { tinyModule } from './wasm.js';

export interface BundlePlugin {
  readonly name: string;
  readonly version: string;
  readonly wasm?: Buffer;
  readonly metadata?: Buffer;
}

/** A bundle as its parts, so that a test can put each of them wrong. */
export interface BundleParts {
  readonly manifest: Manifest;
  readonly manifestBytes: Buffer;
  /** All entries of an honest bundle. */
  readonly entries: readonly RawEntry[];
}

export const testLabel: BundleLabel = {
  set: 'edge',
  epoch: 1,
  sequence: 7,
  audience: [],
  createdAt: '2026-01-02T03:04:05Z',
  tool: 'plugferry/test',
};

/** Two plugins, of which the second is there twice with equal bytes. */
export const somePlugins: readonly BundlePlugin[] = [
  { name: 'key-auth', version: '1.0.0' },
  { name: 'waf', version: '1.0.0', wasm: Buffer.from(tinyModule('waf', 3000)) },
  { name: 'waf', version: '2.0.0', wasm: Buffer.from(tinyModule('waf', 3000)) },
];

/** Lays out and signs a bundle without the code under test packing it. */
export const bundleParts = (
  signers: readonly TestKey[],
  plugins: readonly BundlePlugin[] = somePlugins,
  change: (manifest: Manifest) => Manifest = (manifest) => manifest,
): BundleParts => partsOf({ signers, plugins, change, resources: [] });

/** {@link bundleParts} of some plugins, with WasmPlugin resources. */
export const resourceBundle = (
  signers: readonly TestKey[],
  resources: readonly PackedResource[],
): BundleParts => partsOf({ signers, plugins: somePlugins, change: (manifest) => manifest, resources });

interface BundlePlan {
  readonly signers: readonly TestKey[];
  readonly plugins: readonly BundlePlugin[];
  readonly change: (manifest: Manifest) => Manifest;
  readonly resources: readonly PackedResource[];
}

function partsOf({ signers, plugins, change, resources }: BundlePlan): BundleParts {
  const packed = plugins.map(packedPlugin);
  const { manifest: honest, texts } = layOut(packed, testLabel, resources);
  const manifest = change(structuredClone(honest));
  const manifestBytes = documentBytes(manifest);
  const modules = new Map(
    packed.map((plugin) => [`plugins/${plugin.name}/${plugin.version}/plugin.wasm`, plugin.bytes]),
  );
  const payload = honest.files.map(({ path, sameAs }): RawEntry => {
    const name = splitName(path);
    if (sameAs !== undefined) return { ...name, type: '1', linkName: sameAs };
    return { ...name, body: texts.get(path) ?? modules.get(path) ?? Buffer.alloc(0) };
  });
  return { manifest, manifestBytes, entries: [...headEntries(manifestBytes, signers), ...payload] };
}

export const headEntries = (manifestBytes: Buffer, signers: readonly TestKey[]): RawEntry[] => [
  { name: 'manifest.json', body: manifestBytes },
  ...[...signers]
    .sort((a, b) => (a.keyId < b.keyId ? -1 : 1))
    .map((key) => ({ name: `signatures/${key.keyId}.sig`, body: key.sign(manifestBytes) })),
];

/** ustar splits a long name at a slash. */
export function splitName(path: string): { name: string; prefix?: string } {
  if (path.length <= 100) return { name: path };
  const at = path.lastIndexOf('/');
  return { prefix: path.slice(0, at), name: path.slice(at + 1) };
}

function packedPlugin({
  name,
  version,
  wasm,
  metadata,
}: BundlePlugin): PackedPlugin & { readonly bytes: Buffer } {
  const bytes = wasm ?? Buffer.from(tinyModule(`${name}@${version}`, 1000));
  const digest = digestOf(bytes);
  return {
    name,
    version,
    bytes,
    wasm: digest,
    metadata: metadata ?? Buffer.from(formatMetadata({ name, size: digest.size, md5: digest.md5 })),
    facts: factsOf(bytes),
    provenance: {
      kind: 'directory',
      reference: `plugins/${name}/${version}`,
      digest: `sha256:${digest.sha256}`,
    },
  };
}

/** What the module asks of a gateway; for bytes that are none, what a liar would say. */
function factsOf(bytes: Buffer): PackedPlugin['facts'] {
  const stream = new ModuleStream('plugin.wasm', bytes.length, { forGateway: false });
  try {
    stream.push(bytes);
    return stream.end().facts;
  } catch {
    return { abi: ['proxy_abi_version_0_2_1'], start: [], imports: [], exports: [] };
  }
}

export const tarGz = (entries: readonly RawEntry[], end?: Buffer): Buffer => gzipSync(rawTar(entries, end));

/** Writes bytes under a name in a directory and returns the path. */
export async function put(directory: string, name: string, bytes: Buffer): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, bytes);
  return path;
}
