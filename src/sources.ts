import type { Trust } from './authenticate.js';
import { isBundleFile } from './bundle/recognise.js';
import { PlugferryError } from './errors.js';
import { withoutCredentials } from './io/http-address.js';
import { isRegularFile } from './io/file.js';
import { progressOf, type ProgressObserver } from './io/progress.js';
import type { Naming } from './plugin/naming.js';
import { comparePluginIds } from './plugin/plugin.js';
import { bundleSource } from './source-bundle.js';
import { rename } from './source/rename.js';
import { sourceFor, type Nameless, type Offer, type Source } from './source/source.js';

export interface SourcesOptions {
  /** Directory in which local copies of what is fetched may lie. */
  readonly scratch: string;
  /** Whose signatures a bundle must have. */
  readonly trust: Trust;
  readonly namings: readonly Naming[];
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
    for (const location of locations) {
      opened.push({ source: await openSource(location, options), origin: withoutCredentials(location) });
    }
    if (opened.length === 0) throw noSource();
    return new Sources(opened, options);
  } catch (error) {
    for (const { source } of opened) await source.close();
    throw error;
  }
}

async function openSource(
  location: string,
  { scratch, trust, signal, onProgress }: SourcesOptions,
): Promise<Source> {
  const isBundle = (await isRegularFile(location)) && (await isBundleFile(location));
  if (!isBundle) return sourceFor(location, scratch);
  return bundleSource(location, { scratch, trust, signal, progress: progressOf(onProgress, 'unpack') });
}

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
      offers: renamed.offers.toSorted(comparePluginIds),
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
