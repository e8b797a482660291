import { createReadStream } from 'node:fs';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import type { ReachOptions } from '../location/bundle-input.js';
import { checkOutput, containerAt, outputName, scratchFor } from '../location/bundle-output.js';
import { type Contents, layOut } from '../bundle/build-manifest.js';
import type { BundleContent, Pack } from '../bundle/write-archive.js';
import { parseManifest } from '../bundle/manifest.js';
import type { Mirror } from '../catalogue/mirror.js';
import type { CatalogueKind } from '../catalogue/read.js';
import { PlugferryError } from '../errors.js';
import { sha256Of } from '../stream/digest.js';
import { progressOf } from '../stream/progress.js';
import { refuseUnfitFiles } from '../gateway/module-check.js';
import { parsePluginPath, pluginPath } from '../plugin/layout.js';
import { formatPluginId, type PluginId } from '../plugin/plugin.js';
import type { RegistryAccess } from '../registry/login.js';
import type { GatewayProfile } from '../schema/gatewayProfile.js';
import type { ManifestFile } from '../schema/manifest.js';
import { documentBytes } from '../schema/parse.js';
import { type ChoiceOptions, collectChosen } from '../collection/choose.js';
import { labelOf, type LabelOptions } from '../collection/label.js';
import {
  fileSignerOf,
  type NewBundle,
  type NewBundleOptions,
  refuseCompanions,
  writeBundle,
} from '../location/new-bundle.js';
import { type ExportedResource, resourceLuggage, type ResourceLuggage } from '../collection/resources.js';
import type { ExportFailure } from '../collection/collect.js';
import type { Naming } from '../plugin/naming.js';
import type { ResourceText } from '../resource/texts.js';
import { openSources, type Sources } from '../collection/combined-source.js';
import type { SurveyedPlugin } from '../source/survey.js';
import { prepareTool, type Tool, type ToolFile } from '../tool/beside.js';

export interface ExportOptions
  extends Omit<ReachOptions, 'sha256'>, NewBundleOptions, ChoiceOptions, LabelOptions {
  /**
   * Where the plugins come from, one place or several: a plugin-server tree, a directory or zip of modules, a module, the
   * http(s) URL of a plugin server or of a module, a bundle wherever that is, or a text that names
   * plugins (`-` is {@link stdin}).
   */
  readonly source: string | readonly string[];
  /** What the texts are that name plugins. @default what follows from each */
  readonly catalogueKind?: CatalogueKind | undefined;
  /** Where to ask for what they name, instead of where they say. */
  readonly mirrors?: readonly Mirror[];
  /** How registries (`oci://`) are reached. */
  readonly registries?: RegistryAccess | undefined;
  /**
   * Where to write the bundle: a path, `-`, `sftp://` or `http(s)://`. The name at its end says what kind: `.tar.gz`, `.tgz` or `.zip`;
   * `-` is `.tar.gz`.
   */
  readonly output: string;
  /** Other names and versions for what the sources have, and names for what has none. */
  readonly namings?: readonly Naming[];
  /** Versions under which every plugin is packed too. */
  readonly alsoVersions?: readonly string[];
  /** The gateway that is to run the plugins; those that it cannot run are refused before anything is written. */
  readonly gateway?: GatewayProfile;
  /** Texts whose WasmPlugin resources travel along; {@link readResourceTexts} reads them. */
  readonly resources?: readonly ResourceText[];
  /** Put variables in place of what looks like a secret in the resources, instead of refusing it. @default false */
  readonly secretsToVariables?: boolean;
}

export interface ExportedPlugin extends PluginId {
  /** Bytes of plugin.wasm. */
  readonly size: number;
  readonly sha256: string;
  /** The plugin whose module this one shares in the bundle. */
  readonly sameAs?: string;
}

