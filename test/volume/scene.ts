import { mergePlugins, type MergeOptions } from '../../src/release/merge.js';
import type { Actor, Published, ReleaseChange } from '../../src/release/change.js';
import { mkdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { digestOf, sha256Of } from '../../src/stream/digest.js';
import { pluginPath, type PluginFileName } from '../../src/plugin/layout.js';
import { parsePluginId } from '../../src/plugin/plugin.js';
import type { ReleasePlugin } from '../../src/schema/release.js';
import { changeVolume } from '../../src/volume/change.js';
import type { VolumeOptions } from '../../src/volume/volume.js';

export const actor: Actor = { user: 'ada', host: 'bench', pid: process.pid, tool: 'plugferry test' };

/** `name@version` to the bytes of plugin.wasm; the volume does not look into modules. */
export type Plugins = Readonly<Record<string, string>>;

export interface Arrival extends MergeOptions {
  readonly plugins: Plugins;
  readonly sequence?: number;
  readonly unsigned?: boolean;
  /** Text of every metadata.txt. */
  readonly metadata?: string;
  readonly options?: Partial<VolumeOptions>;
  /** Key ids with their signatures. */
  readonly signatures?: Readonly<Record<string, string>>;
}

export const keyId = 'a'.repeat(64);

/** What a bundle with these plugins makes of them, and the bytes by SHA-256. */
export function arriving({ plugins, sequence = 1, unsigned = false, metadata = 'MD5: none\n' }: Arrival) {
  const manifest = Buffer.from(`manifest ${sequence} ${JSON.stringify(plugins)}`);
  const manifestSha256 = sha256Of(manifest);
  const bytes = new Map<string, { path: string; content: Buffer }>();
  const listed = Object.entries(plugins).map(([reference, wasm]): ReleasePlugin => {
    const id = parsePluginId(reference);
    const contents = { 'metadata.txt': Buffer.from(metadata), 'plugin.wasm': Buffer.from(wasm) };
    const files = Object.entries(contents).map(([file, content]) => {
      const digest = digestOf(content);
      const name = file as PluginFileName;
      bytes.set(digest.sha256, { path: pluginPath(id, name), content });
      return { name, ...digest };
    });
    return { ...id, manifestSha256, ...(unsigned ? { unsigned } : {}), files };
  });
  const bundle = { manifestSha256, set: 'edge', epoch: 0, sequence, createdAt: '2026-01-01T00:00:00Z' };
  return { manifest, bundle, bytes, plugins: listed };
}

/** What the import verb does with a volume, without a bundle. */
export async function arrive(change: ReleaseChange, arrival: Arrival): Promise<Published> {
  const { manifest, bundle, bytes, plugins: incoming } = arriving(arrival);
  const { plugins } = mergePlugins(change.current?.plugins ?? [], incoming, arrival);
  const missing = await change.prepare(incoming.flatMap(({ files }) => files));
  for (const sha256 of missing) {
    const { path, content } = bytes.get(sha256)!;
    await change.receive({ path, ...digestOf(content) }, Readable.from([content]));
  }
  const signatures = Object.entries(arrival.signatures ?? { [keyId]: 'signature' });
  const unsigned = arrival.unsigned === true;
  return change.publish({
    plugins,
    origin: {
      kind: 'import',
      mode: arrival.mode ?? 'merge',
      bundle,
      signers: unsigned ? [] : signatures.map(([id]) => ({ keyId: id })),
      ...(unsigned ? { unsigned } : {}),
    },
    evidence: { manifest, signatures: new Map(signatures.map(([id, text]) => [id, Buffer.from(text)])) },
    ...(unsigned ? {} : { seen: bundle }),
  });
}

export const importInto = (root: string, arrival: Arrival): Promise<Published> =>
  changeVolume(root, { actor, ...arrival.options }, (change) => arrive(change, arrival));

/** A plugin-server tree that Plugferry never touched. */
export async function plainTree(root: string, plugins: Plugins): Promise<void> {
  for (const [reference, wasm] of Object.entries(plugins)) {
    const directory = join(root, pluginPath(parsePluginId(reference), 'plugin.wasm'), '..');
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'plugin.wasm'), wasm);
    await writeFile(join(directory, 'metadata.txt'), 'MD5: none\n');
  }
}

/** What a reader finds under a reference; undefined when it is not served. */
export async function served(root: string, reference: string): Promise<string | undefined> {
  const path = join(root, pluginPath(parsePluginId(reference), 'plugin.wasm'));
  return readFile(path, 'utf8').catch(() => undefined);
}

export const currentLink = (root: string): Promise<string> => readlink(join(root, 'plugins'));
