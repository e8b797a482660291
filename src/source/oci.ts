import { formatReference, idOfReference, parseReference, type OciReference } from '../catalogue/reference.js';
import { PlugferryError } from '../errors.js';
import { isDirectory } from '../files/open-regular.js';
import { withoutCredentials } from '../http/address.js';
import { PrivateDirectory } from '../files/temp-directory.js';
import { escapeText } from '../stream/text.js';
import type { PluginId } from '../plugin/plugin.js';
import type { Artifact } from '../registry/artifact.js';
import { RegistryClient } from '../registry/client.js';
import type { RegistryAccess } from '../registry/login.js';
import { archivedArtifacts, layoutArtifacts, type StoredArtifact } from '../registry/stored.js';
import { unwrapModule } from './artifact.js';
import { imagePlugins, mayBeImage } from './image.js';
import { named, type FoundModule, type NamedModule } from './modules.js';
import type { Offer, Source, SourceListing } from './source.js';
import { maxFetchedBytes } from '../plugin/limits.js';

/** Registries, each asked by one client, which remembers its login. */
export class Registries {
  readonly #copies: PrivateDirectory;
  readonly #access: RegistryAccess;
  readonly #clients = new Map<string, RegistryClient>();

  /** @param copies where what is fetched is put; whoever owns it removes it. */
  constructor(copies: PrivateDirectory, access: RegistryAccess) {
    this.#copies = copies;
    this.#access = access;
  }

  /** @throws PlugferryError as `RegistryClient.artifact`. */
  artifact(reference: OciReference, signal?: AbortSignal): Promise<Artifact> {
    const { registry } = reference;
    const client = this.#clients.get(registry) ?? new RegistryClient(registry, this.#copies, this.#access);
    this.#clients.set(registry, client);
    return client.artifact(reference, signal);
  }

  /** The module of an artifact, fetched when it is asked for. */
  module(reference: OciReference): FoundModule {
    const from = formatReference(reference);
    return {
      ...moduleOf(from, this.#copies, (signal) => this.artifact(reference, signal)),
      host: reference.registry,
    };
  }
}

/**
 * An artifact of a registry: the plugin in it, or all plugins of a plugin-server image.
 *
 * @param location `oci://registry/repository[:tag][@sha256:...]`
 * @param scratch directory in which a private one for what is fetched is made.
 * @throws PlugferryError `E_USAGE` for what is no reference.
 */
export function ociSource(location: string, scratch: string, access: RegistryAccess): Source {
  const reference = parseReference(location);
  if (reference?.kind !== 'oci') throw noReference(location);
  const copies = new PrivateDirectory(scratch, { of: location, limit: maxFetchedBytes });
  const registries = new Registries(copies, access);
  const list = async (signal?: AbortSignal): Promise<SourceListing> => {
    const artifact = await registries.artifact(reference, signal);
    const from = formatReference(reference);
    const plugins = mayBeImage(artifact)
      ? await imagePlugins(artifact, { reference: from, copies, signal })
      : [];
    if (plugins.length > 0) return { offers: plugins, notes: [] };
    // What was listed is what is fetched, wherever the tag points by then.
    const module = { ...moduleOf(from, copies, async () => artifact), host: reference.registry };
    return named([{ module, id: idOfReference(reference) }]);
  };
  return { list, close: () => copies.remove() };
}

/**
 * An OCI image layout, or an archive of `docker save` or of such a layout.
 *
 * @param scratch directory in which a private one for what is unpacked is made.
 */
export function storedSource(location: string, scratch: string): Source {
  const copies = new PrivateDirectory(scratch, { of: location, limit: maxFetchedBytes });
  const list = async (signal?: AbortSignal): Promise<SourceListing> => {
    const stored = (await isDirectory(location))
      ? await layoutArtifacts(location, signal)
      : await archivedArtifacts(location, copies, signal);
    const modules: NamedModule[] = [];
    const offers: Offer[] = [];
    for (const { artifact, name } of stored) {
      const from = name ?? artifact.digest ?? location;
      const plugins = await imagePlugins(artifact, { reference: from, copies, signal });
      if (plugins.length > 0) offers.push(...plugins);
      else
        modules.push({
          module: moduleOf(from, copies, async () => artifact),
          id: idOfName({ artifact, name }),
        });
    }
    const { offers: single, nameless } = named(modules);
    return { offers: [...offers, ...single], nameless, notes: [] };
  };
  return { list, close: () => copies.remove() };
}

/** A tag alone names no plugin. */
function idOfName({ name }: StoredArtifact): PluginId | undefined {
  const reference = name === undefined ? undefined : parseReference(name);
  return reference === undefined ? undefined : idOfReference(reference);
}

function moduleOf(
  from: string,
  copies: PrivateDirectory,
  open: (signal?: AbortSignal) => Promise<Artifact>,
): FoundModule {
  return {
    from,
    fetch: async (signal, progress) => {
      const artifact = await open(signal);
      const unwrapped = await unwrapModule(artifact, { file: from, copies, signal, progress });
      const { digest } = artifact;
      return {
        ...unwrapped,
        provenance: { kind: 'oci', reference: escapeText(from), ...(digest === undefined ? {} : { digest }) },
      };
    },
  };
}

const noReference = (location: string): PlugferryError =>
  new PlugferryError('E_USAGE', `"${withoutCredentials(location)}" is no reference to an artifact`, {
    hint: 'Write it as oci://registry/repository:tag or oci://registry/repository@sha256:... A login comes from "docker login".',
    details: { found: withoutCredentials(location), expected: 'oci://registry/repository:tag' },
  });
