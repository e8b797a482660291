import { PlugferryError } from '../errors.js';
import { releaseBefore } from '../release/before.js';
import { nameOf as actorName, type Published } from '../release/change.js';
import { demandKeep, fatesOf, grace, type PrunedRelease } from '../release/fates.js';
import { releaseByPrefix, shortId } from '../release/select.js';
import { withEntry } from '../release/state.js';
import { formatTime } from '../release/time.js';
import type { ShardIndex } from '../schema/shardIndex.js';
import { damaged } from './blob.js';
import { digestsOf } from './contents.js';
import { neededBy, settledIndex, shardNames } from './index-document.js';
import {
  keptRelease,
  keptReleases,
  missingShards,
  openPlace,
  writeIndex,
  type OpenPlace,
  type StoreOptions,
} from './open.js';
import type { ConfigMapStore, StoredShard } from './store.js';

/** A place that something was imported into. */
type FilledPlace = OpenPlace & { readonly index: ShardIndex };

/** @throws PlugferryError `E_NOT_FOUND` where nothing was imported yet, and as {@link openPlace}. */
export async function openFilled(store: ConfigMapStore, signal?: AbortSignal): Promise<FilledPlace> {
  const place = await openPlace(store, signal);
  if (place.index !== undefined) return { ...place, index: place.index };
  throw new PlugferryError('E_NOT_FOUND', `${store.location}: nothing was imported here yet`, {
    hint: `"plugferry import BUNDLE --to ${store.location} --apply" makes a release.`,
    details: { file: store.location },
  });
}

/**
 * Points the index to another kept release: to the one that the current one replaced, or to `to`. Only the index is written.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_RELEASE` when shards of it are gone, `E_LOCKED`, and what the store throws.
 */
export async function rollbackConfigMaps(
  store: ConfigMapStore,
  to: string | undefined,
  options: StoreOptions,
): Promise<Published> {
  const place = await openFilled(store, options.signal);
  const { index } = place;
  const ids = new Map(index.releases.map((entry) => [entry.id, entry]));
  const id =
    to === undefined ? releaseBefore(place.state, index.current, ids) : releaseByPrefix(to, ids.keys());
  const kept = id === undefined ? undefined : await keptRelease(place, id);
  if (kept === undefined) throw nothingBefore(place);
  const [missing] = missingShards(place, kept);
  if (missing !== undefined) throw damaged(`ConfigMap ${missing}`, 'missing');
  const { release } = kept;
  const previous = index.current;
  if (release.id === previous) return { release, previous, outcome: 'unchanged', warnings: [] };
  options.signal?.throwIfAborted();
  const state = withEntry(place.state, {
    at: formatTime(options.clock?.() ?? new Date()),
    action: 'rollback',
    release: release.id,
    previous,
    by: actorName(options.actor),
  });
  await writeIndex(
    place,
    { index: { ...index, current: release.id }, state },
    { object: place.object, signal: options.signal },
  );
  return { release, previous, outcome: 'published', warnings: [] };
}

function nothingBefore({ store, index }: FilledPlace): PlugferryError {
  const others = index.releases.filter(({ id }) => id !== index.current).map(({ id }) => shortId(id));
  const hint =
    others.length === 0
      ? 'There is no other release; "plugferry import" brings one.'
      : `Name the release with --to; kept are ${others.join(', ')}.`;
  return new PlugferryError(
    'E_NOT_FOUND',
    `${store.location}: no release to go back to: nothing came before ${shortId(index.current)}`,
    { hint, details: { file: store.location } },
  );
}

export interface ConfigMapPruning {
  readonly releases: readonly PrunedRelease[];
  /** Names of the ConfigMaps that go. */
  readonly objects: readonly string[];
  /** Bytes that the index knows of in them. */
  readonly bytes: number;
  /** Releases that cannot be read, in words: they are taken out of the index. */
  readonly warnings: readonly string[];
}

/**
 * Removes all but the newest releases from the index, and then the shards that nobody refers to. A shard younger than an hour
 * may be that of an import under way, and stays.
 *
 * @throws PlugferryError `E_USAGE`, `E_NOT_FOUND`, `E_RELEASE`, `E_LOCKED`, and what the store throws.
 */
export async function pruneConfigMaps(
  store: ConfigMapStore,
  { keep, dryRun = false }: { readonly keep: number; readonly dryRun?: boolean },
  options: StoreOptions,
): Promise<ConfigMapPruning> {
  demandKeep(keep);
  const place = await openFilled(store, options.signal);
  const now = options.clock?.() ?? new Date();
  const { index, state } = place;
  const releases = fatesOf(index.releases, { state, current: index.current, keep, now });
  const kept = new Set(releases.filter(({ fate }) => fate !== 'removed').map(({ id }) => id));
  const { whole, damaged: unreadable } = await keptReleases(place);
  const unusable = unreadable.get(index.current);
  if (unusable !== undefined) throw damaged(`release ${shortId(index.current)}`, `not whole (${unusable})`);
  const contents = whole.filter(({ entry }) => kept.has(entry.id));
  const needed = neededBy(contents.map(({ entry, release }) => ({ entry, files: digestsOf(release) })));
  const next = settledIndex({ ...index, releases: contents.map(({ entry }) => entry) }, needed);
  const used = shardNames(next.blobs);
  const before = shardNames(index.blobs);
  const gone = [...place.shards.values()].filter(
    (shard) => !used.has(shard.name) && (before.has(shard.name) || isLeftOver(shard, now)),
  );
  const bytes = index.blobs
    .filter(({ shards }) => shards.every((name) => !used.has(name)))
    .reduce((sum, { stored }) => sum + stored, 0);
  const warnings = [...unreadable.values()].map((reason) => `${reason}; it does not stay in the index`);
  const pruning = { releases, objects: gone.map(({ name }) => name), bytes, warnings };
  if (dryRun || (gone.length === 0 && contents.length === index.releases.length)) return pruning;
  // Written even if no release goes: who read the index before and counts on a shard is refused then.
  const stamped = { index: next, state: { ...state, serial: state.serial + 1 } };
  await writeIndex(place, stamped, { object: place.object, signal: options.signal });
  for (const shard of gone) await store.remove(shard, options.signal);
  return pruning;
}

const isLeftOver = ({ createdAt }: StoredShard, now: Date): boolean =>
  now.getTime() - createdAt.getTime() > grace;
