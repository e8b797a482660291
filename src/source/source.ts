import { tmpdir } from 'node:os';
import { PlugferryError } from '../errors.js';
import type { Digest } from '../io/digest.js';
import { isRegularFile } from '../io/file.js';
import type { HttpAccess } from '../io/http.js';
import { isHttpLocation, withoutCredentials } from '../io/http-address.js';
import type { Progress } from '../io/progress.js';
import type { PluginId } from '../plugin/plugin.js';
import type { RegistryAccess } from '../registry/login.js';
import { isLayout } from '../registry/stored.js';
import { artifactZipSource } from './artifact-zip.js';
import { directorySource } from './directory.js';
import { fileKind } from './file-kind.js';
import { flatSource, holdsFiles } from './flat.js';
import { moduleFileSource } from './module-file.js';
import { isModuleUrl, moduleUrlSource } from './module-url.js';
import { isModuleName } from './modules.js';
import { ociSource, storedSource } from './oci.js';
import { pluginServerSource } from './plugin-server.js';
import { isPluginTree } from './plugins-directory.js';

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

export interface SourceOptions {
  /** Directory in which local copies of what is fetched may lie until the source is closed. @default the system's */
  readonly scratch?: string | undefined;
  /** How http(s) servers are reached. */
  readonly http?: HttpAccess | undefined;
  /** How registries are reached. */
  readonly registries?: RegistryAccess | undefined;
}

/**
 * The source behind a location that the user gave.
 *
 * @throws PlugferryError `E_USAGE` for a kind of location that is not known, or what opening it throws.
 */
export async function sourceFor(
  location: string,
  { scratch = tmpdir(), http, registries }: SourceOptions = {},
): Promise<Source> {
  if (isHttpLocation(location)) {
    return isModuleUrl(location)
      ? moduleUrlSource(location, { scratch, access: http })
      : pluginServerSource(location, { scratch, access: http });
  }
  if (/^oci:\/\//i.test(location)) return ociSource(location, scratch, { ...registries, http });
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(location)) throw unknownKind(location);
  if (await isRegularFile(location)) return fileSource(location, scratch);
  if (await isLayout(location)) return storedSource(location, scratch);
  const isFlat = !(await isPluginTree(location)) && (await holdsFiles(location, isModuleName));
  return isFlat ? flatSource(location) : directorySource(location);
}

async function fileSource(path: string, scratch: string): Promise<Source> {
  const kind = await fileKind(path);
  if (kind === 'module') return moduleFileSource(path);
  if (kind === 'zip') return artifactZipSource(path, scratch);
  if (kind === 'tar') return storedSource(path, scratch);
  throw new PlugferryError('E_SOURCE', `${path} is not a file that plugins can be taken from`, {
    hint: 'Expected is a module (.wasm) or a zip that holds modules. Texts that name plugins are for export.',
    details: { file: path, expected: 'module or zip' },
  });
}

function unknownKind(location: string): PlugferryError {
  const found = withoutCredentials(location);
  return new PlugferryError('E_USAGE', `"${found}" is not a kind of source that can be read`, {
    hint: 'Give a directory that holds plugins/<name>/<version>/plugin.wasm, or the http(s) URL of a plugin server.',
    details: { found, expected: 'directory or http(s) URL' },
  });
}
