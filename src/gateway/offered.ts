import type { GatewayProfile } from '../schema/gatewayProfile.js';
import type { ModuleFacts } from '../schema/manifest.js';
import { maxElements } from '../wasm/form.js';
import { signatureOf, type ModuleInterface, type TypedImport } from '../wasm/interface.js';
import { plain } from './boundary.js';
import { listed, type ComparedModule, type Incompatibility } from './incompatibility.js';
import { isFound } from './lookup.js';

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
        ...notMade(asks, profile),
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

/** Neither functions nor what the host makes for a module. */
function notFunctions({ imports }: ModuleInterface, { importable = [] }: GatewayProfile): Incompatibility[] {
  const kinds: readonly string[] = ['function', ...importable];
  return refused(imports.filter(({ type }) => !kinds.includes(type.kind)));
}

/**
 * Memories and tables. The host makes one of each, and gives it to all imports of its kind: for the second one it frees the first
 * (proxy-wasm-cpp-host, `V8::link`), and what happens then is left to chance.
 */
function notMade(
  { imports }: ModuleInterface,
  { importable = [], boundary }: GatewayProfile,
): Incompatibility[] {
  const made = imports.filter(({ type }) => (importable as readonly string[]).includes(type.kind));
  // There may be a hundred thousand of them.
  const firsts = new Set([...new Map(made.toReversed().map((each) => [each.type.kind, each])).values()]);
  const further = made.filter((each) => !firsts.has(each));
  const wrong = refused([...firsts].filter((each) => !fits(each)));
  if (further.length === 0 || boundary?.beyond !== 'kills') return [...refused(further), ...wrong];
  const named = listed(further.map(({ module, name, type }) => `${module}.${name} (a ${type.kind})`));
  const reason = `imports more than one memory or table, which may take the gateway down: ${named}`;
  const missing = further.map(({ module, name }) => `${module}.${name}`);
  return [{ kind: 'kills', reason, missing }, ...wrong];
}

function refused(imports: readonly TypedImport[]): Incompatibility[] {
  if (imports.length === 0) return [];
  const missing = imports.map(({ module, name }) => `${module}.${name}`);
  const named = listed(imports.map(({ type }, index) => `${missing[index] ?? ''} (a ${type.kind})`));
  return [{ kind: 'import', reason: `imports ${named}, which the gateway does not offer`, missing }];
}

/** The host makes a memory or a table of its own, not shared, of 32 bits, whose elements may be null; and its engine must find it. */
function fits({ module, name, type }: TypedImport): boolean {
  if (type.kind !== 'memory' && type.kind !== 'table') return false;
  const nullable = type.kind === 'memory' || plain(type.element) === type.element;
  // It makes a table of the largest size that is asked for.
  if (type.kind === 'table' && (type.limits.maximum ?? 0) > maxElements) return false;
  return !type.limits.shared && !type.limits.wide && nullable && isFound(module, name);
}
