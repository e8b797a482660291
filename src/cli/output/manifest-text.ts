import type { Manifest, ManifestPlugin } from '../../index.js';
import { formatBytes } from '../../stream/text.js';
import { facts, table } from './table.js';

/** What a manifest says, for people. */
export function manifestFacts(manifest: Manifest, manifestSha256: string): string {
  const audience = manifest.audience.length === 0 ? 'none named' : manifest.audience.join(', ');
  return facts([
    ['set', `${manifest.set}, epoch ${manifest.epoch}, sequence ${manifest.sequence}`],
    ['audience', audience],
    ['created', `${manifest.createdAt} by ${manifest.tool}`],
    ...(manifest.expiresAt === undefined ? [] : [['expires', manifest.expiresAt] as const]),
    ['content', `${manifest.plugins.length} plugins, ${formatBytes(manifest.totalSize)} unpacked`],
    ...(manifest.resources === undefined
      ? []
      : [['resources', manifest.resources.map(({ name }) => name).join(', ')] as const]),
    ['manifest', `sha256:${manifestSha256}`],
  ]);
}

/** The plugins of a manifest, and what each asks of the gateway. */
export function pluginTable(manifest: Manifest): string {
  const files = new Map(manifest.files.map((file) => [file.path, file]));
  const rows = manifest.plugins.map(({ name, version, wasm, source }) => {
    const file = files.get(`plugins/${name}/${version}/plugin.wasm`);
    return [
      name,
      version,
      formatBytes(file?.size ?? 0),
      file?.sha256.slice(0, 16) ?? '',
      wasm.abi.map((abi) => abi.replace('proxy_abi_version_', '')).join(' ') || 'none',
      wasm.start.join(' ') || 'none',
      wasm.imports.map((group) => `${group.module}:${group.names.length}`).join(' ') || 'none',
      wasm.toolchain ?? '-',
      originOf(source, file?.sha256),
    ];
  });
  return table(['PLUGIN', 'VERSION', 'SIZE', 'SHA256', 'ABI', 'START', 'IMPORTS', 'TOOLCHAIN', 'FROM'], rows);
}

/**
 * Where a plugin came from: kind, unless the reference itself tells, reference, and what its origin named it by, unless that is the
 * module itself.
 */
function originOf({ kind, reference, digest }: ManifestPlugin['source'], sha256: string | undefined): string {
  const isUrl = /^[a-z]+:\/\//.test(reference) && kind !== 'unverified-bundle';
  const isModule = digest === `sha256:${sha256 ?? ''}` || reference.includes(digest);
  return `${isUrl ? '' : `${kind}: `}${reference}${isModule ? '' : ` (${digest.slice(0, 23)})`}`;
}

/** The variables that stand for secrets in the resources of a manifest; undefined where there are none. */
export function variableTable({ resources = [] }: Manifest): string | undefined {
  const rows = resources.flatMap(({ name, variables }) => variables.map((variable) => [name, variable]));
  return rows.length === 0 ? undefined : table(['RESOURCE', 'NEEDS A VALUE FOR'], rows);
}
