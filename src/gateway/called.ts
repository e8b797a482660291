import type { GatewayProfile } from '../schema/gatewayProfile.js';
import { signatureOf } from '../wasm/interface.js';
import { plain } from './boundary.js';
import type { ComparedModule, Incompatibility } from './incompatibility.js';
import { shown } from './offered.js';

/** The ABI version by which a gateway takes a module: the first that it knows, in the order of the export section. */
export function abiOf({ facts, asks }: ComparedModule, { abi }: GatewayProfile): string[] {
  if (asks === undefined) return facts.abi.filter((version) => abi.includes(version));
  const first = asks.exports.find(({ name, kind }) => kind === 'function' && abi.includes(name));
  return first === undefined ? [] : [first.name];
}

export function wrongAbi({ facts }: ComparedModule, profile: GatewayProfile): Incompatibility {
  const reason =
    facts.abi.length === 0
      ? 'exports no proxy_abi_version_*: it is not a proxy-wasm plugin'
      : `is of ABI ${facts.abi.join(', ')}, and the gateway knows ${profile.abi.join(', ')}`;
  return { kind: 'abi', reason, missing: profile.abi };
}

/** Functions that the gateway calls, and that are not there or have another type. */
export function notCallable(
  module: ComparedModule,
  profile: GatewayProfile,
  abi: readonly string[],
): Incompatibility[] {
  const { start = [], allocate } = profile;
  const lacks = (names: readonly string[]): boolean =>
    names.length > 0 && firstOf(module, names) === undefined;
  return [
    ...(lacks(start)
      ? [
          {
            kind: 'start' as const,
            reason: `exports no start function (${start.join(' or ')})`,
            missing: start,
          },
        ]
      : []),
    ...(lacks(allocate)
      ? [
          {
            kind: 'allocate' as const,
            reason: `exports no function to take memory with (${allocate.join(' or ')})`,
            missing: allocate,
          },
        ]
      : []),
    ...wrongTypes(module, profile, abi),
  ];
}

/** The first of these functions that a module exports. */
const firstOf = ({ facts, asks }: ComparedModule, names: readonly string[]): string | undefined =>
  names.find((name) =>
    asks === undefined
      ? facts.exports.includes(name)
      : asks.exports.some((each) => each.name === name && each.kind === 'function'),
  );

function wrongTypes(
  module: ComparedModule,
  { exports: groups = [], allocate }: GatewayProfile,
  abi: readonly string[],
): Incompatibility[] {
  const there = (name: string): boolean => firstOf(module, [name]) !== undefined;
  const types = new Map(
    groups
      .filter((group) => group.abi === undefined || group.abi.some((version) => abi.includes(version)))
      .filter(
        ({ beside, unless }) =>
          (beside === undefined || there(beside)) && (unless === undefined || !there(unless)),
      )
      .flatMap((group) => Object.entries(group.types)),
  );
  // Of several functions that give memory the gateway looks up the first that is there.
  const taken = firstOf(module, allocate);
  for (const name of allocate) if (name !== taken) types.delete(name);
  return (module.asks?.exports ?? []).flatMap(({ name, type }): Incompatibility[] => {
    const expected = types.get(name);
    if (expected === undefined || type?.kind !== 'function') return [];
    const found = signatureOf({
      parameters: type.parameters.map(plain),
      results: type.results.map(plain),
    });
    if (found === expected) return [];
    return [
      {
        kind: 'type',
        reason: `exports ${name} as ${shown(found)}, and the gateway calls it as ${expected}`,
        missing: [name],
      },
    ];
  });
}
