import { Readable } from 'node:stream';
import { PlugferryError } from '../errors.js';
import { digestOf } from '../stream/digest.js';
import { formatBytes } from '../stream/text.js';
import { nameOf as actorName, type NextRelease, type Published } from '../release/change.js';
import { describeRelease, filesOf, releaseBytes, saysMore } from '../release/release.js';
import { withEntry, withSeen } from '../release/state.js';
import { formatTime } from '../release/time.js';
import type { Release } from '../schema/release.js';
import type { ShardIndex } from '../schema/shardIndex.js';
import type { State } from '../schema/state.js';
import { compress, type Blob } from './blob.js';
import { budgetOf, overBudget, type Budget } from './budget.js';
import { bundlesOf } from './bundles.js';
import { digestsOf } from './contents.js';
import { indexObject, neededBy, settledIndex, shardNames, type IndexedRelease } from './index-document.js';
import type { ConfigMap } from './object.js';
import {
  isThere,
  type KeptRelease,
  missingShards,
  writeIndex,
  type OpenPlace,
  type StoreOptions,
} from './open.js';
import { sendShards } from './send.js';
import { shard } from './shards.js';

export interface ConfigMapChangeOptions extends StoreOptions {
  /** Most bytes that all ConfigMaps of the place may take up. */
  readonly maxBytes: number;
  /** Told before anything is written. */
  readonly onBudget?: ((budget: Budget) => void) | undefined;
}

/** A change as far as it has come. */
export interface Publishing {
  readonly place: OpenPlace;
  readonly options: ConfigMapChangeOptions;
  readonly received: ReadonlyMap<string, Blob>;
  /** The releases that can be read; the others are left behind. */
  readonly kept: readonly KeptRelease[];
}

/** Makes a release of what was received or is there: shards first, the index last. */
export async function publish(
  publishing: Publishing,
  next: NextRelease,
  previous: Release | undefined,
): Promise<Omit<Published, 'warnings'>> {
  const { place, options } = publishing;
  const at = options.clock?.() ?? new Date();
  const described = describeRelease(next, { at, tool: options.actor.tool });
  const known = publishing.kept.find(({ entry }) => entry.id === described.id);
  const release =
    known === undefined
      ? described
      : saysMore(described, known.release)
        ? { ...described, createdAt: known.release.createdAt }
        : known.release;
  const outcome = previous?.id === release.id ? 'unchanged' : 'published';
  const seen = next.seen === undefined ? place.state : withSeen(place.state, next.seen);
  const state =
    outcome === 'unchanged'
      ? seen
      : withEntry(seen, {
          at: formatTime(at),
          action: 'import',
          release: release.id,
          ...(previous === undefined ? {} : { previous: previous.id }),
          by: actorName(options.actor),
        });
  const isSame =
    outcome === 'unchanged' && release === known?.release && missingShards(place, known).length === 0;
  if (!isSame || JSON.stringify(state) !== JSON.stringify(place.state))
    await write(publishing, { release, previous, next, state });
  return { release, previous: previous?.id, outcome };
}

interface Wanted {
  readonly release: Release;
  readonly previous: Release | undefined;
  readonly next: NextRelease;
  readonly state: State;
}

async function write(publishing: Publishing, wanted: Wanted): Promise<void> {
  const { place, options } = publishing;
  const { index, objects } = await plan(publishing, wanted);
  const draft = indexObject({ index, state: wanted.state }, place.store.place);
  const budget = measured(index, draft, objects.length);
  options.onBudget?.(budget);
  if (budget.bytes > options.maxBytes) throw overBudget(formatBytes(budget.bytes), options.maxBytes);
  // Claims the name, so that shards can belong to it and strangers are noticed before megabytes are sent.
  const claimed =
    place.object ??
    (await place.store.apply(
      indexObject({ index: undefined, state: place.state }, place.store.place),
      options.signal,
    ));
  await sendShards(place, objects, { owner: claimed, signal: options.signal });
  options.signal?.throwIfAborted();
  const written = await writeIndex(
    place,
    { index, state: wanted.state },
    { object: claimed, signal: options.signal },
  );
  if (written.metadata.uid !== claimed.metadata.uid) throw removedMeanwhile(place);
  // A prune that ran beside us may have taken a shard that nobody referred to until now.
  const after = new Map((await place.store.shards(options.signal)).map((each) => [each.name, each]));
  await sendShards({ ...place, shards: after }, objects, { owner: claimed, signal: options.signal });
}

