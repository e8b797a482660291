import { PlugferryError } from '../errors.js';
import type { PluginId } from '../plugin/plugin.js';
import { directorySource } from './directory.js';

/** Yields plugins: a tree on disk, a server, a registry. */
export interface Source {
  /** What there is, cheaply: no module is read. @throws PlugferryError when nothing can be listed, or nothing is there. */
  list(signal?: AbortSignal): Promise<SourceListing>;
}

export interface SourceListing {
  readonly offers: readonly Offer[];
  /** What was seen and left out, one sentence each, for stderr. Holds names from outside as they are. */
  readonly notes: readonly string[];
}

/** A plugin that a source says it has. Only {@link fetch} shows whether it does. */
export interface Offer extends PluginId {
  fetch(signal?: AbortSignal): Promise<SourcePlugin>;
}

/** A plugin at hand. */
export interface SourcePlugin extends PluginId {
  /** Absolute path of the module, free of symbolic links. Its content has not been looked at. */
  readonly wasm: string;
  /** The bytes of metadata.txt as they are, well-formed but not yet compared with the module; undefined where there is none. */
  readonly metadata: Buffer | undefined;
  readonly provenance: Provenance;
}

/** Where a plugin came from, as the manifest records it: never a path of this machine. */
export interface Provenance {
  readonly kind: string;
  readonly reference: string;
  /** `sha256:` and 64 hex characters, where the origin named the bytes immutably. */
  readonly digest?: string;
}

/**
 * The source behind a location that the user gave.
 *
 * @throws PlugferryError `E_USAGE` for a kind of location that is not known, or what opening it throws.
 */
export async function sourceFor(location: string): Promise<Source> {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(location)) throw unknownKind(location);
  return directorySource(location);
}

const unknownKind = (location: string): PlugferryError =>
  new PlugferryError('E_USAGE', `"${location}" is not a kind of source that can be read`, {
    hint: 'Give a directory that holds plugins/<name>/<version>/plugin.wasm.',
    details: { found: location, expected: 'directory' },
  });
