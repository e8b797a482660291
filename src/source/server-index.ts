import { PlugferryError } from '../errors.js';
import type { Digest } from '../stream/digest.js';
import { pluginPath } from '../plugin/layout.js';
import { formatPluginId, isPluginName, isPluginVersion, type PluginId } from '../plugin/plugin.js';
import type { IndexFile, IndexPlugin } from '../schema/index.js';
import { parseLooseDocument } from '../schema/parse.js';
import type { StatedFiles } from './source.js';

/** A plugin that a server says it has. */
export interface IndexedPlugin {
  readonly id: PluginId;
  /** Undefined where the index names no module, and where there is no index. */
  readonly stated: StatedFiles | undefined;
}

const hint = 'Update the server, or have it started again; then run the same command again.';

/** Whether this is an index in the form of schemas/index.schema.json; other programs may have an index.json too. */
export const isPluginIndex = (bytes: Buffer): boolean =>
  /^\s*\{\s*"type"\s*:\s*"plugferry\.index\/v1"/.test(bytes.toString('latin1', 0, 256));

/**
 * Reads `/plugins/index.json` of `plugferry serve`.
 *
 * @throws PlugferryError `E_SOURCE` when it is malformed.
 */
export function parsePluginIndex(bytes: Buffer, file: string): IndexedPlugin[] {
  const { plugins } = parseLooseDocument('index', bytes, { file, code: 'E_SOURCE', hint });
  const seen = new Set<string>();
  return plugins.map((plugin) => {
    const reason = faultOf(plugin, seen);
    if (reason !== undefined) throw malformed(file, reason);
    seen.add(formatPluginId(plugin));
    return { id: { name: plugin.name, version: plugin.version }, stated: statedFiles(plugin) };
  });
}

function faultOf(plugin: IndexPlugin, seen: ReadonlySet<string>): string | undefined {
  const reference = formatPluginId(plugin);
  if (!isPluginName(plugin.name) || !isPluginVersion(plugin.version)) {
    return `"${reference}" is not a plugin name and version`;
  }
  if (seen.has(reference)) return `${reference} is listed twice`;
  const names = plugin.files.map(({ name }) => name);
  if (new Set(names).size !== names.length) return `a file of ${reference} is listed twice`;
  const astray = plugin.files.find(({ name, path }) => path !== `/${pluginPath(plugin, name)}`);
  return astray && `${astray.name} of ${reference} is said to be at "${astray.path}"`;
}

function statedFiles({ files }: IndexPlugin): StatedFiles | undefined {
  const find = (name: IndexFile['name']): Digest | undefined => {
    const file = files.find((each) => each.name === name);
    return file && { size: file.size, sha256: file.sha256, md5: file.md5 };
  };
  const wasm = find('plugin.wasm');
  return wasm && { wasm, metadata: find('metadata.txt') };
}

const malformed = (file: string, reason: string): PlugferryError =>
  new PlugferryError('E_SOURCE', `${file}: ${reason}`, { hint, details: { file, found: reason } });