/** The next index, and the shards that it brings. */
async function plan(
  { place, received, kept }: Publishing,
  { release, previous, next }: Wanted,
): Promise<{ readonly index: ShardIndex; readonly objects: readonly ConfigMap[] }> {
  const record = await blobOf(releaseBytes(release));
  const manifests = next.evidence === undefined ? [] : [await blobOf(next.evidence.manifest)];
  const known = new Map((place.index?.blobs ?? []).map((blob) => [blob.sha256, blob]));
  const brought = new Map([...received.values(), record, ...manifests].map((blob) => [blob.sha256, blob]));
  const fresh = [...brought.values()].filter(({ sha256 }) => !isThere(known.get(sha256), place.shards));
  const sharding = shard(fresh, place.store.place);
  for (const blob of sharding.blobs) known.set(blob.sha256, blob);
  const entry: IndexedRelease = {
    id: release.id,
    createdAt: release.createdAt,
    record: record.sha256,
    bundles: bundlesOf(release, { evidence: next.evidence, index: place.index, previous }),
  };
  const others = kept.filter(({ entry: { id } }) => id !== release.id);
  const contents = [...others, { entry, release }].map((each) => ({
    entry: each.entry,
    files: digestsOf(each.release),
  }));
  const index = settledIndex(
    {
      type: 'plugferry.shard-index/v1',
      current: release.id,
      releases: contents.map((each) => each.entry),
      blobs: [...known.values()],
    },
    neededBy(contents),
  );
  refuseIncomplete(
    release,
    index,
    new Set([...place.shards.keys(), ...sharding.shards.map(({ metadata }) => metadata.name)]),
  );
  return { index, objects: sharding.shards };
}

/** A cluster overlooks the expected version of what is not there; the shards of the index that was removed go with it. */
const removedMeanwhile = ({ store }: OpenPlace): PlugferryError =>
  new PlugferryError('E_LOCKED', `${store.location} was removed while it was written`, {
    hint: 'Run the same command again.',
    details: { file: store.location },
  });

async function blobOf(bytes: Uint8Array): Promise<Blob> {
  const digest = digestOf(bytes);
  const expected = { path: digest.sha256, ...digest };
  return compress(Readable.from([bytes]), expected, { limit: Infinity, tooLarge: () => overBudget('', 0) });
}

/** What is carried on from the current release may be gone, and no bundle of this run brings it. */
function refuseIncomplete(release: Release, index: ShardIndex, there: ReadonlySet<string>): void {
  const blobs = new Map(index.blobs.map((blob) => [blob.sha256, blob]));
  for (const { path, file } of filesOf(release.plugins)) {
    const gone = blobs.get(file.sha256)?.shards.filter((name) => !there.has(name)) ?? [file.sha256];
    if (gone.length === 0) continue;
    throw new PlugferryError('E_RELEASE', `${path} was in ConfigMap ${gone.join(', ')}, which is gone`, {
      hint: 'Import the bundle that it came with once more; or leave it behind with --mode replace.',
      details: { file: path, found: 'missing' },
    });
  }
}

function measured(index: ShardIndex, object: ConfigMap, newObjects: number): Budget {
  const text = Object.values(object.data ?? {}).reduce((sum, each) => sum + Buffer.byteLength(each), 0);
  const bytes = index.blobs.reduce((sum, { stored }) => sum + stored, text);
  return budgetOf({ objects: shardNames(index.blobs).size + 1, bytes, newObjects });
}