export interface ExportResult extends NewBundle {
  /** The bundle file or where else it is; with `parts`, what the names of its parts begin with. */
  readonly file: string;
  /** What lies beside the bundle, where the program was to travel along. */
  readonly tool?: readonly ToolFile[];
  readonly manifestSha256: string;
  readonly set: string;
  readonly sequence: number;
  readonly signedBy: string | undefined;
  readonly plugins: readonly ExportedPlugin[];
  /** The resources that travel along, ascending by name. */
  readonly resources: readonly ExportedResource[];
  /** What was asked for and left out; empty unless it was asked to keep going. */
  readonly failures: readonly ExportFailure[];
  /** Things in the source that did not travel. */
  readonly notes: readonly string[];
}

/**
 * Packs plugins of one or more sources into one bundle. The output name only ever stands for a complete bundle.
 *
 * @throws PlugferryError `E_USAGE`, `E_SELECTION`, `E_SOURCE`, `E_SECRET`, `E_WASM`, `E_GATEWAY`, `E_METADATA`, `E_EXISTS`, `E_SOURCE_CHANGED`, `E_NETWORK` and others.
 */
export async function exportBundle(options: ExportOptions): Promise<ExportResult> {
  const { pack } = containerAt(options.output);
  checkOutput({ ...options, fileSigner: options.signFile === true ? fileSignerOf(options) : undefined });
  refuseCompanions(options);
  const luggage = resourceLuggage(options);
  const { source, namings = [], trust = { publicKeys: [] }, signal, onProgress } = options;
  const { stdin = Readable.from([]), mirrors = [], alsoVersions = [] } = options;
  const locations = typeof source === 'string' ? [source] : source;
  const scratch = scratchFor(options.output);
  const beside = options.withTool === true ? await toolFor(options) : undefined;
  const { catalogueKind, registries, access } = options;
  const reading = { stdin, catalogueKind, mirrors, namings, alsoVersions, registries, access };
  const sources = await openSources(locations, { scratch, trust, ...reading, signal, onProgress });
  try {
    const result = await exportFrom({ sources, luggage }, pack, options);
    if (beside === undefined) return result;
    await beside.write(signal === undefined ? {} : { signal });
    return { ...result, tool: beside.files };
  } finally {
    await sources.close();
  }
}

const toolFor = ({ output, force = false, signer }: ExportOptions): Promise<Tool> =>
  prepareTool({
    directory: dirname(output),
    force,
    sign: signer === undefined ? undefined : (bytes) => signer.sign(bytes),
  });

/** What goes into a bundle. */
interface Cargo {
  readonly sources: Sources;
  readonly luggage: ResourceLuggage;
}

async function exportFrom(
  { sources, luggage }: Cargo,
  pack: Pack,
  options: ExportOptions,
): Promise<ExportResult> {
  const listing = await sources.list();
  const { plugins, failures } = await collectChosen(listing, options);
  if (options.gateway !== undefined) await refuseUnfitFiles(plugins, options.gateway);
  const contents = layOut(plugins, labelOf(options), luggage.packed);
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
    progress: progressOf(options.onProgress, 'pack'),
  };
  options.notify?.(`writing ${outputName(options.output)}`);
  const written = await writeBundle(content, pack, options);
  const { set, sequence } = contents.manifest;
  return {
    ...written,
    manifestSha256: sha256Of(manifestBytes),
    set,
    sequence,
    signedBy: options.signer?.keyId,
    plugins: resultPlugins(plugins, contents.manifest.files),
    resources: luggage.exported,
    failures,
    notes: [...listing.notes, ...luggage.notes, ...luggage.unserved(plugins)],
  };
}

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

function resultPlugins(plugins: readonly SurveyedPlugin[], files: readonly ManifestFile[]): ExportedPlugin[] {
  const shared = new Map(files.map(({ path, sameAs }) => [path, sameAs]));
  return plugins.map(({ name, version, wasm }) => {
    const first = parsePluginPath(shared.get(pluginPath({ name, version }, 'plugin.wasm')) ?? '')?.id;
    const sameAs = first === undefined ? {} : { sameAs: formatPluginId(first) };
    return { name, version, size: wasm.size, sha256: wasm.sha256, ...sameAs };
  });
}
