import type { FileHandle } from 'node:fs/promises';
import { PlugferryError } from '../errors.js';
import { DigestMeter, type Digest } from '../stream/digest.js';
import { openRegular } from '../files/open-regular.js';
import { checkMetadata, formatMetadata, isOf, parseMetadata } from '../plugin/metadata.js';
import { pluginPath } from '../plugin/layout.js';
import { formatPluginId, maxModuleBytes, type PluginId } from '../plugin/plugin.js';
import { Tally, type Progress } from '../stream/progress.js';
import type { ManifestPlugin, ModuleFacts } from '../schema/manifest.js';
import { readModule } from '../wasm/module.js';
import type { SourcePlugin } from './source.js';

/** A plugin that was looked at whole: what it is, and what the gateway will find in it. */
export interface SurveyedPlugin extends PluginId {
  /** Absolute path of the module. */
  readonly wasmFile: string;
  readonly wasm: Digest;
  readonly facts: ModuleFacts;
  /** Bytes of metadata.txt: those of the source, or ours where it has none that speaks of this plugin. */
  readonly metadata: Buffer;
  readonly provenance: ManifestPlugin['source'];
}

/**
 * Reads a plugin once: digest, module facts, metadata checked against both.
 *
 * @throws PlugferryError `E_WASM`, `E_METADATA`, `E_LIMIT`, `E_SOURCE_CHANGED`, `E_IO`.
 */
export async function surveyPlugin(
  plugin: SourcePlugin,
  signal?: AbortSignal,
  progress?: Progress,
): Promise<SurveyedPlugin> {
  const label = pluginPath(plugin, 'plugin.wasm');
  const handle = await openRegular(plugin.wasm, 'module');
  try {
    const { size } = await handle.stat();
    if (size > maxModuleBytes) throw tooLarge(plugin, size);
    const wasm = await digestFile(handle, signal, progress);
    if (wasm.size !== size) throw changed(label);
    const facts = await readModule(handle, label);
    const { kind, reference, digest } = plugin.provenance;
    return {
      name: plugin.name,
      version: plugin.version,
      wasmFile: plugin.wasm,
      wasm,
      facts,
      metadata: metadataOf(plugin, wasm),
      provenance: { kind, reference, digest: digest ?? `sha256:${wasm.sha256}` },
    };
  } finally {
    await handle.close();
  }
}

/** Under another name or version than its metadata.txt speaks of (`latest`, an alias), a plugin gets one that speaks of it. */
function metadataOf(plugin: SourcePlugin, wasm: Digest): Buffer {
  const ours = (): Buffer =>
    Buffer.from(formatMetadata({ name: plugin.name, size: wasm.size, md5: wasm.md5 }));
  if (plugin.metadata === undefined) return ours();
  const label = pluginPath(plugin, 'metadata.txt');
  const metadata = parseMetadata(plugin.metadata.toString('utf8'), label);
  checkMetadata(metadata, wasm, label);
  return isOf(metadata, plugin) ? plugin.metadata : ours();
}

/** Digest of a module from its first byte; of one that is too large for a gateway, no more is read than shows it. */
export async function digestFile(
  handle: FileHandle,
  signal?: AbortSignal,
  progress?: Progress,
): Promise<Digest> {
  const meter = new DigestMeter();
  const { add } = new Tally(progress);
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  for (let position = 0; ;) {
    signal?.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return meter.digest();
    meter.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
    add(bytesRead);
    if (position > maxModuleBytes) return meter.digest();
  }
}

const tooLarge = (plugin: PluginId, size: number): PlugferryError =>
  new PlugferryError(
    'E_LIMIT',
    `${formatPluginId(plugin)}: plugin.wasm has ${size} bytes, expected at most ${maxModuleBytes}`,
    {
      hint: 'The gateway cuts a module off at 256 MiB. Strip its debug sections, or build it smaller.',
      details: { file: pluginPath(plugin, 'plugin.wasm'), expected: maxModuleBytes, found: size },
    },
  );

const changed = (file: string): PlugferryError =>
  new PlugferryError('E_SOURCE_CHANGED', `${file} changed while it was read`, {
    hint: 'Let whatever writes to the source finish, then run the same command again.',
    details: { file },
  });
