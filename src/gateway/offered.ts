import type { GatewayProfile } from '../schema/gatewayProfile.js';
import type { ModuleFacts } from '../schema/manifest.js';
import { signatureOf, type ModuleInterface, type TypedImport } from '../wasm/interface.js';
import { plain } from './boundary.js';
import { listed, type ComparedModule, type Incompatibility } from './incompatibility.js';

/** What a module imports and the gateway does not offer, or offers with another type. */
export const notOffered = (
  { facts, asks }: ComparedModule,
  profile: GatewayProfile,
  abi: readonly string[],
): Incompatibility[] =>
  asks === undefined
    ? missingNames(withoutOthers(facts.imports, profile), profile, abi)
    : [
        ...missingNames(importedFunctions(asks), profile, abi),
        ...wrongTypes(asks, profile, abi),
        ...notFunctions(asks, profile),
      ];

/** By its name alone a memory or a table looks like any other import; where they may be imported, what is called so is passed over. */
const withoutOthers = (
  imports: ModuleFacts['imports'],
  { importable = [] }: GatewayProfile,
): ModuleFacts['imports'] =>
  imports.flatMap(({ module, names }) => {
    const kept = names.filter((name) => !importable.some((kind) => name.toLowerCase().includes(kind)));
    return kept.length === 0 ? [] : [{ module, names: kept }];
  });

type Group = GatewayProfile['imports'][number];

const groupsFor = ({ imports }: GatewayProfile, abi: readonly string[]): Group[] =>
  imports.filter((group) => group.abi === undefined || group.abi.some((version) => abi.includes(version)));

function importedFunctions({ imports }: ModuleInterface): ModuleFacts['imports'] {
  const names = new Map<string, Set<string>>();
  for (const { module, name, type } of imports)
    if (type.kind === 'function') names.set(module, (names.get(module) ?? new Set()).add(name));
  return [...names].map(([module, set]) => ({ module, names: [...set].sort() }));
}

function missingNames(
  imports: ModuleFacts['imports'],
  profile: GatewayProfile,
  abi: readonly string[],
): Incompatibility[] {
  const groups = groupsFor(profile, abi);
  return imports.flatMap(({ module, names }): Incompatibility[] => {
    if (!profile.imports.some((group) => group.module === module)) {
      return [strangeModule(module, names, profile)];
    }
    const offered = new Set(
      groups.filter((group) => group.module === module).flatMap((group) => group.names),
    );
    const missing = names.filter((name) => !offered.has(name)).map((name) => `${module}.${name}`);
    if (missing.length === 0) return [];
    return [
      { kind: 'import', reason: `imports ${missing.join(', ')}, which the gateway does not offer`, missing },
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

function wrongTypes(
  { imports }: ModuleInterface,
  profile: GatewayProfile,
  abi: readonly string[],
): Incompatibility[] {
  const types = new Map(
    groupsFor(profile, abi).flatMap(({ module, types: known = {} }) =>
      Object.entries(known).map(([name, type]) => [`${module}.${name}`, type] as const),
    ),
  );
  return imports.flatMap(({ module, name, type }): Incompatibility[] => {
    if (type.kind !== 'function') return [];
    const expected = types.get(`${module}.${name}`);
    const found = signatureOf({
      parameters: type.parameters.map(plain),
      results: type.results.map(plain),
    });
    if (expected === undefined || expected === found) return [];
    return [
      {
        kind: 'type',
        reason: `imports ${module}.${name} as ${shown(found)}, and the gateway offers it as ${expected}`,
        missing: [`${module}.${name}`],
      },
    ];
  });
}

/** A function may have a thousand parameters. */
export const shown = (signature: string): string =>
  signature.length <= 200 ? signature : `${signature.slice(0, 200)}...`;

function notFunctions({ imports }: ModuleInterface, { importable = [] }: GatewayProfile): Incompatibility[] {
  const others = imports.filter(({ type }) => type.kind !== 'function');
  const wrong = others.filter((each) => !fits(each, importable) || !isFirst(each, others));
  if (wrong.length === 0) return [];
  const missing = wrong.map(({ module, name }) => `${module}.${name}`);
  const named = listed(wrong.map(({ type }, index) => `${missing[index] ?? ''} (a ${type.kind})`));
  return [{ kind: 'import', reason: `imports ${named}, which the gateway does not offer`, missing }];
}

/** The host makes a memory or a table of its own, not shared, of 32 bits, whose elements may be null. */
function fits({ type }: TypedImport, importable: readonly ('memory' | 'table')[]): boolean {
  if (type.kind !== 'memory' && type.kind !== 'table') return false;
  const nullable = type.kind === 'memory' || plain(type.element) === type.element;
  return importable.includes(type.kind) && !type.limits.shared && !type.limits.wide && nullable;
}

const isFirst = (one: TypedImport, all: readonly TypedImport[]): boolean =>
  all.find(({ type }) => type.kind === one.type.kind) === one;
