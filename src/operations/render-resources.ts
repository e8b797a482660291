import { pipeline } from 'node:stream/promises';
import type { Authentication, Trust } from '../verification/authenticate.js';
import { type BundlePlace, reachOf, type ReachOptions } from '../location/bundle-input.js';
import { moduleUrl } from '../plugin/module-url.js';
import { PlugferryError } from '../errors.js';
import { Discard } from '../stream/drain.js';
import { type ProgressObserver, progressOf } from '../stream/progress.js';
import type { PartDamage } from '../parts/damage.js';
import { pluginPath } from '../plugin/layout.js';
import { formatPluginId, type PluginId } from '../plugin/plugin.js';
import { parseResourcePath, resourcePath } from '../plugin/resource-name.js';
import { select } from '../plugin/selection.js';
import { clusterFieldsIn } from '../resource/cluster-fields.js';
import { readWasmPluginDocuments, type WasmPluginDocument } from '../resource/documents.js';
import type { Change } from '../resource/merge-patch.js';
import { applyOverlays, demandResources, type Overlays } from '../resource/overlay.js';
import { retarget } from '../resource/retarget.js';
import { demandValues, fillVariables, variablesIn } from '../resource/variables.js';
import { wasmPluginOf } from '../resource/wasm-plugin.js';
import type { Manifest, ManifestResource } from '../schema/manifest.js';
import { yamlText } from '../schema/yaml.js';
import { type EnvironmentLine, environmentLines } from '../resource/environment.js';
import { openVerifiedBundle } from '../verification/verified-bundle.js';
import { wantedPlugins } from '../catalogue/wanted-plugins.js';
import type { RenderedResource } from '../resource/rendered.js';

/** A module that the target serves. */
export interface ServedPlugin extends PluginId {
  readonly sha256: string;
}

export interface RenderOptions extends ReachOptions {
  readonly bundle: BundlePlace;
  readonly trust: Trust;
  /** Where gateways reach the plugin server: `http://host/` for `http://host/plugins/...`; or `file:///opt/` of their own disk. */
  readonly baseUrl: string;
  /** Set in every resource. @default the one that it has */
  readonly namespace?: string;
  /** What is different here. */
  readonly overlays?: Overlays;
  /** The values of variables; asked only for those that the resources need. */
  readonly value?: (variable: string) => string | undefined;
  /** What the target serves besides the bundle. */
  readonly served?: readonly ServedPlugin[];
  /** Patterns `name[@version]` of what is taken of the bundle. @default all */
  readonly include?: readonly string[];
  /** Told, once, what was missing or damaged in parts and was made again from parity. */
  readonly onRepair?: (repaired: readonly PartDamage[]) => void;
  readonly signal?: AbortSignal;
  /** Told of bytes as they flow. */
  readonly onProgress?: ProgressObserver;
  /** @default the clock of this machine */
  readonly clock?: () => Date;
}

export interface Rendering {
  readonly manifestSha256: string;
  readonly authentication: Authentication;
  /** Ascending by name. */
  readonly resources: readonly RenderedResource[];
  /** What Console and controller must be told. */
  readonly environment: readonly EnvironmentLine[];
}

/**
 * The resources of a bundle as one environment needs them. The bundle is verified, every byte of it, before anything is made of it;
 * nothing is written.
 *
 * @throws PlugferryError of the trust and integrity kinds; `E_NOT_FOUND` for a bundle without resources, `E_SELECTION` when a
 *   resource wants a plugin that is not served, `E_VARIABLES` for those without a value, `E_USAGE` for overlays of others.
 */
export async function renderResources(options: RenderOptions): Promise<Rendering> {
  const { manifest, texts, ...origin } = await readBundle(options);
  const listed = manifest.resources ?? [];
  if (listed.length === 0) throw noResources();
  if (options.overlays !== undefined) {
    demandResources(
      options.overlays,
      listed.map(({ name }) => name),
    );
  }
  const drafts = listed.map((resource) => draftOf(resource, texts.get(resource.name) ?? '', options));
  const values = valuesFor(drafts, options);
  const served = servedBy(manifest, options);
  const wanted = drafts.map((draft) => ({ draft, plugin: servedPlugin(draft, served) }));
  demandServed(wanted, served);
  const resources = wanted.flatMap(({ draft, plugin }) =>
    plugin === undefined ? [] : [finish(draft, plugin, { values, options })],
  );
  return { ...origin, resources, environment: environmentLines(options.baseUrl, [...served.values()]) };
}

interface ReadBundle {
  readonly manifest: Manifest;
  readonly manifestSha256: string;
  readonly authentication: Authentication;
  /** Resources by name. */
  readonly texts: ReadonlyMap<string, string>;
}

async function readBundle(options: RenderOptions): Promise<ReadBundle> {
  const { trust, signal, onRepair, clock } = options;
  const reach = { ...reachOf(options), signal, onRepair };
  const bundle = await openVerifiedBundle(options.bundle, { ...reach, trust, clock });
  try {
    const { manifest, manifestSha256, authentication } = bundle;
    const texts = new Map<string, string>();
    await bundle.payload(
      async ({ path }, body) => {
        const name = parseResourcePath(path);
        if (name === undefined) await pipeline(body, new Discard());
        else texts.set(name, utf8(Buffer.concat(await body.toArray()), path));
      },
      { progress: progressOf(options.onProgress, 'verify') },
    );
    return { manifest, manifestSha256, authentication, texts };
  } finally {
    await bundle.close();
  }
}

