import { escapeText } from '../stream/text.js';
import type { GatewayProfile } from '../schema/gatewayProfile.js';
import type { ExternType, ModuleInterface } from '../wasm/interface.js';
import { listed, type Incompatibility } from './incompatibility.js';

/**
 * What stands in the types of imports and exports and cannot pass between module and gateway. The host asks its engine for all these
 * types before it compares anything, and V8 (`src/wasm/c-api.cc`) ends the process for one that the WebAssembly C API has no word for.
 */
export function beyondBoundary(asks: ModuleInterface, { boundary }: GatewayProfile): Incompatibility[] {
  if (boundary === undefined) return [];
  const strange = (type: ExternType | undefined): string | undefined => {
    if (type === undefined) return undefined;
    if (!boundary.kinds.includes(type.kind)) return `a ${type.kind}`;
    return valueTypes(type).find((value) => !boundary.types.includes(plain(value)));
  };
  const found = [
    ...asks.imports.map(({ module, name, type }) => ({ what: `${module}.${name}`, how: strange(type) })),
    ...asks.exports.map(({ name, type }) => ({ what: escapeText(name), how: strange(type) })),
  ].flatMap(({ what, how }) => (how === undefined ? [] : [{ what, how }]));
  if (found.length === 0) return [];
  const named = listed(found.map(({ what, how }) => `"${what}" (${how})`));
  const kills = boundary.beyond === 'kills';
  const end = kills ? 'which would take the gateway down' : 'which the gateway refuses';
  return [
    {
      kind: kills ? 'kills' : 'boundary',
      reason: `imports or exports what cannot pass between module and gateway, ${end}: ${named}`,
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
