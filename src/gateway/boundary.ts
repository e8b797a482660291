import { escapeText } from '../stream/text.js';
import type { GatewayProfile } from '../schema/gatewayProfile.js';
import type { ExternType, ModuleInterface } from '../wasm/interface.js';
import { listed, type Incompatibility } from './incompatibility.js';
import { lostExports } from './lookup.js';

type Boundary = NonNullable<GatewayProfile['boundary']>;

/** What cannot pass between module and gateway, and how. */
interface Found {
  readonly what: string;
  readonly how: string;
}

/**
 * Imports whose types cannot pass between module and gateway. The host asks its engine for the types of all imports before it compares
 * any, and V8 (`src/wasm/c-api.cc`) ends the process for one that the WebAssembly C API has no word for.
 */
export function importsBeyond({ imports }: ModuleInterface, { boundary }: GatewayProfile): Incompatibility[] {
  if (boundary === undefined) return [];
  const found = imports.flatMap(({ module, name, type }) => beyond(`${module}.${name}`, type, boundary));
  return incompatible('imports', found, boundary);
}

/** As {@link importsBeyond}; the host asks for the exports of an instance, when all imports are given. */
export function exportsBeyond({ exports }: ModuleInterface, { boundary }: GatewayProfile): Incompatibility[] {
  if (boundary === undefined) return [];
  const found = exports.flatMap(({ name, type }) => beyond(escapeText(name), type, boundary));
  const lost = boundary.beyond === 'kills' ? lostExports(exports) : [];
  return incompatible('exports', [...found, ...lost], boundary);
}

function beyond(what: string, type: ExternType | undefined, boundary: Boundary): Found[] {
  if (type === undefined) return [];
  const how = boundary.kinds.includes(type.kind)
    ? (valueTypes(type).find((value) => !boundary.types.includes(plain(value))) ??
      (boundary.beyond === 'kills' ? uncounted(type) : undefined))
    : `a ${type.kind}`;
  return how === undefined ? [] : [{ what, how }];
}

/** V8 counts the elements of a table in a signed number of 32 bits where it is asked for the type. */
function uncounted(type: ExternType): string | undefined {
  if (type.kind !== 'table' || (type.limits.maximum ?? 0) < 2 ** 31) return undefined;
  return `a table of up to ${type.limits.maximum ?? 0} elements`;
}

function incompatible(verb: string, found: readonly Found[], boundary: Boundary): Incompatibility[] {
  if (found.length === 0) return [];
  const named = listed(found.map(({ what, how }) => `"${what}" (${how})`));
  const kills = boundary.beyond === 'kills';
  const end = kills ? 'which would take the gateway down' : 'which the gateway refuses';
  return [
    {
      kind: kills ? 'kills' : 'boundary',
      reason: `${verb} what cannot pass between module and gateway, ${end}: ${named}`,
      missing: found.map(({ what }) => what),
    },
  ];
}

function valueTypes(type: ExternType): readonly string[] {
  switch (type.kind) {
    case 'function':
    case 'tag':
      return [...type.parameters, ...type.results];
    case 'table':
      return [type.element];
    case 'global':
      return [type.value];
    case 'memory':
      return [];
  }
}

/** The C API does not tell a reference that is never null from one that may be. */
export const plain = (value: string): string =>
  value === '(ref func)' ? 'funcref' : value === '(ref extern)' ? 'externref' : value;
