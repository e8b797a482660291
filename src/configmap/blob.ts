import { promisify } from 'node:util';
import { constants, createGzip, gunzip } from 'node:zlib';
import { pipeline } from 'node:stream/promises';
import { Writable, type Readable } from 'node:stream';
import { PlugferryError } from '../errors.js';
import { sha256Of, Verifying, type Expected } from '../stream/digest.js';
import type { ShardedBlob } from '../schema/shardIndex.js';

/** Some bytes, ready to be stored. */
export interface Blob {
  readonly sha256: string;
  readonly size: number;
  /** As a gzip file. */
  readonly stored: Buffer;
}

/** Magic, deflate, no flags, MTIME 0, XFL 2, OS 3: the same on every machine that has the same zlib (RFC 1952). */
const plainHeader = Buffer.from('1f8b0800000000000203', 'hex');

/**
 * Takes bytes, comparing them on the way, and compresses them as far as zlib can: etcd is dear.
 *
 * @param limit most bytes of the result.
 * @throws PlugferryError `E_DIGEST`; what `tooLarge` returns as soon as the result is larger.
 */
export async function compress(
  bytes: Readable,
  expected: Expected,
  { limit, tooLarge }: { readonly limit: number; readonly tooLarge: () => PlugferryError },
): Promise<Blob> {
  const pieces: Buffer[] = [];
  let length = 0;
  const collector = new Writable({
    write(piece: Buffer, _encoding, done) {
      length += piece.length;
      pieces.push(piece);
      done(length > limit ? tooLarge() : null);
    },
  });
  await pipeline(
    bytes,
    new Verifying(expected),
    createGzip({ level: constants.Z_BEST_COMPRESSION }),
    collector,
  );
  const stored = Buffer.concat(pieces);
  plainHeader.copy(stored);
  return { sha256: expected.sha256, size: expected.size, stored };
}

const inflate = promisify(gunzip);

/**
 * The bytes of a blob from the gzip file that it is stored as. Never more are inflated than it is said to have.
 *
 * @throws PlugferryError `E_RELEASE` when they are not those.
 */
export async function uncompress(blob: ShardedBlob, stored: Buffer, file: string): Promise<Buffer> {
  if (stored.length !== blob.stored)
    throw damaged(file, `${stored.length} bytes long instead of ${blob.stored}`);
  // zlib refuses 0 as the most bytes.
  const bytes = await inflate(stored, { maxOutputLength: Math.max(1, blob.size) }).catch((error: unknown) => {
    throw damaged(file, 'no gzip file of what it should hold', error);
  });
  if (bytes.length === blob.size && sha256Of(bytes) === blob.sha256) return bytes;
  throw damaged(file, `not the bytes with SHA-256 ${blob.sha256}`);
}

/** `E_RELEASE` about ConfigMaps that are not as the index says. */
export function damaged(file: string, found: string, cause?: unknown): PlugferryError {
  return new PlugferryError('E_RELEASE', `${file} is ${found}`, {
    hint:
      'Somebody changed or removed it. Find out who may write ConfigMaps there; then import the bundle again under another ' +
      'name, or delete the ConfigMaps of this one and import it anew.',
    details: { file, found },
    cause,
  });
}
