import { maxReleaseBytes } from '../plugin/limits.js';
import { parseRelease } from '../release/parse.js';
import { filesOf } from '../release/release.js';
import type { Release } from '../schema/release.js';
import type { ShardedBlob, ShardIndex } from '../schema/shardIndex.js';
import { damaged, uncompress } from './blob.js';
import type { IndexedRelease } from './index-document.js';
import { pieceKey } from './shards.js';

/** Reads one piece of a blob, from a ConfigMap or from the mount of one; undefined where there is none. */
export type ReadPiece = (shard: string, key: string) => Promise<Buffer | undefined>;

/**
 * The bytes of a blob of the index.
 *
 * @throws PlugferryError `E_RELEASE` when it is not there, not whole, or not what it is said to be.
 */
export async function readBlob(index: ShardIndex, sha256: string, read: ReadPiece): Promise<Buffer> {
  const blob = index.blobs.find((each) => each.sha256 === sha256);
  if (blob === undefined) throw damaged(`blob ${sha256}`, 'not in the index');
  const pieces: Buffer[] = [];
  let stored = 0;
  for (const [at, shard] of blob.shards.entries()) {
    const key = pieceKey(sha256, at, blob.shards.length);
    const piece = await read(shard, key);
    if (piece === undefined) throw damaged(`${key} of ConfigMap ${shard}`, 'missing');
    stored += piece.length;
    if (stored > blob.stored) throw damaged(`${key} of ConfigMap ${shard}`, 'longer than the index says');
    pieces.push(piece);
  }
  return uncompress(blob, Buffer.concat(pieces), nameOf(blob));
}

const nameOf = ({ sha256, shards }: ShardedBlob): string => `${sha256}.gz of ConfigMap ${shards.join(', ')}`;

/**
 * What a release of the index holds, by its own record.
 *
 * @throws PlugferryError `E_RELEASE`.
 */
export async function readRelease(
  index: ShardIndex,
  { id, record }: IndexedRelease,
  read: ReadPiece,
): Promise<Release> {
  const file = `release.json of release ${id}`;
  const blob = index.blobs.find(({ sha256 }) => sha256 === record);
  if (blob === undefined || blob.size > maxReleaseBytes) throw damaged(file, 'not in the index');
  const bytes = await readBlob(index, record, read);
  return parseRelease(bytes, id, { file, hint: 'Somebody changed it. Import the bundle again.' });
}

/** The digests of the files of a release, each once. */
export const digestsOf = (release: Release): string[] => [
  ...new Set([...filesOf(release.plugins)].map(({ file }) => file.sha256)),
];
