import { readFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { PlugferryError } from '../errors.js';
import { pluginPath } from '../plugin/layout.js';
import {
  comparePluginIds,
  compareText,
  formatPluginId,
  isPluginName,
  isPluginVersion,
} from '../plugin/plugin.js';
import { documentBytes, parseDocument } from '../schema/parse.js';
import type { Release, ReleaseFile, ReleasePlugin } from '../schema/release.js';
import { releaseFile, type VolumeLayout } from './layout.js';

/** Every file of a release with its path below the release directory. */
export function* filesOf(
  plugins: readonly ReleasePlugin[],
): Generator<{ readonly path: string; readonly file: ReleaseFile; readonly plugin: ReleasePlugin }> {
  for (const plugin of plugins) {
    for (const file of plugin.files) yield { path: pluginPath(plugin, file.name), file, plugin };
  }
}

/** In the order in which everything is written, fields included, so that equal content gives equal bytes. */
export const sortedPlugins = (plugins: readonly ReleasePlugin[]): ReleasePlugin[] =>
  plugins.map(ordered).toSorted(comparePluginIds);

function ordered(plugin: ReleasePlugin): ReleasePlugin {
  const { name, version, aliasOf, manifestSha256, unsigned, files } = plugin;
  return {
    name,
    version,
    ...(aliasOf === undefined ? {} : { aliasOf }),
    ...(manifestSha256 === undefined ? {} : { manifestSha256 }),
    ...(unsigned === true ? { unsigned } : {}),
    files: files
      .map((file) => ({ name: file.name, size: file.size, sha256: file.sha256, md5: file.md5 }))
      .toSorted((a, b) => compareText(a.name, b.name)),
  };
}

/** SHA-256 over `<sha256>  <path>` lines, ascending: releases with the same files have the same id, whoever brought them. */
export function releaseId(plugins: readonly ReleasePlugin[]): string {
  const hash = createHash('sha256');
  for (const { path, file } of filesOf(sortedPlugins(plugins))) hash.update(`${file.sha256}  ${path}\n`);
  return hash.digest('hex');
}

/** What to do about a release that cannot be used. */
export const wayOut =
  'Go back to a complete release with "plugferry rollback --to ID"; "plugferry history" lists them.';

/**
 * The bytes of release.json.
 *
 * @throws PlugferryError `E_INTERNAL` for a description that could not be read back: better not to publish it.
 */
export function releaseBytes(release: Release): Buffer {
  const bytes = documentBytes(release);
  parseDocument('release', bytes, { file: 'release.json', code: 'E_INTERNAL', hint: 'Please report this.' });
  return bytes;
}

/**
 * Reads `release.json` and proves that it is what its directory says.
 *
 * @throws PlugferryError `E_RELEASE`.
 */
export async function readRelease(layout: VolumeLayout, id: string): Promise<Release> {
  const file = releaseFile(layout, id);
  const context = { file, code: 'E_RELEASE', hint: wayOut } as const;
  const release = parseDocument('release', await readFile(file), context);
  const reason = faultOf(release, id);
  if (reason === undefined) return release;
  throw new PlugferryError('E_RELEASE', `${file}: ${reason}`, {
    hint: wayOut,
    details: { file, found: reason },
  });
}

function faultOf(release: Release, id: string): string | undefined {
  let last: ReleasePlugin | undefined;
  for (const plugin of release.plugins) {
    // Names become paths, so they are not taken on trust even from our own files.
    if (!isPluginName(plugin.name) || !isPluginVersion(plugin.version))
      return 'holds a name that is not allowed';
    if (last !== undefined && comparePluginIds(last, plugin) >= 0) {
      return `${formatPluginId(plugin)} is listed twice or out of order`;
    }
    if (new Set(plugin.files.map(({ name }) => name)).size !== plugin.files.length) {
      return `${formatPluginId(plugin)} lists a file twice`;
    }
    last = plugin;
  }
  if (release.id !== id) return `says it is release ${release.id}`;
  return releaseId(release.plugins) === id ? undefined : 'its list of files was altered';
}
