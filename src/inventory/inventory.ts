import type { ReachOptions } from '../location/bundle-input.js';
import type { PluginId } from '../plugin/plugin.js';
import type { ModuleFacts } from '../schema/manifest.js';
import type { Digest } from '../stream/digest.js';
import type { Trust } from '../verification/authenticate.js';
import type { ProgressObserver } from '../stream/progress.js';

/** A plugin that a place holds, or says it holds; SHA-256, MD5 and size are those of plugin.wasm. */
export interface InventoryItem extends PluginId, Digest {
  /** SHA-256 of metadata.txt; undefined where there is none. */
  readonly metadataSha256: string | undefined;
  /** What the module asks of a gateway. Asked for only where it matters: for some places it means reading the module. */
  facts(signal?: AbortSignal): Promise<FoundFacts>;
}

/** Module facts, or why there are none. */
export type FoundFacts =
  { readonly module: ModuleFacts; readonly problem?: never } | { readonly problem: string };
/**
 * What the digests of an inventory rest on: `claimed`, a bundle's own words, checked by nobody; `signed`, the same, with the
 * signatures that were asked for (the payload is not read either way); `recorded`, what a volume noted when the bytes were
 * proved; `stated`, a server's words; `read`, the bytes.
 */
export type Basis = 'claimed' | 'signed' | 'recorded' | 'stated' | 'read';

/** Where an inventory was taken. */
export interface InventoryPlace {
  /** As the user gave it, without credentials. */
  readonly location: string;
  readonly kind: 'bundle' | 'release' | 'tree' | 'server';
  readonly basis: Basis;
  /** Id of the release of a volume. */
  readonly release?: string;
  /** SHA-256 of the manifest of a bundle. */
  readonly manifestSha256?: string;
}

/** What one place holds at one moment. */
export interface Inventory {
  readonly place: InventoryPlace;
  readonly items: readonly InventoryItem[];
  /** What was seen and left out, with names as they are. */
  readonly notes: readonly string[];
  /** Removes local copies; the facts cannot be asked for any more. */
  close(): Promise<void>;
}

export interface InventoryOptions extends ReachOptions {
  /** Whose signatures a bundle must have; undefined takes its word. */
  readonly trust: Trust | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of the bytes of modules that have to be read. */
  readonly onProgress?: ProgressObserver | undefined;
}
