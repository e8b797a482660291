import type { Readable } from 'node:stream';
import type { Trust } from '../verification/authenticate.js';
import { isBundleElsewhere, isElsewhere } from '../location/bundle-input.js';
import { isBundleFile } from '../bundle/recognise.js';
import { type Mirror, Mirrors } from '../catalogue/mirror.js';
import type { CatalogueKind } from '../catalogue/read.js';
import { PlugferryError } from '../errors.js';
import { withoutCredentials } from '../http/address.js';
import { isRegularFile } from '../files/open-regular.js';
import { type ProgressObserver, progressOf } from '../stream/progress.js';
import type { Naming } from '../plugin/naming.js';
import { comparePluginIds } from '../plugin/plugin.js';
import { bundleSource } from './bundle-source.js';
import { catalogueSource, isCatalogue } from './catalogue-source.js';
import { alsoUnderVersions } from '../source/also-version.js';
import type { RegistryAccess } from '../registry/login.js';
import { rename } from '../source/rename.js';
import type { RemoteAccess } from '../transport/transport.js';
import type { Nameless, Offer, Source } from '../source/source.js';
import { sourceFor } from '../source/open.js';

export interface SourcesOptions {
  /** Directory in which local copies of what is fetched may lie. */
  readonly scratch: string;
  /** Whose signatures a bundle must have. */
  readonly trust: Trust;
  readonly namings: readonly Naming[];
  /** How registries are reached. */
  readonly registries?: RegistryAccess | undefined;
  /** Under which every plugin is offered too. */
  readonly alsoVersions: readonly string[];
  /** What `-` reads. */
  readonly stdin: Readable;
  /** What the texts are that name plugins. @default what follows from each */
  readonly catalogueKind: CatalogueKind | undefined;
  /** Where to ask for what they name, instead of where they say. */
  readonly mirrors: readonly Mirror[];
  /** How bundles and servers elsewhere are reached. */
  readonly access?: RemoteAccess | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of the bytes of bundles, which are read whole before the first plugin is had. */
  readonly onProgress?: ProgressObserver | undefined;
}

/** What several sources have together. */
export interface SourcesListing {
  /** Ascending by name and version, those of earlier sources first; a name and version may be there more than once. */
  readonly offers: readonly Offer[];
  readonly nameless: readonly Nameless[];
  readonly notes: readonly string[];
}

/**
 * Opens everything that one export takes its plugins from: bundles, and whatever {@link sourceFor} knows.
 *
 * @throws PlugferryError `E_USAGE`, and what opening one of them throws.
 */
export async function openSources(locations: readonly string[], options: SourcesOptions): Promise<Sources> {
  const opened: Named[] = [];
  try {
    const mirrors = new Mirrors(options.mirrors);
    for (const location of locations) {
      const source = await openSource(location, { ...options, mirrors });
      opened.push({ source, origin: withoutCredentials(location) });
    }
    if (opened.length === 0) throw noSource();
    mirrors.refuseIdle();
    return new Sources(opened, options);
  } catch (error) {
    for (const { source } of opened) await source.close();
    throw error;
  }
}

async function openSource(
  location: string,
  options: Omit<SourcesOptions, 'mirrors'> & { readonly mirrors: Mirrors },
): Promise<Source> {
  const { scratch, trust, signal, onProgress, access } = options;
  if (await isBundle(location)) {
    return bundleSource(location, {
      access,
      scratch,
      trust,
      signal,
      progress: progressOf(onProgress, 'unpack'),
    });
  }
  const { stdin, catalogueKind: kind, mirrors, registries } = options;
  if (await isCatalogue(location))
    return catalogueSource(location, { stdin, kind, mirrors, scratch, registries, http: access?.http });
  return sourceFor(location, { scratch, registries, http: access?.http });
}

/** Standard input is a text. */
const isBundle = async (location: string): Promise<boolean> =>
  isElsewhere(location)
    ? location !== '-' && isBundleElsewhere(location)
    : (await isRegularFile(location)) && (await isBundleFile(location));

interface Named {
  readonly source: Source;
  /** As the user gave it, without credentials. */
  readonly origin: string;
}

/** Several sources, read as one. */
export class Sources {
  readonly #opened: readonly Named[];
  readonly #options: SourcesOptions;

  constructor(opened: readonly Named[], options: SourcesOptions) {
    this.#opened = opened;
    this.#options = options;
  }

  /** @throws PlugferryError what listing one of them throws, and as {@link rename}. */
  async list(): Promise<SourcesListing> {
    const { namings, signal } = this.#options;
    const offers: Offer[] = [];
    const nameless: Nameless[] = [];
    const notes: string[] = [];
    for (const { source, origin } of this.#opened) {
      const listing = await source.list(signal);
      offers.push(...listing.offers.map((offer) => ({ ...offer, origin })));
      nameless.push(...(listing.nameless ?? []).map((thing) => ({ ...thing, origin })));
      notes.push(...listing.notes);
    }
    const renamed = rename({ offers, nameless, notes }, namings);
    return {
      offers: alsoUnderVersions(renamed.offers, this.#options.alsoVersions).toSorted(comparePluginIds),
      nameless: renamed.nameless ?? [],
      notes: renamed.notes,
    };
  }

  async close(): Promise<void> {
    for (const { source } of this.#opened) await source.close();
  }
}

const noSource = (): PlugferryError =>
  new PlugferryError('E_USAGE', 'there is no source to take plugins from', {
    hint: 'Name a plugin tree, a plugin server, a catalogue or a bundle.',
  });
