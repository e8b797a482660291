import type { Digest } from '../stream/digest.js';
import type { Progress } from '../stream/progress.js';
import type { PluginId } from '../plugin/plugin.js';

/** Yields plugins: a tree on disk, a server, a registry. */
export interface Source {
  /** What there is, cheaply: no module is read. @throws PlugferryError when nothing can be listed, or nothing is there. */
  list(signal?: AbortSignal): Promise<SourceListing>;
  /** Removes the local copies that fetching made. Whoever opened the source calls it, whatever happened since. */
  close(): Promise<void>;
}

export interface SourceListing {
  readonly offers: readonly Offer[];
  /** Modules that are there, but from whose file or reference no name and version follow. */
  readonly nameless?: readonly Nameless[];
  /** What was seen and left out, one sentence each, for stderr. Holds names from outside as they are. */
  readonly notes: readonly string[];
}

/** A plugin that a source says it has. Only {@link fetch} shows whether it does. */
export interface Offer extends PluginId {
  /** What the source says of the plugin's files. {@link fetch} compares it with the bytes. */
  readonly stated?: StatedFiles;
  /** What the source itself calls it, where that is more than name and version: a file or a reference. */
  readonly from?: string;
  /** The source as the user named it; set where several are read together. */
  readonly origin?: string;
  /** Host that {@link fetch} asks; a host is not asked for everything at once. */
  readonly host?: string;
  /** Tells that it will be fetched. A source that can be read only once keeps what was wanted before the first fetch. */
  want?(): void;
  /** @param progress told of the bytes of the module that come over a network, and of no others. */
  fetch(signal?: AbortSignal, progress?: Progress): Promise<SourcePlugin>;
}

/** An {@link Offer} that somebody has yet to name. */
export interface Nameless extends Pick<Offer, 'origin' | 'host' | 'want'> {
  readonly from: string;
  fetch(signal?: AbortSignal, progress?: Progress): Promise<Omit<SourcePlugin, keyof PluginId>>;
}

export interface StatedFiles {
  /** Of plugin.wasm. */
  readonly wasm: Digest;
  /** Of metadata.txt; undefined where there is none. */
  readonly metadata: Digest | undefined;
}

/** A plugin at hand. */
export interface SourcePlugin extends PluginId {
  /** Absolute path of the module, free of symbolic links. Its content has not been looked at. */
  readonly wasm: string;
  /** The bytes of metadata.txt as they are, well-formed but not yet compared with the module; undefined where there is none. */
  readonly metadata: Buffer | undefined;
  readonly provenance: Provenance;
  /** Removes the local copy before {@link Source.close} does; absent where the file is the source's own. */
  readonly discard?: () => Promise<void>;
}

/** Where a plugin came from, as the manifest records it: never a path of this machine. */
export interface Provenance {
  readonly kind: string;
  readonly reference: string;
  /** `sha256:` and 64 hex characters, where the origin named the bytes immutably. */
  readonly digest?: string;
}
