import type { GatewayProfile } from '../schema/gatewayProfile.js';
import type { ModuleInterface } from '../wasm/interface.js';
import { listed, type Incompatibility } from './incompatibility.js';

/** What the engine of a gateway does not compile. */
export const notCompiled = (asks: ModuleInterface, profile: GatewayProfile): Incompatibility[] => [
  ...asks.flaws.map((flaw): Incompatibility => ({
    kind: 'bytes',
    reason: `is damaged, or was built wrongly (${flaw})`,
    missing: [],
  })),
  ...missingFeatures(asks, profile),
];

/** What it compiles, and makes no instance of. */
export const notInstantiated = (asks: ModuleInterface, profile: GatewayProfile): Incompatibility[] => [
  ...tooLarge(asks, profile),
  ...asks.overruns.map((overrun): Incompatibility => ({
    kind: 'bytes',
    reason: `has a segment that does not fit where it is to go (${overrun})`,
    missing: [],
  })),
];

function missingFeatures(
  { features, unknown }: ModuleInterface,
  { features: known }: GatewayProfile,
): Incompatibility[] {
  if (known === undefined) return [];
  const missing = [...features.filter((feature) => !known.includes(feature)), ...unknown];
  if (missing.length === 0) return [];
  return [
    {
      kind: 'feature',
      reason: `needs ${listed(missing)}, which the gateway's engine does not have`,
      missing,
    },
  ];
}

function tooLarge({ memories }: ModuleInterface, { memoryPages }: GatewayProfile): Incompatibility[] {
  const largest = memories.reduce((most, { minimum }) => Math.max(most, minimum), 0);
  if (memoryPages === undefined || largest <= memoryPages) return [];
  const reason = `asks for a memory of ${largest} pages, and the gateway gives ${memoryPages}`;
  return [{ kind: 'memory', reason, missing: [] }];
}
