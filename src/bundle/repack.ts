import { pipeline, Transform, type Readable, type Writable } from 'node:stream';
import { PlugferryError } from '../errors.js';
import type { Digest } from '../stream/digest.js';
import type { ManifestFile } from '../schema/manifest.js';
import { carry, type Carriage } from './carry.js';
import type { Container } from './container.js';
import type { BundleContent } from './write-archive.js';
import { Scratch } from './scratch.js';

export interface RepackOptions {
  readonly out: Writable;
  /** Directory for a private file with what a zip stores more than once. */
  readonly scratch: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes what an opened bundle holds into a container of any kind, manifest and payload byte for byte.
 *
 * @throws as {@link carry} and the container's `pack`.
 */
export async function repack(
  carriage: Carriage,
  { pack, stores }: Container,
  { out, scratch, signal }: RepackOptions,
): Promise<Digest> {
  if (stores === 'once') return carry(carriage, (content) => pack(content, out, signal));
  const spool = await Scratch.open(scratch, signal);
  try {
    return await carry(carriage, (content) => pack(repeating(content, spool), out, signal));
  } finally {
    await spool.close();
  }
}

/** Content that can give the bytes of a file again, under each later path, although its source yields them once. */
function repeating(content: BundleContent, spool: Scratch): BundleContent {
  const wanted = new Set(content.files.map(({ sameAs }) => sameAs));
  const starts = new Map<string, number>();
  return {
    ...content,
    open: async (file) => {
      if (file.sameAs !== undefined) return again(file, spool, starts.get(file.sameAs));
      const body = await content.open(file);
      if (!wanted.has(file.path)) return body;
      starts.set(file.path, spool.size);
      return keeping(body, spool);
    },
  };
}

function again({ path, size }: ManifestFile, spool: Scratch, start: number | undefined): Readable {
  if (start === undefined) throw new PlugferryError('E_INTERNAL', `${path} was not kept`);
  return spool.stream(start, start + size);
}

function keeping(body: Readable, spool: Scratch): Readable {
  const tee = new Transform({
    highWaterMark: 256 * 1024,
    transform(chunk: Buffer, _encoding, done) {
      spool.append(chunk).then(
        () => {
          done(null, chunk);
        },
        (error: unknown) => {
          done(error instanceof Error ? error : new Error(String(error)));
        },
      );
    },
  });
  // An error of either stream destroys `tee`, and its reader hears of it.
  pipeline(body, tee, () => undefined);
  return tee;
}
