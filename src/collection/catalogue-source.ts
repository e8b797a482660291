import type { Readable } from 'node:stream';
import type { CatalogueEntry } from '../catalogue/catalogue.js';
import type { Mirrors } from '../catalogue/mirror.js';
import { holdsProperties, openCatalogue } from '../catalogue/open.js';
import type { CatalogueKind } from '../catalogue/read.js';
import { formatReference, type Reference } from '../catalogue/reference.js';
import { type ErrorCode, isPlugferryError, PlugferryError } from '../errors.js';
import { sha256OfFile } from '../files/digest-of-file.js';
import { isDirectory, isRegularFile } from '../files/open-regular.js';
import { isRemote } from '../location/location.js';
import { anonymousAccess, type HttpAccess } from '../http/client.js';
import { PrivateDirectory } from '../files/temp-directory.js';
import type { PluginId } from '../plugin/plugin.js';
import { fileKind } from '../source/file-kind.js';
import { holdsFiles } from '../source/flat.js';
import type { RegistryAccess } from '../registry/login.js';
import { type FoundModule, isModuleName, named } from '../source/modules.js';
import { moduleAtUrl } from '../source/module-url.js';
import { Registries } from '../source/oci.js';
import { isPluginTree } from '../source/plugins-directory.js';
import type { Source, SourceListing, SourcePlugin } from '../source/source.js';
import { maxFetchedBytes } from '../plugin/limits.js';

export interface CatalogueSourceOptions {
  /** What `-` reads. */
  readonly stdin: Readable;
  /** What a text is. @default what follows from its name and from itself */
  readonly kind: CatalogueKind | undefined;
  /** Where to ask instead of where the catalogue says. */
  readonly mirrors: Mirrors;
  /** Directory in which a private one for what is fetched is made. */
  readonly scratch: string;
  /** How servers are reached. Tokens and client certificates are not for those that a text names. */
  readonly http: HttpAccess | undefined;
  readonly registries?: RegistryAccess | undefined;
}

/** Whether a location holds references to plugins, and not the plugins. */
export async function isCatalogue(location: string): Promise<boolean> {
  if (location === '-') return true;
  if (isRemote(location)) return false;
  if (await isRegularFile(location)) return (await fileKind(location)) === 'other';
  if (!(await isDirectory(location)) || (await isPluginTree(location))) return false;
  if (await holdsFiles(location, isModuleName)) return false;
  return (await holdsProperties(location)) || holdsFiles(location, (name) => /\.ya?ml$/i.test(name));
}

/**
 * The plugins that a catalogue names, each under every name and version that it has there. Each reference is fetched once.
 *
 * @throws PlugferryError as `openCatalogue`.
 */
export async function catalogueSource(location: string, options: CatalogueSourceOptions): Promise<Source> {
  const { entries, notes } = await openCatalogue(location, options);
  const modules = new Modules(
    new PrivateDirectory(options.scratch, { of: location, limit: maxFetchedBytes }),
    anonymousAccess(options.http),
    options.registries,
  );
  const listing = listingOf(distinct(entries.map((entry) => options.mirrors.apply(entry))), modules);
  return { list: async () => ({ ...listing, notes }), close: () => modules.close() };
}

/** Many resources may use one plugin. */
function distinct(entries: readonly CatalogueEntry[]): CatalogueEntry[] {
  const found = new Map<string, CatalogueEntry>();
  for (const entry of entries) {
    const { id, reference, wasmSha256 } = entry;
    const key = JSON.stringify([id?.name, id?.version, reference, wasmSha256]);
    if (!found.has(key)) found.set(key, entry);
  }
  return [...found.values()];
}

const listingOf = (entries: readonly CatalogueEntry[], modules: Modules): Omit<SourceListing, 'notes'> =>
  named(entries.map((entry) => ({ id: entry.id, module: checked(entry, opened(entry, modules)) })));

function opened(entry: CatalogueEntry, modules: Modules): FoundModule {
  try {
    return modules.at(entry);
  } catch (error) {
    throw placed(error, entry.place);
  }
}

/** The modules behind references, each fetched once. */
class Modules {
  readonly #copies: PrivateDirectory;
  readonly #access: HttpAccess;
  readonly #registries: Registries;
  readonly #known = new Map<string, FoundModule>();

  constructor(copies: PrivateDirectory, access: HttpAccess, registries: RegistryAccess = {}) {
    this.#copies = copies;
    this.#access = access;
    this.#registries = new Registries(copies, { ...registries, http: access });
  }

  at(entry: CatalogueEntry): FoundModule {
    const key = JSON.stringify(entry.reference);
    const known = this.#known.get(key) ?? once(this.#open(entry.reference));
    this.#known.set(key, known);
    return { ...known, from: entry.text };
  }

  close(): Promise<void> {
    return this.#copies.remove();
  }

  #open(reference: Reference): FoundModule {
    if (reference.kind === 'http') return moduleAtUrl(reference.url, this.#copies, { access: this.#access });
    if (reference.kind === 'oci') return this.#registries.module(reference);
    const from = formatReference(reference);
    return {
      from,
      fetch: async () => {
        throw unreachable(from);
      },
    };
  }
}

/** The copy stays until the source is closed: others may want it too. */
function once(module: FoundModule): FoundModule {
  let plugin: Promise<Omit<SourcePlugin, keyof PluginId>> | undefined;
  return {
    ...module,
    fetch: async (...args) => {
      plugin ??= module.fetch(...args);
      const { wasm, metadata, provenance } = await plugin;
      return { wasm, metadata, provenance };
    },
  };
}

/** Errors say where the reference stands, and bytes that the catalogue does not mean are refused. */
const checked = ({ place, wasmSha256 }: CatalogueEntry, module: FoundModule): FoundModule => ({
  ...module,
  fetch: async (signal, progress) => {
    const plugin = await module.fetch(signal, progress).catch((error: unknown) => {
      throw placed(error, place);
    });
    if (wasmSha256 !== undefined) {
      const found = await sha256OfFile(plugin.wasm, signal);
      if (found !== wasmSha256) throw otherBytes(place, wasmSha256, found);
    }
    return plugin;
  },
});

/** What is about this machine or this run is not about a line. */
const general: readonly ErrorCode[] = ['E_INTERRUPTED', 'E_TERMINATED', 'E_NO_SPACE', 'E_IO', 'E_INTERNAL'];

function placed(error: unknown, place: string): unknown {
  if (!isPlugferryError(error) || general.includes(error.code)) return error;
  const { code, message, hint, details } = error;
  return new PlugferryError(code, `${place}: ${message}`, {
    ...(hint === undefined ? {} : { hint }),
    details: { ...details, place },
    cause: error,
  });
}

const otherBytes = (place: string, expected: string, found: string): PlugferryError =>
  new PlugferryError('E_SOURCE', `${place}: the module has sha256 ${found}, expected ${expected}`, {
    hint: 'What is there now is not what the catalogue was made for. Find out which of them is right.',
    details: { file: place, expected, found },
  });

const unreachable = (file: string): PlugferryError =>
  new PlugferryError('E_SOURCE', `${file} is a path on the disk of the gateway`, {
    hint:
      'Give the directory that the gateway mounts as a source of its own and leave this one out (--exclude), ' +
      'or say where it is served: --mirror file:///PATH=http://HOST/PATH',
    details: { file, expected: 'oci:// or http(s)://' },
  });
