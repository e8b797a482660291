import { createHash } from 'node:crypto';
import { compareText } from '../plugin/plugin.js';
import type { ShardedBlob } from '../schema/shardIndex.js';
import type { Blob } from './blob.js';
import { labelsOf, maxConfigMapBytes, type ConfigMap } from './object.js';
import type { ConfigMapPlace } from './place.js';

/** Blobs stored in at least this many bytes have ConfigMaps of their own, so that a change of others leaves them alone. */
const ownShardBytes = 64 * 1024;

/** What blobs become. */
export interface Sharding {
  readonly shards: readonly ConfigMap[];
  readonly blobs: readonly ShardedBlob[];
}

/**
 * Cuts blobs into ConfigMaps that hold at most what Kubernetes takes, immutable and named by their content. The same blobs
 * give the same ConfigMaps.
 */
export function shard(blobs: readonly Blob[], place: ConfigMapPlace): Sharding {
  const found = { shards: new Map<string, ConfigMap>(), blobs: [] as ShardedBlob[] };
  const sorted = blobs.toSorted((a, b) => compareText(a.sha256, b.sha256));
  for (const blob of sorted.filter(({ stored }) => stored.length >= ownShardBytes)) {
    const pieces = piecesOf(blob.stored);
    const names = pieces.map((piece, index) => {
      const object = shardOf([[pieceKey(blob.sha256, index, pieces.length), piece]], place);
      found.shards.set(object.metadata.name, object);
      return object.metadata.name;
    });
    found.blobs.push(entryOf(blob, names));
  }
  for (const group of grouped(sorted.filter(({ stored }) => stored.length < ownShardBytes))) {
    const object = shardOf(
      group.map(({ sha256, stored }) => [pieceKey(sha256, 0, 1), stored]),
      place,
    );
    found.shards.set(object.metadata.name, object);
    for (const blob of group) found.blobs.push(entryOf(blob, [object.metadata.name]));
  }
  return { shards: [...found.shards.values()], blobs: found.blobs };
}

/**
 * The key of a piece in its ConfigMap, which is also the name of its file in a mount. It is used nowhere else, so that all
 * ConfigMaps of a place can be mounted into one directory.
 */
export const pieceKey = (sha256: string, index: number, count: number): string =>
  count === 1 ? `${sha256}.gz` : `${sha256}.gz.${index + 1}`;

const entryOf = ({ sha256, size, stored }: Blob, shards: string[]): ShardedBlob => ({
  sha256,
  size,
  stored: stored.length,
  shards,
});

function piecesOf(bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += maxConfigMapBytes)
    pieces.push(bytes.subarray(at, at + maxConfigMapBytes));
  return pieces;
}

/** As many in each group as fit into one ConfigMap. */
function* grouped(blobs: readonly Blob[]): Generator<Blob[]> {
  let [group, bytes]: [Blob[], number] = [[], 0];
  for (const blob of blobs) {
    if (bytes + blob.stored.length > maxConfigMapBytes) {
      yield group;
      [group, bytes] = [[], 0];
    }
    group.push(blob);
    bytes += blob.stored.length;
  }
  if (group.length > 0) yield group;
}

function shardOf(
  pieces: readonly (readonly [key: string, bytes: Buffer])[],
  place: ConfigMapPlace,
): ConfigMap {
  const hash = createHash('sha256');
  for (const [key, bytes] of pieces) hash.update(`${key} ${bytes.length}\n`).update(bytes);
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: `${place.name}-${hash.digest('hex').slice(0, 16)}`,
      namespace: place.namespace,
      labels: labelsOf(place, 'shard'),
    },
    immutable: true,
    binaryData: Object.fromEntries(pieces.map(([key, bytes]) => [key, bytes.toString('base64')])),
  };
}
