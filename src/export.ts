import { createReadStream } from 'node:fs';
import { dirname } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import type { Trust } from './authenticate.js';
import type { ReachOptions } from './bundle-bytes.js';
import { checkOutput, containerAt, outputName, scratchFor, type Delivered } from './bundle-output.js';
import { layOut, type Contents } from './bundle/contents.js';
import type { BundleContent, Pack } from './bundle/pack.js';
import { parseManifest } from './bundle/manifest.js';
import type { Mirror } from './catalogue/mirror.js';
import type { CatalogueKind } from './catalogue/read.js';
import { PlugferryError } from './errors.js';
import { sha256Of } from './io/digest.js';
import { progressOf, type ProgressObserver } from './io/progress.js';
import { refuseUnfitFiles } from './gateway-check.js';
import type { Signer } from './keys.js';
import { parsePluginPath, pluginPath } from './plugin/layout.js';
import { firstEpoch } from './plugin/numbering.js';
import { formatPluginId, type PluginId } from './plugin/plugin.js';
import type { RegistryAccess } from './registry/login.js';
import { select } from './plugin/selection.js';
import type { GatewayProfile } from './schema/gatewayProfile.js';
import type { ManifestFile } from './schema/manifest.js';
import { documentBytes } from './schema/parse.js';
import { fileSignerOf, refuseCompanions, writeBundle } from './export-output.js';
import { resourceLuggage, type ExportedResource, type ResourceLuggage } from './export-resources.js';
import { gather, type ExportFailure, type Gathered } from './gather.js';
import type { Naming } from './plugin/naming.js';
import type { WrittenPart } from './parts/split.js';
import type { SplitShape } from './split.js';
import type { ResourceText } from './resource/texts.js';
import { openSources, type Sources, type SourcesListing } from './sources.js';
import { shortened } from './source/rename.js';
import type { SurveyedPlugin } from './source/survey.js';
import { prepareTool, type Tool, type ToolFile } from './tool/beside.js';
import { policyOf } from './trust/policy.js';
import { demandReach, type Reach } from './trust/reach.js';
import { tool } from './version.js';

export interface ExportOptions extends Omit<ReachOptions, 'sha256'> {
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
  /** What `-` stands for as output. */
  readonly stdout?: Writable | undefined;
  /** Write the bundle in parts, named `<output>.part001` and so on, and not whole. @default whole */
  readonly split?: SplitShape;
  /**
   * Write the digest of the bundle file beside it, and the signature of that: who has stock tools only checks these before
   * anything in the file is looked at. With {@link withTool} always. @default false
   */
  readonly signFile?: boolean;
  /** Put this program beside the bundle, as one file, with what a receiver needs who has nothing else. @default false */
  readonly withTool?: boolean;
  /** Replace existing outputs. @default false */
  readonly force?: boolean;
  /** Patterns `name[@version]` with `*` and `?` of what to take; none means everything. */
  readonly include?: readonly string[];
  /** Patterns of what to leave out. */
  readonly exclude?: readonly string[];
  /** Other names and versions for what the sources have, and names for what has none. */
  readonly namings?: readonly Naming[];
  /** Versions under which every plugin is packed too. */
  readonly alsoVersions?: readonly string[];
  /**
   * Whose signatures a bundle must have that plugins are taken from; a policy for {@link set} in a trust store also says how high its
   * sequence may be. @default nobody's, so that it is refused
   */
  readonly trust?: Trust;
  /** Most plugins that are fetched at once. @default 4 */
  readonly jobs?: number;
  /** Leave out what cannot be had, and say what that was, instead of failing. @default false */
  readonly keepGoing?: boolean;
  /** Name of the plugin set. @default default */
  readonly set?: string;
  /** @default 1 */
  readonly epoch?: number;
  /** Grows with every bundle of a set; at most ten years of seconds ahead of the clock. @default the second of `createdAt` */
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
  /** Texts whose WasmPlugin resources travel along; {@link readResourceTexts} reads them. */
  readonly resources?: readonly ResourceText[];
  /** Put variables in place of what looks like a secret in the resources, instead of refusing it. @default false */
  readonly secretsToVariables?: boolean;
  readonly signal?: AbortSignal;
  /** Told, in words, of each step. */
  readonly notify?: (message: string) => void;
  /** Told of bytes as they flow. */
  readonly onProgress?: ProgressObserver;
}

