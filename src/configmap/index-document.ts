import { PlugferryError } from '../errors.js';
import { compareText } from '../plugin/plugin.js';
import { emptyState, stateBytes } from '../release/state.js';
import { documentBytes, parseDocument } from '../schema/parse.js';
import type { ShardedBlob, ShardIndex } from '../schema/shardIndex.js';
import type { State } from '../schema/state.js';
import { damaged } from './blob.js';
import { labelsOf, maxConfigMapBytes, type ConfigMap } from './object.js';
import type { ConfigMapPlace } from './place.js';

export type IndexedRelease = ShardIndex['releases'][number];
export type ProvingBundle = IndexedRelease['bundles'][number];

/** Key of the index in its ConfigMap, and name of its file in a mount. */
export const indexKey = 'index.json';
/** Key of what was seen and done here. A server does not need it. */
const stateKey = 'state.json';

const hint =
  'Somebody else wrote it. Find out who may write ConfigMaps there, and put it back from a backup or import the bundle again.';

/**
 * Reads the index, and checks what a schema cannot say.
 *
 * @throws PlugferryError `E_RELEASE`.
 */
export function parseIndex(bytes: Uint8Array, file: string): ShardIndex {
  const index = parseDocument('shardIndex', bytes, { file, code: 'E_RELEASE', hint });
  const lists = [index.releases.map(({ id }) => id), index.blobs.map(({ sha256 }) => sha256)];
  if (!lists.every(ascends)) throw damaged(file, 'not in order, or names something twice');
  if (!index.releases.some(({ id }) => id === index.current))
    throw damaged(file, `without the release ${index.current} that it calls current`);
  return index;
}

const ascends = (texts: readonly string[]): boolean =>
  texts.every((text, at) => at === 0 || compareText(texts[at - 1] ?? '', text) < 0);

/** An index with its lists in order, and without the blobs that no release needs. */
export const settledIndex = (index: ShardIndex, needed: ReadonlySet<string>): ShardIndex => ({
  type: 'plugferry.shard-index/v1',
  current: index.current,
  releases: index.releases.toSorted((a, b) => compareText(a.id, b.id)),
  blobs: index.blobs
    .filter(({ sha256 }) => needed.has(sha256))
    .toSorted((a, b) => compareText(a.sha256, b.sha256)),
});

/** What an index ConfigMap says; nothing, where there is none. */
export interface Indexed {
  /** Undefined where nothing was imported yet. */
  readonly index: ShardIndex | undefined;
  readonly state: State;
}

/** @throws PlugferryError `E_RELEASE`. */
export function indexedIn(object: ConfigMap | undefined, location: string): Indexed {
  const [index, state] = [object?.data?.[indexKey], object?.data?.[stateKey]];
  const file = `${stateKey} of ${location}`;
  return {
    index: index === undefined ? undefined : parseIndex(Buffer.from(index), `${indexKey} of ${location}`),
    state:
      state === undefined
        ? emptyState
        : parseDocument('state', Buffer.from(state), { file, code: 'E_RELEASE', hint }),
  };
}

/**
 * The index ConfigMap.
 *
 * @param was the object that it replaces; none that is newer is.
 * @throws PlugferryError `E_LIMIT` when it does not fit into a ConfigMap.
 */
export function indexObject(
  { index, state }: Indexed,
  place: ConfigMapPlace,
  was?: Pick<ConfigMap, 'metadata'>,
): ConfigMap {
  const data = {
    ...(index === undefined ? {} : { [indexKey]: documentBytes(index).toString('utf8') }),
    ...(state.serial === 0 ? {} : { [stateKey]: stateBytes(state).toString('utf8') }),
  };
  const bytes = Object.values(data).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (bytes > maxConfigMapBytes) throw tooLarge(bytes);
  const resourceVersion = was?.metadata.resourceVersion;
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: place.name,
      namespace: place.namespace,
      labels: labelsOf(place, 'index'),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    data,
  };
}

const tooLarge = (bytes: number): PlugferryError =>
  new PlugferryError('E_LIMIT', `the index takes ${bytes} bytes, a ConfigMap has ${maxConfigMapBytes}`, {
    hint: 'Prune older releases; or keep this many plugins in a volume: --to DIRECTORY.',
    details: { expected: maxConfigMapBytes, found: bytes },
  });

/** The digests of all blobs that releases need. */
export function neededBy(
  contents: Iterable<{ readonly entry: IndexedRelease; readonly files: readonly string[] }>,
): Set<string> {
  const needed = new Set<string>();
  for (const { entry, files } of contents) {
    needed.add(entry.record);
    for (const { manifestSha256 } of entry.bundles) needed.add(manifestSha256);
    for (const sha256 of files) needed.add(sha256);
  }
  return needed;
}

/** Names of the ConfigMaps that hold blobs. */
export const shardNames = (blobs: readonly ShardedBlob[]): Set<string> =>
  new Set(blobs.flatMap(({ shards }) => shards));
