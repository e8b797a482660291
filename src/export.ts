import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { dirname, resolve } from 'node:path';
import { layOut, type Contents } from './bundle/contents.js';
import { containerFor } from './bundle/container.js';
import type { BundleContent, Pack } from './bundle/pack.js';
import { parseManifest } from './bundle/manifest.js';
import { isPlugferryError, PlugferryError } from './errors.js';
import { committedFile } from './io/commit.js';
import { sha256Of } from './io/digest.js';
import { fileWriter } from './io/file-writer.js';
import { refuseUnfit } from './gateway/compatibility.js';
import type { Signer } from './keys.js';
import { parsePluginPath, pluginPath } from './plugin/layout.js';
import { formatPluginId, type PluginId } from './plugin/plugin.js';
import { select } from './plugin/selection.js';
import type { GatewayProfile } from './schema/gatewayProfile.js';
import type { ManifestFile } from './schema/manifest.js';
import { documentBytes } from './schema/parse.js';
import { sourceFor, type Offer, type Source } from './source/source.js';
import { surveyPlugin, type SurveyedPlugin } from './source/survey.js';
import { tool } from './version.js';

export interface ExportOptions {
  /** Where the plugins come from: a plugin-server tree, or the http(s) URL of a plugin server. */
  readonly source: string;
  /** The bundle file to write; its name says what kind: `.tar.gz`, `.tgz` or `.zip`. */
  readonly output: string;
  /** Replace an existing output. @default false */
  readonly force?: boolean;
  /** Patterns `name[@version]` with `*` and `?` of what to take; none means everything. */
  readonly include?: readonly string[];
  /** Patterns of what to leave out. */
  readonly exclude?: readonly string[];
  /** Name of the plugin set. @default default */
  readonly set?: string;
  /** @default 1 */
  readonly epoch?: number;
  /** Grows with every bundle of a set. @default the second of `createdAt` */
  readonly sequence?: number;
  /** Environments the bundle is meant for; none means any. */
  readonly audience?: readonly string[];
  /** Time of creation, to the second. @default now */
  readonly createdAt?: Date;
  /** Last second in which it may be imported; must come after `createdAt`. */
  readonly expiresAt?: Date;
  /** Signs the manifest; without it the bundle is unsigned, and importers refuse it. */
  readonly signer?: Signer;
  /** The gateway that is to run the plugins; those that it cannot run are refused before anything is written. */
  readonly gateway?: GatewayProfile;
  readonly signal?: AbortSignal;
  /** Told, in words, of each step. */
  readonly notify?: (message: string) => void;
}

export interface ExportedPlugin extends PluginId {
  /** Bytes of plugin.wasm. */
  readonly size: number;
  readonly sha256: string;
  /** The plugin whose module this one shares in the bundle. */
  readonly sameAs?: string;
}

export interface ExportResult {
  readonly file: string;
  /** Bytes of the bundle file. */
  readonly size: number;
  /** SHA-256 of the bundle file: for transfer errors only, never for trust. */
  readonly sha256: string;
  readonly manifestSha256: string;
  readonly set: string;
  readonly sequence: number;
  readonly signedBy: string | undefined;
  readonly plugins: readonly ExportedPlugin[];
  /** Things in the source that did not travel. */
  readonly notes: readonly string[];
}

/**
 * Packs plugins of a source into one bundle. The output name only ever stands for a complete bundle.
 *
 * @throws PlugferryError `E_USAGE`, `E_SELECTION`, `E_SOURCE`, `E_WASM`, `E_GATEWAY`, `E_METADATA`, `E_EXISTS`, `E_SOURCE_CHANGED`, `E_NETWORK` and others.
 */
export async function exportBundle(options: ExportOptions): Promise<ExportResult> {
  const { pack } = containerFor(options.output);
  // What is downloaded ends up there anyway, so there has to be room.
  const source = await sourceFor(options.source, dirname(resolve(options.output)));
  try {
    return await exportFrom(source, pack, options);
  } finally {
    await source.close();
  }
}