function utf8(bytes: Buffer, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new PlugferryError('E_SOURCE', `${file} is not UTF-8 text`, {
      hint: 'The bundle was made by a faulty or foreign program. Export it again with Plugferry.',
      details: { file, expected: 'UTF-8' },
      cause,
    });
  }
}

interface Draft extends WasmPluginDocument {
  readonly variables: readonly string[];
  readonly overlaid: readonly Change[];
}

/** A resource with its overlays, which are read as if they had been written into it. */
function draftOf({ name, variables }: ManifestResource, text: string, { overlays }: RenderOptions): Draft {
  const file = resourcePath(name);
  const { plugins, others } = readWasmPluginDocuments(text, file);
  const [plugin] = plugins;
  if (plugin?.resource.name !== name || plugins.length + others.length > 1) throw notThis(name);
  const { document } = plugin;
  const [owned] = clusterFieldsIn(document);
  if (owned !== undefined) throw ofACluster(file, owned.join('.'));
  const overlaid = overlays === undefined ? [] : applyOverlays(document, name, overlays);
  const object = document.toJS() as Record<string, unknown>;
  return { resource: wasmPluginOf(object, { file, line: 1 }), document, variables, overlaid };
}

/** `ownerReferences` of a cluster, above all, would have another one collect the resource as garbage. */
const ofACluster = (file: string, field: string): PlugferryError =>
  new PlugferryError('E_MANIFEST', `${file} holds ${field}, which belongs to the cluster that it came from`, {
    hint: 'The bundle was made by a faulty or foreign program. Export it again with Plugferry.',
    details: { file, expected: 'no fields of a cluster', found: field },
  });

/** What an overlay has put in the place of a variable needs no value any more. */
function valuesFor(drafts: readonly Draft[], { value }: RenderOptions): ReadonlyMap<string, string> {
  const wanted = drafts.flatMap(({ document, variables }) => variablesIn(document, variables));
  const values = new Map(
    wanted.flatMap((name) => {
      const found = value?.(name);
      return found === undefined ? [] : [[name, found] as const];
    }),
  );
  demandValues(wanted, values);
  return values;
}

type Served = ReadonlyMap<string, ServedPlugin>;

function servedBy(manifest: Manifest, { served = [], include = [] }: RenderOptions): Served {
  const files = new Map(manifest.files.map((file) => [file.path, file.sha256]));
  const taken = select(manifest.plugins, { include, exclude: [] }).map(({ name, version }) => ({
    name,
    version,
    sha256: files.get(pluginPath({ name, version }, 'plugin.wasm')) ?? '',
  }));
  return new Map([...served, ...taken].map((plugin) => [formatPluginId(plugin), plugin]));
}

const servedPlugin = ({ resource }: Draft, served: Served): ServedPlugin | undefined =>
  wantedPlugins(resource)
    .map((id) => served.get(formatPluginId(id)))
    .find((plugin) => plugin !== undefined);

interface Wanted {
  readonly draft: Draft;
  readonly plugin: ServedPlugin | undefined;
}

/** A resource whose module is not there is what takes a gateway down, or opens it. */
function demandServed(wanted: readonly Wanted[], served: Served): void {
  const dangling = wanted
    .filter(({ plugin }) => plugin === undefined)
    .map(({ draft: { resource } }) => ({
      resource: resource.name,
      plugins: wantedPlugins(resource).map(formatPluginId),
      others: [...served.values()].filter(({ name }) =>
        wantedPlugins(resource).some((id) => id.name === name),
      ),
    }));
  if (dangling.length === 0) return;
  const lines = dangling.map(({ resource, plugins, others: [other] }) => {
    const wants = plugins[0] ?? 'a plugin that its URL does not name';
    return `${resource} wants ${wants}${other === undefined ? '' : ` (there is ${formatPluginId(other)})`}`;
  });
  const rest = lines.length > 5 ? `, and ${lines.length - 5} more` : '';
  throw new PlugferryError('E_SELECTION', `not served there: ${lines.slice(0, 5).join(', ')}${rest}`, {
    hint:
      'Export with these plugins, serve one under this version too (plugferry alias) and give --volume, or set spec.url to ' +
      '.../plugins/<name>/<version>/plugin.wasm of another one in the overlay of this environment.',
    details: { dangling: dangling.map(({ resource, plugins }) => ({ resource, plugins })) },
  });
}

interface Finishing {
  readonly values: ReadonlyMap<string, string>;
  readonly options: RenderOptions;
}

function finish(draft: Draft, plugin: ServedPlugin, { values, options }: Finishing): RenderedResource {
  const { document, resource, variables, overlaid } = draft;
  const url = moduleUrl(options.baseUrl, plugin);
  const { namespace } = options;
  const retargeted = retarget(document, { url, sha256: plugin.sha256, namespace });
  const filled = fillVariables(document, variables, values);
  return {
    name: resource.name,
    namespace: namespace ?? resource.namespace,
    plugin: { name: plugin.name, version: plugin.version },
    text: yamlText(document),
    retargeted,
    overlaid,
    filled,
  };
}

const noResources = (): PlugferryError =>
  new PlugferryError('E_NOT_FOUND', 'the bundle carries no WasmPlugin resources', {
    hint: 'Export it with --with-resources.',
    details: { expected: 'resources/wasmplugins/*.yaml' },
  });

const notThis = (name: string): PlugferryError =>
  new PlugferryError('E_MANIFEST', `${resourcePath(name)} is not the WasmPlugin ${name}, and nothing else`, {
    hint: 'The bundle was made by a faulty or foreign program. Export it again with Plugferry.',
    details: { file: resourcePath(name), expected: `WasmPlugin ${name}` },
  });
