import { readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isPlugferryError, PlugferryError, systemCode } from '../errors.js';
import { readSmallFile } from '../files/open-regular.js';
import type { ShardIndex } from '../schema/shardIndex.js';
import { damaged } from './blob.js';
import type { ReadPiece } from './contents.js';
import { indexKey, parseIndex } from './index-document.js';
import { maxConfigMapBytes } from './object.js';

/** The link by which kubelet replaces all files of a mount at once (Kubernetes `pkg/volume/util/atomic_writer.go`). */
const dataLink = '..data';

/** ConfigMaps as kubelet mounts them: all of a place, the index among them, in one directory of a projected volume. */
export interface Mount {
  readonly index: ShardIndex;
  readonly read: ReadPiece;
}

/**
 * What changes whenever the content of a mount does: where kubelet's link leads, or, in a directory that is none of kubelet's, how the
 * index looks.
 */
export async function contentMark(directory: string): Promise<string> {
  const data = await readlink(join(directory, dataLink)).catch(() => undefined);
  if (data !== undefined) return data;
  const facts = await stat(join(directory, indexKey), { bigint: true }).catch(() => undefined);
  return facts === undefined ? '' : [facts.ino, facts.size, facts.mtimeNs, facts.ctimeNs].join(' ');
}

/**
 * Opens a mount as it is at this moment. Kubelet removes the files of that moment when the next one has come: what is read then is missing,
 * never another edition.
 *
 * @throws PlugferryError `E_NOT_FOUND` without an index, `E_RELEASE`, `E_IO`.
 */
export async function openMount(directory: string): Promise<Mount> {
  const data = await readlink(join(directory, dataLink)).catch(() => undefined);
  const base = data === undefined ? directory : join(directory, data);
  const file = join(base, indexKey);
  const bytes = await readSmallFile(file, 'index of ConfigMaps', maxConfigMapBytes).catch(
    (error: unknown) => {
      throw isPlugferryError(error) && error.code === 'E_NOT_FOUND' ? noIndex(directory, error) : error;
    },
  );
  return { index: parseIndex(bytes, file), read: async (_shard, key) => readPiece(join(base, key)) };
}

async function readPiece(file: string): Promise<Buffer | undefined> {
  try {
    return await readSmallFile(file, 'shard', maxConfigMapBytes);
  } catch (error) {
    if (!isPlugferryError(error)) throw error;
    if (error.code === 'E_LIMIT') throw damaged(file, 'larger than a ConfigMap can be', error);
    if (error.code === 'E_NOT_FOUND' && (await isMissing(file))) return undefined;
    throw error;
  }
}

const isMissing = (file: string): Promise<boolean> =>
  stat(file).then(
    () => false,
    (error: unknown) => systemCode(error) === 'ENOENT',
  );

const noIndex = (directory: string, cause: unknown): PlugferryError =>
  new PlugferryError('E_NOT_FOUND', `${directory} holds no ${indexKey}`, {
    hint: 'Mount the index ConfigMap and its shards there, as one projected volume. An index without it has no release yet.',
    details: { file: directory, expected: indexKey },
    cause,
  });
