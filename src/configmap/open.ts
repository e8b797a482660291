import { isPlugferryError, PlugferryError } from '../errors.js';
import type { Actor } from '../release/change.js';
import type { Release } from '../schema/release.js';
import type { ShardedBlob, ShardIndex } from '../schema/shardIndex.js';
import { digestsOf, readRelease, type ReadPiece } from './contents.js';
import { indexedIn, indexObject, type Indexed, type IndexedRelease } from './index-document.js';
import { isPart, type ConfigMap } from './object.js';
import type { ConfigMapStore, StoredShard } from './store.js';

export interface StoreOptions {
  readonly actor: Actor;
  readonly signal?: AbortSignal;
  /** @default the clock of this machine */
  readonly clock?: () => Date;
}

/** A release that a place keeps, and what the index says of it. */
export interface KeptRelease {
  readonly entry: IndexedRelease;
  readonly release: Release;
}

/** A place as it is now: its index, and which shards are there. */
export interface OpenPlace extends Indexed {
  readonly store: ConfigMapStore;
  /** The index ConfigMap; undefined where there is none. */
  readonly object: ConfigMap | undefined;
  readonly shards: ReadonlyMap<string, StoredShard>;
  readonly read: ReadPiece;
}

/**
 * @throws PlugferryError `E_CONFLICT` when the name belongs to somebody else, `E_RELEASE`, and what the store throws.
 */
export async function openPlace(store: ConfigMapStore, signal?: AbortSignal): Promise<OpenPlace> {
  const { place, location } = store;
  const object = await store.get(place.name, signal);
  if (object !== undefined && !isPart(object, place, 'index')) {
    throw new PlugferryError('E_CONFLICT', `${location} is there already, and Plugferry did not make it`, {
      hint: 'Choose another name: what is in it stays as it is.',
      details: { file: location },
    });
  }
  const shards = object === undefined ? [] : await store.shards(signal);
  const indexed = indexedIn(object, location);
  return {
    ...indexed,
    store,
    object,
    shards: new Map(shards.map((shard) => [shard.name, shard])),
    read: pieceReader(store, signal),
  };
}

/** Each ConfigMap is fetched once: several pieces may be in it. */
function pieceReader(store: ConfigMapStore, signal: AbortSignal | undefined): ReadPiece {
  let last: { readonly name: string; readonly object: Promise<ConfigMap | undefined> } | undefined;
  return async (name, key) => {
    if (last?.name !== name) last = { name, object: store.get(name, signal) };
    const value = (await last.object)?.binaryData?.[key];
    return value === undefined ? undefined : Buffer.from(value, 'base64');
  };
}

/** Whether everything of a blob is there. */
export const isThere = (blob: ShardedBlob | undefined, shards: ReadonlyMap<string, unknown>): boolean =>
  blob?.shards.every((name) => shards.has(name)) === true;

/** @throws PlugferryError `E_RELEASE` when the record of a release is missing or not right. */
export async function keptRelease({ index, read }: OpenPlace, id: string): Promise<KeptRelease | undefined> {
  const entry = index?.releases.find((each) => each.id === id);
  if (index === undefined || entry === undefined) return undefined;
  return { entry, release: await readRelease(index, entry, read) };
}

/** The releases of an index: those that can be read, and why the others cannot. */
export interface KeptReleases {
  readonly whole: readonly KeptRelease[];
  /** Messages by release id. */
  readonly damaged: ReadonlyMap<string, string>;
}

/** @throws what the store throws. */
export async function keptReleases(place: OpenPlace): Promise<KeptReleases> {
  const whole: KeptRelease[] = [];
  const damaged = new Map<string, string>();
  for (const { id } of place.index?.releases ?? []) {
    try {
      const kept = await keptRelease(place, id);
      if (kept !== undefined) whole.push(kept);
    } catch (error) {
      if (!isPlugferryError(error) || error.code !== 'E_RELEASE') throw error;
      damaged.set(id, `damaged release: ${error.message}`);
    }
  }
  return { whole, damaged };
}

/** The shards that a release needs and that are gone. */
export function missingShards({ index, shards }: OpenPlace, { entry, release }: KeptRelease): string[] {
  const blobs = new Map((index?.blobs ?? []).map((blob) => [blob.sha256, blob]));
  const needed = [
    entry.record,
    ...entry.bundles.map(({ manifestSha256 }) => manifestSha256),
    ...digestsOf(release),
  ];
  return needed.flatMap((sha256) => blobs.get(sha256)?.shards ?? []).filter((name) => !shards.has(name));
}

/**
 * Replaces the index, unless it is another one by now.
 *
 * @throws PlugferryError `E_LOCKED`, `E_LIMIT`, and what the store throws.
 */
export async function writeIndex(
  place: Pick<OpenPlace, 'store'>,
  next: { readonly index: ShardIndex | undefined; readonly state: OpenPlace['state'] },
  was: { readonly object: ConfigMap | undefined; readonly signal?: AbortSignal | undefined },
): Promise<ConfigMap> {
  const { store } = place;
  const object = indexObject(next, store.place, was.object);
  try {
    return await store.apply(object, was.signal);
  } catch (error) {
    // The answer to our own first try may have been lost.
    const there = await store.get(store.place.name, was.signal).catch(() => undefined);
    if (there !== undefined && JSON.stringify(sorted(there.data)) === JSON.stringify(sorted(object.data)))
      return there;
    throw error;
  }
}

const sorted = (data: ConfigMap['data'] = {}): [string, string][] => Object.entries(data).sort();
