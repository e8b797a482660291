import type { ModuleFacts } from '../schema/manifest.js';
import type { ModuleInterface } from '../wasm/interface.js';

/** One reason why a gateway cannot run a module. */
export interface Incompatibility {
  /** `kills`: the gateway would not refuse the module, but end, and all that it serves with it. */
  readonly kind:
    | 'abi'
    | 'start'
    | 'allocate'
    | 'wasi'
    | 'import'
    | 'type'
    | 'kills'
    | 'boundary'
    | 'feature'
    | 'memory'
    | 'bytes';
  /** In words, without the plugin's name. */
  readonly reason: string;
  /** The names that are missing, on whichever side, or that are not as they should be. */
  readonly missing: readonly string[];
}

/** A module as it is compared: as it was read; or, without `asks`, as a manifest tells of it, which says nothing of types. */
export interface ComparedModule {
  readonly facts: ModuleFacts;
  readonly asks?: ModuleInterface | undefined;
}

/** Most names that a reason gives; `missing` has all. */
const namedAtMost = 8;

/** Names for a sentence. */
export const listed = (names: readonly string[]): string =>
  names.length <= namedAtMost
    ? names.join(', ')
    : `${names.slice(0, namedAtMost).join(', ')} and ${names.length - namedAtMost} more`;
