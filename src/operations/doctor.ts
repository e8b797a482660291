import type { Trust } from '../verification/authenticate.js';
import type { ReachOptions } from '../location/bundle-input.js';
import type { Catalogue } from '../catalogue/catalogue.js';
import { diagnose, type Holding } from '../diagnosis/diagnose.js';
import type { Finding } from '../diagnosis/finding.js';
import { shellLine } from '../diagnosis/fix-commands.js';
import { type Probed, probeModule } from '../diagnosis/probe.js';
import type { Reference } from '../diagnosis/reference.js';
import { moduleUrl } from '../plugin/module-url.js';
import { PlugferryError } from '../errors.js';
import { incompatibilities } from '../gateway/compatibility.js';
import { releaseLocation } from '../inventory/release.js';
import { takeInventory } from '../inventory/take.js';
import type { InventoryItem, InventoryPlace } from '../inventory/inventory.js';
import type { ProgressObserver } from '../stream/progress.js';
import { formatPluginId, type PluginId } from '../plugin/plugin.js';
import type { PluginSpec } from '../resource/plugin-spec.js';
import type { ResourceText } from '../resource/texts.js';
import { readWasmPlugins, type WasmPluginResource } from '../resource/wasm-plugin.js';
import type { GatewayProfile } from '../schema/gatewayProfile.js';

export interface DoctorOptions extends Omit<ReachOptions, 'sha256'> {
  /** What holds the plugins: a bundle file, a volume, `VOLUME@ID`, a plain plugin-server tree, or the URL of a plugin server. */
  readonly place: string;
  /** YAML or JSON with WasmPlugin resources. */
  readonly resources?: readonly ResourceText[] | undefined;
  /** How the Console makes the URLs of the plugins that it offers. */
  readonly console?: { readonly pattern: string; readonly specs: readonly PluginSpec[] } | undefined;
  /** A text that names plugins, such as a Higress release snapshot: all of them have to be there. */
  readonly catalogue?: Catalogue | undefined;
  /** What the controller uses for MCP servers: `MCP_SERVER_WASM_IMAGE_URL`. */
  readonly mcpUrl?: string | undefined;
  /** Where gateways reach the plugin server. @default any server with the right paths is taken to be it */
  readonly baseUrl?: string | undefined;
  /** Reports modules to which nothing refers. @default false */
  readonly orphans?: boolean | undefined;
  /** Reports modules that are asked for, and that this gateway cannot run. */
  readonly gateway?: GatewayProfile | undefined;
  /** A running server, `http://host/` for `http://host/plugins/...`: every plugin is fetched from it as a gateway does. */
  readonly probe?: string | undefined;
  /** Whose signatures a bundle must have; without it a bundle is taken at its word. */
  readonly trust?: Trust | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of the bytes of modules that have to be read. */
  readonly onProgress?: ProgressObserver | undefined;
}

/** A plugin as a gateway would get it. */
export type ProbedPlugin = PluginId & { readonly url: string } & Probed;

export interface DoctorResult {
  readonly place: InventoryPlace;
  /** How many references were looked at. */
  readonly references: number;
  /** How many plugins they ask for. */
  readonly asked: number;
  readonly findings: readonly Finding[];
  /** Empty without `probe`. */
  readonly probed: readonly ProbedPlugin[];
  /** What was seen in the place and left out, with names as they are. */
  readonly notes: readonly string[];
}

/**
 * Holds what gateways will ask for against what a place holds, and says what will go wrong, before it does. Writes nothing.
 *
 * @throws PlugferryError as `takeInventory` does; `E_SOURCE` for resources that are not readable; `E_USAGE` when nothing that
 *   could be wrong was given, or for a Console pattern that gives every plugin the same URL.
 */
export async function doctor(options: DoctorOptions): Promise<DoctorResult> {
  const references = referencesOf(options);
  const { trust, signal, access, stdin, onProgress } = options;
  const reach = { ...(access && { access }), ...(stdin && { stdin }) };
  const inventory = await takeInventory(options.place, { trust, signal, onProgress, ...reach });
  try {
    const { place, items, notes } = inventory;
    const holding: Holding = { location: place.location, volume: volumeOf(place), modules: items };
    const { baseUrl: base, orphans } = options;
    const { findings, asked } = diagnose(references, holding, { base, orphans });
    const wanted = references.length === 0 ? items : asked;
    const unfit = await gatewayFindings(wanted, items, options);
    const probed = await probeAll(wanted, options);
    return {
      place,
      references: references.length,
      asked: asked.length,
      findings: [...findings, ...unfit, ...probeFindings(probed, holding)],
      probed,
      notes,
    };
  } finally {
    await inventory.close();
  }
}

const volumeOf = ({ kind, location }: InventoryPlace): string | undefined =>
  kind === 'release' ? (releaseLocation(location)?.volume ?? location) : undefined;

