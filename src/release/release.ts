import { createHash } from 'node:crypto';
import { PlugferryError } from '../errors.js';
import { escapeText } from '../stream/text.js';
import { pluginPath } from '../plugin/layout.js';
import { maxReleasePlugins } from '../plugin/limits.js';
import {
  comparePluginIds,
  compareText,
  formatPluginId,
  isPluginName,
  isPluginVersion,
} from '../plugin/plugin.js';
import { documentBytes, parseDocument } from '../schema/parse.js';
import type { Origin, Release, ReleaseFile, ReleasePlugin } from '../schema/release.js';
import type { NextRelease } from './change.js';
import { formatTime } from './time.js';

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

/** What is wrong with a release that stands where release `id` is expected; undefined when nothing is. */
export function faultOf(release: Release, id: string): string | undefined {
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
  if (Number.isNaN(Date.parse(release.createdAt))) return `was made at no time that there is`;
  if (release.id !== id) return `says it is release ${release.id}`;
  return releaseId(release.plugins) === id ? undefined : 'its list of files was altered';
}

/**
 * The release that {@link NextRelease} describes.
 *
 * @throws PlugferryError `E_LIMIT` for more plugins than a release may hold.
 */
export function describeRelease(
  { plugins, origin }: NextRelease,
  { at, tool }: { readonly at: Date; readonly tool: string },
): Release {
  if (plugins.length > maxReleasePlugins) throw tooMany(plugins.length);
  const sorted = sortedPlugins(plugins);
  return {
    type: 'plugferry.release/v1',
    id: releaseId(sorted),
    createdAt: formatTime(at),
    tool,
    origin: legible(origin),
    plugins: sorted,
  };
}

const tooMany = (found: number): PlugferryError =>
  new PlugferryError(
    'E_LIMIT',
    `the next release would hold ${found} plugins, at most ${maxReleasePlugins} fit`,
    {
      hint: 'Import with --mode replace, or take fewer plugins of the bundle with --plugin.',
      details: { expected: maxReleasePlugins, found },
    },
  );

/** Warnings may quote names from outside: they must neither break release.json nor fill it. */
function legible(origin: Origin): Origin {
  if (origin.warnings === undefined) return origin;
  return {
    ...origin,
    warnings: origin.warnings.slice(0, 1000).map((text) => escapeText(text).slice(0, 1024)),
  };
}

/** Whether the new description names other bundles or signers for the same files. */
export function saysMore(release: Release, known: Release): boolean {
  if (JSON.stringify(release.plugins) !== JSON.stringify(sortedPlugins(known.plugins))) return true;
  return (
    release.origin.unsigned !== true && signersOf(release) !== signersOf(known) && signersOf(release) !== ''
  );
}

const signersOf = ({ origin }: Release): string =>
  (origin.signers ?? [])
    .map(({ keyId }) => keyId)
    .toSorted(compareText)
    .join(' ');
