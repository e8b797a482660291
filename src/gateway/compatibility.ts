import { PlugferryError } from '../errors.js';
import { formatPluginId, type PluginId } from '../plugin/plugin.js';
import type { GatewayProfile } from '../schema/gatewayProfile.js';
import type { ModuleFacts } from '../schema/manifest.js';
import { exportsBeyond, importsBeyond } from './boundary.js';
import { abiOf, notCallable, wrongAbi } from './called.js';
import { notCompiled, notInstantiated } from './engine.js';
import type { ComparedModule, Incompatibility } from './incompatibility.js';
import { notOffered } from './offered.js';

export type { ComparedModule, Incompatibility } from './incompatibility.js';

/** A plugin that a gateway cannot run. */
export interface UnfitPlugin extends PluginId {
  readonly reasons: readonly Incompatibility[];
}

/**
 * Why a gateway of this profile cannot load a module; empty when it can. The rules are those of proxy-wasm-cpp-host
 * (`WasmBase::load`, `registerCallbacks` and `getFunctions`): a known ABI version, every import offered for it with its type, a way to
 * take memory, and each function that the gateway calls of the type by which it calls it; and those of the engine. They
 * stand in the order in which such a host meets them (src/gateway/README.md): at the first of them it refuses the module, or ends.
 */
export function incompatibilities(module: ComparedModule, profile: GatewayProfile): Incompatibility[] {
  const { asks } = module;
  const abi = abiOf(module, profile);
  return [
    ...(asks === undefined ? [] : notCompiled(asks, profile)),
    ...(abi.length === 0 ? [wrongAbi(module, profile)] : []),
    ...(asks === undefined ? [] : importsBeyond(asks, profile)),
    ...notOffered(module, profile, abi),
    ...(asks === undefined ? [] : notInstantiated(asks, profile)),
    ...(asks === undefined ? [] : exportsBeyond(asks, profile)),
    ...notCallable(module, profile, abi),
  ];
}

/** A plugin to be compared. */
export type ComparedPlugin = PluginId & ComparedModule;

/** Plugins as a manifest tells of them. What it claims is compared with the modules where those are read. */
export const claimed = (plugins: readonly (PluginId & { readonly wasm: ModuleFacts })[]): ComparedPlugin[] =>
  plugins.map(({ name, version, wasm }) => ({ name, version, facts: wasm }));

/** Those of the plugins that a gateway cannot run. */
const unfitPlugins = (plugins: readonly ComparedPlugin[], profile: GatewayProfile): UnfitPlugin[] =>
  plugins.flatMap(({ name, version, ...module }) => {
    const reasons = incompatibilities(module, profile);
    return reasons.length === 0 ? [] : [{ name, version, reasons }];
  });

/** Most plugins that the message of an error names; the details hold all. */
const namedAtMost = 8;

/**
 * Refuses plugins that a gateway cannot run, all of them at once.
 *
 * @throws PlugferryError `E_GATEWAY` with `details.plugins`.
 */
export function refuseUnfit(plugins: readonly ComparedPlugin[], profile: GatewayProfile): void {
  refuse(unfitPlugins(plugins, profile), plugins.length, profile);
}

/**
 * Refuses those of `count` plugins that were found unfit.
 *
 * @throws PlugferryError `E_GATEWAY` with `details.plugins`.
 */
export function refuse(unfit: readonly UnfitPlugin[], count: number, profile: GatewayProfile): void {
  if (unfit.length === 0) return;
  const named = unfit
    .slice(0, namedAtMost)
    .map(
      (plugin) => `${formatPluginId(plugin)} ${plugin.reasons.map(({ reason }) => reason).join(', and ')}`,
    );
  const more = unfit.length > namedAtMost ? [`and ${unfit.length - namedAtMost} more`] : [];
  throw new PlugferryError(
    'E_GATEWAY',
    `${calledGateway(profile)} cannot run ${unfit.length} of ${count} plugins: ${[...named, ...more].join('; ')}`,
    {
      hint:
        'Build them for this gateway, choose versions that fit it, or exclude them; ' +
        'if the gateway is newer than its profile, give the profile that describes it.',
      details: {
        expected: profile.name,
        confidence: confidenceOf(profile),
        found: named[0] ?? '',
        plugins: unfit,
      },
    },
  );
}

/** How sure a profile is: whether a gateway was asked, or its source code read. */
const confidenceOf = ({ confidence = 'read' }: GatewayProfile): 'measured' | 'read' => confidence;

const confidenceWords = { measured: 'measured', read: 'read from its sources, not tried' } as const;

/** For sentences: which gateway, and how sure its profile is. */
export const calledGateway = (profile: GatewayProfile): string =>
  `gateway "${profile.name}" (${confidenceWords[confidenceOf(profile)]})`;