function referencesOf({ resources, console, mcpUrl, catalogue, ...options }: DoctorOptions): Reference[] {
  const references = [
    ...(resources ?? []).flatMap(({ file, text }) => readWasmPlugins(text, file).map(fromResource)),
    ...(console === undefined ? [] : fromConsole(console)),
    ...(catalogue?.entries ?? []).flatMap(fromCatalogue),
    ...(mcpUrl === undefined ? [] : [fromController(mcpUrl)]),
  ];
  const anything = references.length > 0 || options.gateway !== undefined || options.probe !== undefined;
  if (anything) return references;
  const empty = resources !== undefined;
  throw new PlugferryError(
    'E_USAGE',
    empty ? 'the resources hold no WasmPlugin' : 'nothing was given that refers to plugins',
    {
      hint:
        'Give WasmPlugin resources (kubectl get wasmplugins -A -o yaml), the URL pattern of the Console with its specs, the URL for ' +
        'MCP servers, a text that names plugins, a server to probe, or a gateway profile.',
      details: { expected: 'references', found: empty ? 'no WasmPlugin' : 'nothing' },
    },
  );
}

function fromResource(resource: WasmPluginResource): Reference {
  const { name, namespace, url, file, line } = resource;
  const who = `WasmPlugin ${namespace === undefined ? '' : `${namespace}/`}${name}`;
  return { origin: 'wasmplugin', who, file, line, url, resource };
}

/** The Console replaces the placeholders as plain text (`WasmPluginServiceImpl`). */
function fromConsole({ pattern, specs }: NonNullable<DoctorOptions['console']>): Reference[] {
  if (!pattern.includes('${name}')) {
    throw new PlugferryError('E_USAGE', `"${pattern}" gives every plugin the same URL: it has no \${name}`, {
      hint: 'Give the value of HIGRESS_ADMIN_WASM_PLUGIN_CUSTOM_IMAGE_URL_PATTERN in single quotes, so that the shell leaves ${name} alone.',
      details: { expected: '${name} and ${version}', found: pattern },
    });
  }
  return specs.map(({ name, version, file }) => ({
    origin: 'console',
    who: `Console, for ${name}@${version}`,
    file,
    line: undefined,
    url: pattern.replaceAll('${name}', name).replaceAll('${version}', version),
    resource: undefined,
  }));
}

const fromCatalogue = ({ id, text, place, wasmSha256 }: Catalogue['entries'][number]): Reference[] =>
  id === undefined
    ? []
    : [
        {
          origin: 'catalogue',
          who: 'catalogue',
          file: place,
          line: undefined,
          url: text,
          meant: { id, sha256: wasmSha256 },
          resource: undefined,
        },
      ];

const fromController = (url: string): Reference => ({
  origin: 'mcp-server',
  who: 'controller, for MCP servers',
  file: undefined,
  line: undefined,
  url,
  resource: undefined,
});

async function gatewayFindings(
  wanted: readonly PluginId[],
  items: readonly InventoryItem[],
  { gateway, place, signal }: DoctorOptions,
): Promise<Finding[]> {
  if (gateway === undefined) return [];
  const ids = new Set(wanted.map(formatPluginId));
  const findings: Finding[] = [];
  for (const item of items.filter((each) => ids.has(formatPluginId(each)))) {
    const found = await item.facts(signal);
    const reasons =
      found.problem === undefined
        ? incompatibilities({ facts: found.module }, gateway).map(({ reason }) => reason)
        : [found.problem];
    if (reasons.length === 0) continue;
    const id = { name: item.name, version: item.version };
    findings.push({
      kind: 'gateway',
      who: null,
      plugin: id,
      problem: `gateway "${gateway.name}" cannot run ${formatPluginId(id)}: it ${reasons.join(', and ')}`,
      mend: shellLine('plugferry', 'export', place, '--exclude', formatPluginId(id), '-o', 'fit.tar.gz'),
    });
  }
  return findings;
}

/** One after the other: a gateway's agent fetches in parallel, and what takes its turn here has the link for itself. */
async function probeAll(
  wanted: readonly PluginId[],
  { probe, access, signal }: DoctorOptions,
): Promise<ProbedPlugin[]> {
  if (probe === undefined) return [];
  const probed: ProbedPlugin[] = [];
  for (const { name, version } of wanted) {
    const url = moduleUrl(probe, { name, version });
    probed.push({ name, version, url, ...(await probeModule(url, { access: access?.http, signal })) });
  }
  return probed;
}

/** A module that is not in the place has its finding already; the server need not have it either. */
function probeFindings(probed: readonly ProbedPlugin[], { location, modules }: Holding): Finding[] {
  return probed.flatMap((plugin): Finding[] => {
    const { name, version, url } = plugin;
    const held = modules.find((module) => module.name === name && module.version === version);
    if (held === undefined) return [];
    const problem =
      plugin.problem === undefined
        ? plugin.sha256 === held.sha256
          ? undefined
          : `${url} is another module than that of ${location}: sha256 ${plugin.sha256.slice(0, 16)}... against ${held.sha256.slice(0, 16)}...`
        : `${url} gives the gateway nothing: ${plugin.problem} (${plugin.attempts} ${plugin.attempts === 1 ? 'attempt' : 'attempts'})`;
    if (problem === undefined) return [];
    const mend = shellLine(
      'plugferry',
      'diff',
      location,
      url.slice(0, -`${name}/${version}/plugin.wasm`.length),
    );
    return [{ kind: 'probe', who: null, plugin: { name, version }, problem, mend }];
  });
}