export interface ExportedPlugin extends PluginId {
  /** Bytes of plugin.wasm. */
  readonly size: number;
  readonly sha256: string;
  /** The plugin whose module this one shares in the bundle. */
  readonly sameAs?: string;
}

export interface ExportResult extends Delivered {
  /** The bundle file or where else it is; with `parts`, what the names of its parts begin with. */
  readonly file: string;
  /** The part files, where it was to be written in parts. */
  readonly parts?: readonly WrittenPart[];
  /** What lies beside the bundle, where the program was to travel along. */
  readonly tool?: readonly ToolFile[];
  /** Bytes of the bundle file. */
  readonly size: number;
  /** SHA-256 of the bundle file: for transfer errors only, never for trust. */
  readonly sha256: string;
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
  const { plugins, failures } = await gatherChosen(listing, options);
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

async function gatherChosen(
  { offers, nameless }: SourcesListing,
  { include = [], exclude = [], jobs = 4, keepGoing = false, signal, notify, onProgress }: ExportOptions,
): Promise<Gathered> {
  // Patterns are patterns of names: what has none is not meant by them.
  if (include.length === 0 && nameless.length > 0) throw withoutName(nameless);
  const chosen = select(offers, { include, exclude });
  return gather(chosen, { jobs, keepGoing, signal, notify, onProgress });
}

function withoutName(nameless: SourcesListing['nameless']): PlugferryError {
  const callings = nameless.map(({ from }) => from);
  return new PlugferryError('E_SELECTION', `no name and version follow from ${shortened(callings)}`, {
    hint: 'Name each with --as FROM=name@version, or take only what has a name with --plugin.',
    details: { file: callings[0] ?? '', nameless: callings },
  });
}

/** The manifest's time format has whole seconds. */
const toSeconds = (date: Date): string => `${date.toISOString().slice(0, 19)}Z`;

function labelOf(options: ExportOptions): Parameters<typeof layOut>[1] {
  const { createdAt = new Date(), expiresAt } = options;
  if (expiresAt !== undefined && expiresAt <= createdAt) throw bornExpired(createdAt, expiresAt);
  const set = options.set ?? 'default';
  const epoch = options.epoch ?? firstEpoch;
  const sequence = options.sequence ?? Math.floor(createdAt.getTime() / 1000);
  demandReach({ set, epoch, sequence }, reachOfSet(set, createdAt, options));
  return {
    set,
    epoch,
    sequence,
    audience: [...(options.audience ?? [])],
    createdAt: toSeconds(createdAt),
    ...(expiresAt === undefined ? {} : { expiresAt: toSeconds(expiresAt) }),
    tool,
  };
}

/** What receivers take: from the moment of creation on, which may lie behind us for the sake of equal bytes. */
const reachOfSet = (set: string, createdAt: Date, { trust }: ExportOptions): Reach => ({
  policy: trust !== undefined && 'store' in trust ? policyOf(trust.store, set) : undefined,
  now: new Date(Math.max(Date.now(), createdAt.getTime())),
});

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

function resultPlugins(plugins: readonly SurveyedPlugin[], files: readonly ManifestFile[]): ExportedPlugin[] {
  const shared = new Map(files.map(({ path, sameAs }) => [path, sameAs]));
  return plugins.map(({ name, version, wasm }) => {
    const first = parsePluginPath(shared.get(pluginPath({ name, version }, 'plugin.wasm')) ?? '')?.id;
    const sameAs = first === undefined ? {} : { sameAs: formatPluginId(first) };
    return { name, version, size: wasm.size, sha256: wasm.sha256, ...sameAs };
  });
}
