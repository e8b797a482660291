import { PlugferryError } from '../errors.js';
import { formatPluginId, type PluginId } from '../plugin/plugin.js';
import type { GatewayProfile } from '../schema/gatewayProfile.js';
import type { ModuleFacts } from '../schema/manifest.js';

/** One reason why a gateway cannot run a module. */
export interface Incompatibility {
  readonly kind: 'abi' | 'start' | 'allocate' | 'wasi' | 'import';
  /** In words, without the plugin's name. */
  readonly reason: string;
  /** The names that are missing, on whichever side. */
  readonly missing: readonly string[];
}

/** A plugin that a gateway cannot run. */
export interface UnfitPlugin extends PluginId {
  readonly reasons: readonly Incompatibility[];
}

/**
 * Why a gateway of this profile cannot load a module; empty when it can. The rules are those of proxy-wasm-cpp-host
 * (`WasmBase::load`, `registerCallbacks` and `getFunctions`): a known ABI version, every import offered for it, a way to take
 * memory; and a start function, without which the runtime of the module's language is never set up.
 */
export function incompatibilities(facts: ModuleFacts, profile: GatewayProfile): Incompatibility[] {
  return [...wrongAbi(facts, profile), ...missingExports(facts, profile), ...missingImports(facts, profile)];
}

function wrongAbi({ abi }: ModuleFacts, profile: GatewayProfile): Incompatibility[] {
  if (abi.some((version) => profile.abi.includes(version))) return [];
  const reason =
    abi.length === 0
      ? 'exports no proxy_abi_version_*: it is not a proxy-wasm plugin'
      : `is of ABI ${abi.join(', ')}, and the gateway knows ${profile.abi.join(', ')}`;
  return [{ kind: 'abi', reason, missing: profile.abi }];
}

function missingExports({ exports }: ModuleFacts, profile: GatewayProfile): Incompatibility[] {
  const lacks = (names: readonly string[]): boolean => !names.some((name) => exports.includes(name));
  return [
    ...(lacks(profile.start)
      ? [
          {
            kind: 'start' as const,
            reason: `exports no start function (${profile.start.join(' or ')})`,
            missing: profile.start,
          },
        ]
      : []),
    ...(lacks(profile.allocate)
      ? [
          {
            kind: 'allocate' as const,
            reason: `exports no function to take memory with (${profile.allocate.join(' or ')})`,
            missing: profile.allocate,
          },
        ]
      : []),
  ];
}

function missingImports({ abi, imports }: ModuleFacts, profile: GatewayProfile): Incompatibility[] {
  return imports.flatMap(({ module, names }): Incompatibility[] => {
    const groups = profile.imports.filter((group) => group.module === module);
    if (groups.length === 0) return [strangeModule(module, names, profile)];
    const offered = new Set(
      groups
        .filter((group) => group.abi === undefined || group.abi.some((version) => abi.includes(version)))
        .flatMap((group) => group.names),
    );
    const missing = names.filter((name) => !offered.has(name)).map((name) => `${module}.${name}`);
    return missing.length === 0
      ? []
      : [
          {
            kind: 'import',
            reason: `imports ${missing.join(', ')}, which the gateway does not offer`,
            missing,
          },
        ];
  });
}

/** A module of imports that the gateway has nothing of: for WASI that is another variant of it. */
function strangeModule(module: string, names: readonly string[], profile: GatewayProfile): Incompatibility {
  const missing = names.map((name) => `${module}.${name}`);
  if (!/^wasi/.test(module)) {
    return {
      kind: 'import',
      reason: `imports ${missing.join(', ')}, and the gateway offers nothing of "${module}"`,
      missing,
    };
  }
  const variants = [...new Set(profile.imports.map((group) => group.module))].filter((name) =>
    name.startsWith('wasi'),
  );
  const known = variants.length === 0 ? 'no WASI at all' : variants.join(', ');
  return { kind: 'wasi', reason: `is built for ${module}, and the gateway offers ${known}`, missing };
}

/** Those of the plugins that a gateway cannot run. */
export const unfitPlugins = (
  plugins: readonly (PluginId & { readonly wasm: ModuleFacts })[],
  profile: GatewayProfile,
): UnfitPlugin[] =>
  plugins.flatMap(({ name, version, wasm }) => {
    const reasons = incompatibilities(wasm, profile);
    return reasons.length === 0 ? [] : [{ name, version, reasons }];
  });

/** Most plugins that the message of an error names; the details hold all. */
const namedAtMost = 8;

/**
 * Refuses plugins that a gateway cannot run, all of them at once.
 *
 * @throws PlugferryError `E_GATEWAY` with `details.plugins`.
 */
export function refuseUnfit(
  plugins: readonly (PluginId & { readonly wasm: ModuleFacts })[],
  profile: GatewayProfile,
): void {
  const unfit = unfitPlugins(plugins, profile);
  if (unfit.length === 0) return;
  const named = unfit
    .slice(0, namedAtMost)
    .map(
      (plugin) => `${formatPluginId(plugin)} ${plugin.reasons.map(({ reason }) => reason).join(', and ')}`,
    );
  const more = unfit.length > namedAtMost ? [`and ${unfit.length - namedAtMost} more`] : [];
  throw new PlugferryError(
    'E_GATEWAY',
    `gateway "${profile.name}" cannot run ${unfit.length} of ${plugins.length} plugins: ${[...named, ...more].join('; ')}`,
    {
      hint:
        'Build them for this gateway, choose versions that fit it, or exclude them; ' +
        'if the gateway is newer than its profile, give the profile that describes it.',
      details: { expected: profile.name, found: named[0] ?? '', plugins: unfit },
    },
  );
}