async function exportFrom(source: Source, pack: Pack, options: ExportOptions): Promise<ExportResult> {
  const { signal, notify } = options;
  const { offers, notes } = await source.list(signal);
  const chosen = select(offers, { include: options.include ?? [], exclude: options.exclude ?? [] });
  const plugins: SurveyedPlugin[] = [];
  for (const offer of chosen) plugins.push(await take(offer, options));
  if (options.gateway !== undefined) {
    refuseUnfit(
      plugins.map(({ facts, ...plugin }) => ({ ...plugin, wasm: facts })),
      options.gateway,
    );
  }
  const contents = layOut(plugins, labelOf(options));
  const manifestBytes = documentBytes(contents.manifest);
  // What the reader would refuse must not leave the house.
  parseManifest(manifestBytes);
  const signatures = new Map<string, Buffer>();
  if (options.signer !== undefined)
    signatures.set(options.signer.keyId, await options.signer.sign(manifestBytes));
  const content: BundleContent = {
    manifestBytes,
    signatures,
    files: contents.manifest.files,
    open: opener(contents, plugins),
    date: new Date(contents.manifest.createdAt),
  };
  notify?.(`writing ${options.output}`);
  const written = await writeBundle(content, pack, options);
  const { set, sequence } = contents.manifest;
  return {
    file: options.output,
    ...written,
    manifestSha256: sha256Of(manifestBytes),
    set,
    sequence,
    signedBy: options.signer?.keyId,
    plugins: resultPlugins(plugins, contents.manifest.files),
    notes,
  };
}

async function take(offer: Offer, { signal, notify }: ExportOptions): Promise<SurveyedPlugin> {
  signal?.throwIfAborted();
  notify?.(`reading ${formatPluginId(offer)}`);
  return surveyPlugin(await offer.fetch(signal), signal);
}

/** The manifest's time format has whole seconds. */
const toSeconds = (date: Date): string => `${date.toISOString().slice(0, 19)}Z`;

function labelOf(options: ExportOptions): Parameters<typeof layOut>[1] {
  const { createdAt = new Date(), expiresAt } = options;
  if (expiresAt !== undefined && expiresAt <= createdAt) throw bornExpired(createdAt, expiresAt);
  return {
    set: options.set ?? 'default',
    epoch: options.epoch ?? 1,
    sequence: options.sequence ?? Math.floor(createdAt.getTime() / 1000),
    audience: [...(options.audience ?? [])],
    createdAt: toSeconds(createdAt),
    ...(expiresAt === undefined ? {} : { expiresAt: toSeconds(expiresAt) }),
    tool,
  };
}

const bornExpired = (createdAt: Date, expiresAt: Date): PlugferryError =>
  new PlugferryError(
    'E_USAGE',
    `the bundle would expire at ${toSeconds(expiresAt)}, before it is created at ${toSeconds(createdAt)}`,
    { hint: 'Name a later time of expiry.', details: { found: toSeconds(expiresAt) } },
  );

function opener({ texts }: Contents, plugins: readonly SurveyedPlugin[]): BundleContent['open'] {
  const modules = new Map(plugins.map((plugin) => [pluginPath(plugin, 'plugin.wasm'), plugin.wasmFile]));
  return async ({ path }) => {
    const text = texts.get(path);
    if (text !== undefined) return Readable.from([text]);
    const file = modules.get(path);
    if (file === undefined) throw new PlugferryError('E_INTERNAL', `no source for ${path}`);
    return createReadStream(file, { highWaterMark: 1024 * 1024 });
  };
}

async function writeBundle(
  content: BundleContent,
  pack: Pack,
  options: ExportOptions,
): Promise<{ size: number; sha256: string }> {
  const { output, signal } = options;
  const commit = { force: options.force ?? false, ...(signal === undefined ? {} : { signal }) };
  try {
    const { size, sha256 } = await committedFile(resolve(output), commit, (file) =>
      pack(content, fileWriter(file), signal),
    );
    return { size, sha256 };
  } catch (error) {
    if (!isPlugferryError(error) || error.code !== 'E_DIGEST') throw error;
    throw new PlugferryError(
      'E_SOURCE_CHANGED',
      `${error.details.file ?? 'a module'} changed while it was packed`,
      {
        hint: 'Let whatever writes to the source finish, then run the same command again.',
        details: error.details,
        cause: error,
      },
    );
  }
}

function resultPlugins(plugins: readonly SurveyedPlugin[], files: readonly ManifestFile[]): ExportedPlugin[] {
  const shared = new Map(files.map(({ path, sameAs }) => [path, sameAs]));
  return plugins.map(({ name, version, wasm }) => {
    const first = parsePluginPath(shared.get(pluginPath({ name, version }, 'plugin.wasm')) ?? '')?.id;
    const sameAs = first === undefined ? {} : { sameAs: formatPluginId(first) };
    return { name, version, size: wasm.size, sha256: wasm.sha256, ...sameAs };
  });
}
