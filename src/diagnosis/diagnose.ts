import { comparePluginIds, formatPluginId, type PluginId } from '../plugin/plugin.js';
import { findingOn, type Finding } from './finding.js';
import { HeldModules, type HeldModule } from './held.js';
import { aliasLine, environmentLine, patchLine, shellLine } from './fix-commands.js';
import { type Reference, type Target, targetOf } from './reference.js';
import { moduleUrl } from '../plugin/module-url.js';
import { resourceFindings } from './resource-findings.js';

/** What references are held against. */
export interface Holding {
  readonly location: string;
  /** Directory of the volume, where it is one: there more versions can be served. */
  readonly volume?: string | undefined;
  readonly modules: readonly HeldModule[];
}

export interface DiagnoseOptions {
  /** Where the gateways reach the plugin server. @default any server is taken to be it */
  readonly base?: string | undefined;
  /** Whether a module to which nothing refers is a finding. @default false */
  readonly orphans?: boolean | undefined;
}

/** Where the official chart puts the plugin server, and the Console looks for it. */
const usualBase = 'http://higress-plugin-server.higress-system.svc/';

/**
 * What is wrong between what refers to plugins and a place that holds some: in the order of the references, orphans last.
 *
 * @returns also the plugins that are asked for, each once, ascending.
 */
export function diagnose(
  references: readonly Reference[],
  holding: Holding,
  { base, orphans = false }: DiagnoseOptions,
): { readonly findings: Finding[]; readonly asked: PluginId[] } {
  const asked = new Map<string, PluginId>();
  const held = new HeldModules(holding.modules);
  const context: Context = { holding, held, base: base ?? usualBase };
  const findings = references.flatMap((reference) => {
    const { url, meant } = reference;
    if (url === undefined) return [withoutUrl(reference)];
    const target = meant ?? targetOf(url, base);
    if (!('id' in target)) return [notFromHere(reference, target, context)];
    asked.set(formatPluginId(target.id), target.id);
    return pluginFindings(reference, target.id, context);
  });
  return {
    findings: orphans ? [...findings, ...orphansIn(holding, asked)] : findings,
    asked: [...asked.values()].sort(comparePluginIds),
  };
}

interface Context {
  readonly holding: Holding;
  readonly held: HeldModules;
  readonly base: string;
}

function pluginFindings(reference: Reference, id: PluginId, context: Context): Finding[] {
  const held = context.held.get(id);
  const { resource } = reference;
  const ofResource =
    resource === undefined ? [] : resourceFindings({ reference, resource, plugin: id, held });
  if (held === undefined) return [missing(reference, id, context), ...ofResource];
  const promised = reference.meant?.sha256;
  return promised === undefined || promised === held.sha256
    ? ofResource
    : [otherBytes(reference, { id, promised, held }), ...ofResource];
}

function missing(
  reference: Reference,
  id: PluginId,
  { holding: { location, volume = 'VOLUME' }, held }: Context,
): Finding {
  const disabled =
    reference.resource?.disabled === true ? '; it is disabled, and will fail once enabled' : '';
  const versions = held.versionsOf(id.name);
  const highest = versions.at(-1);
  if (highest !== undefined) {
    return findingOn(reference, {
      kind: 'other-version',
      plugin: id,
      problem: `asks for ${formatPluginId(id)}, and ${location} has ${versions.join(', ')}${disabled}`,
      mend: aliasLine(volume, id, highest),
    });
  }
  const near = held.nearest(id.name);
  const hint = near === undefined ? '' : `; did they mean "${near}"?`;
  return findingOn(reference, {
    kind: 'dangling',
    plugin: id,
    problem: `asks for ${formatPluginId(id)}, and ${location} has nothing of that name${hint}${disabled}`,
    mend: shellLine(
      'plugferry',
      'export',
      'SOURCE',
      '--plugin',
      formatPluginId(id),
      '-o',
      `${id.name}.tar.gz`,
    ),
  });
}

const otherBytes = (
  reference: Reference,
  { id, promised, held }: { readonly id: PluginId; readonly promised: string; readonly held: HeldModule },
): Finding =>
  findingOn(reference, {
    kind: 'sha256',
    plugin: id,
    problem: `has ${formatPluginId(id)} as sha256 ${promised.slice(0, 16)}..., and what is there has ${held.sha256.slice(0, 16)}...`,
    mend: shellLine(
      'plugferry',
      'export',
      reference.file ?? 'SOURCE',
      '--plugin',
      formatPluginId(id),
      '-o',
      `${id.name}.tar.gz`,
    ),
  });

const withoutUrl = (reference: Reference): Finding =>
  findingOn(reference, {
    kind: 'no-url',
    problem: 'names no URL to fetch a module from',
    mend:
      reference.resource === undefined
        ? shellLine('plugferry', 'doctor', '--help')
        : patchLine(reference.resource, { url: moduleUrl(usualBase, { name: 'NAME', version: 'VERSION' }) }),
  });

function notFromHere(
  reference: Reference,
  { elsewhere, guess }: Exclude<Target, { readonly id: PluginId }>,
  { holding, held: modules, base }: Context,
): Finding {
  const held = guess === undefined ? undefined : modules.get(guess);
  const id = guess ?? { name: 'NAME', version: 'VERSION' };
  const url = moduleUrl(base, id);
  const known = held === undefined ? '' : `, though ${holding.location} has ${formatPluginId(held)}`;
  return findingOn(reference, {
    kind: 'elsewhere',
    ...(guess === undefined ? {} : { plugin: guess }),
    problem: `${elsewhere}${known}`,
    mend: elsewhereMend(reference, url, { base, sha256: held?.sha256 }),
  });
}

function elsewhereMend(
  { origin, resource }: Reference,
  url: string,
  { base, sha256 }: { readonly base: string; readonly sha256: string | undefined },
): string {
  if (resource !== undefined) {
    // A digest that stands there is that of a manifest, or of other bytes.
    const pinned = resource.sha256 === undefined && sha256 === undefined ? {} : { sha256: sha256 ?? null };
    return patchLine(resource, { url, ...pinned });
  }
  const [deployment, value] =
    origin === 'console'
      ? ([
          'higress-console',
          `HIGRESS_ADMIN_WASM_PLUGIN_CUSTOM_IMAGE_URL_PATTERN=${moduleUrl(base, { name: '${name}', version: '${version}' })}`,
        ] as const)
      : (['higress-controller', `MCP_SERVER_WASM_IMAGE_URL=${url}`] as const);
  return environmentLine(deployment, value);
}

function orphansIn(
  { location, volume = location, modules }: Holding,
  asked: ReadonlyMap<string, PluginId>,
): Finding[] {
  return modules
    .filter((module) => !asked.has(formatPluginId(module)))
    .map(({ name, version }) => ({
      kind: 'orphan' as const,
      who: null,
      plugin: { name, version },
      problem: `nothing that was given refers to ${name}@${version}`,
      mend: shellLine(
        'plugferry',
        'export',
        volume,
        '--exclude',
        `${name}@${version}`,
        '-o',
        'without-orphans.tar.gz',
      ),
    }));
}
