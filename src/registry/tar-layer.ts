import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline, Transform, type Duplex, type Readable, type TransformCallback } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { isPlugferryError, PlugferryError } from '../errors.js';
import { ioError } from '../files/file-errors.js';
import { openRegular } from '../files/open-regular.js';
import { fileWriter } from '../files/file-writer.js';
import type { PrivateDirectory } from '../files/temp-directory.js';
import { extract, type Extract } from '../stream/tar-parser.js';

/** Most bytes of one layer or archive without its compression. */
const maxBytes = 8 * 1024 * 1024 * 1024;
const maxEntries = 200_000;

/** Whether there is, or is to be, content under the name of an entry. */
export const isContent = ({ type }: LayerEntry): boolean => type === 'file' || type === 'link';

/** What stands in a tar archive. Nothing is ever written under its name. */
export interface LayerEntry {
  /** With `/`, without a leading `./`; never absolute, never with `..`. */
  readonly name: string;
  readonly type: 'file' | 'link' | 'directory' | 'other';
  /** Bytes. */
  readonly size: number;
}

/** A file of a layer, as a private copy. */
export interface LayerFile extends LayerEntry {
  readonly path: string;
  readonly sha256: string;
}

export interface LayerRead {
  /** How errors call the layer. */
  readonly label: string;
  readonly copies: PrivateDirectory;
  /** Which files are wanted; asked for every entry, in the order of the archive. */
  readonly want: (entry: LayerEntry) => boolean;
  /** Most bytes of one wanted file. */
  readonly limit: number;
  readonly signal?: AbortSignal | undefined;
}

const types: Readonly<Record<string, LayerEntry['type']>> = {
  file: 'file',
  'contiguous-file': 'file',
  link: 'link',
  symlink: 'link',
  directory: 'directory',
};

type TarEntry = Extract extends AsyncIterable<infer Item> ? Item : never;

/**
 * Reads a tar archive, compressed with gzip or not, from one end to the other and copies the wanted files.
 *
 * @throws PlugferryError `E_SOURCE` for what is damaged, for names that lead outside, and for links where a file is wanted;
 *   `E_LIMIT`, `E_NO_SPACE`, `E_IO`.
 */
export async function readTarLayer(path: string, read: LayerRead): Promise<LayerFile[]> {
  const files: LayerFile[] = [];
  const byName = new Map<string, LayerFile>();
  const parser = extract();
  const source = createReadStream(path, { highWaterMark: 256 * 1024 });
  const gunzip = (await isGzip(path)) ? [createGunzip()] : [];
  const ended = new Promise<Error | undefined>((resolve) => {
    pipeline([source, ...gunzip, new Limit(read.label), parser as unknown as Duplex], (error) => {
      resolve(error ?? undefined);
    });
  });
  try {
    let seen = 0;
    for await (const entry of parser) {
      read.signal?.throwIfAborted();
      seen += 1;
      if (seen > maxEntries) throw refused(read.label, `has more than ${maxEntries} entries`);
      const file = await copied(entry, byName, read);
      if (file === undefined) entry.resume();
      else {
        files.push(file);
        byName.set(file.name, file);
      }
    }
  } catch (error) {
    source.destroy();
    read.signal?.throwIfAborted();
    const cause = ioError((await ended) ?? error, path);
    throw [cause, error].find(isPlugferryError) ?? damaged(read.label, cause);
  }
  const error = await ended;
  const failure = ioError(error, path);
  if (failure !== undefined) throw isPlugferryError(failure) ? failure : damaged(read.label, failure);
  return files;
}

/** @param before the last wanted file of each name so far: a hard link to one of them is that file under another name. */
async function copied(
  entry: TarEntry,
  before: ReadonlyMap<string, LayerFile>,
  read: LayerRead,
): Promise<LayerFile | undefined> {
  const { header } = entry;
  const name = safeName(header.name, read.label);
  const type = types[header.type] ?? 'other';
  const { size } = header;
  const found = { name, type, size } as const;
  if (!read.want(found)) return undefined;
  const target = header.type === 'link' ? safeName(header.linkname, read.label) : undefined;
  const linked = target === undefined ? undefined : before.get(target);
  if (linked !== undefined) return { ...linked, name };
  if (type !== 'file') throw refused(read.label, `has "${name}" as a link, expected a file`);
  if (size > read.limit) throw tooLarge(read, found);
  const copy = await read.copies.create();
  try {
    const hash = createHash('sha256');
    const hashing = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const chunk of chunks) {
        hash.update(chunk);
        yield chunk;
      }
    };
    await new Promise<void>((resolve, reject) => {
      pipeline(entry as unknown as Readable, hashing, fileWriter(copy.handle), (error) => {
        if (error) reject(error);
        else resolve();
      });
    }).catch((error: unknown) => {
      // A full disk is no fault of the archive.
      throw ioError(error, copy.path);
    });
    return { ...found, path: copy.path, sha256: hash.digest('hex') };
  } finally {
    await copy.handle.close();
  }
}

function safeName(name: string, label: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || parts.includes('..') || name.includes('\0'))
    throw refused(label, `has an entry "${name}", which leads outside`);
  return parts.join('/');
}

/** Whether a file begins as gzip does. */
export async function isGzip(path: string): Promise<boolean> {
  const handle = await openRegular(path, 'layer');
  try {
    const head = Buffer.alloc(2);
    await handle.read(head, 0, 2, 0);
    return head[0] === 0x1f && head[1] === 0x8b;
  } finally {
    await handle.close();
  }
}

/** What unpacks to more than anybody wants is a bomb. */
class Limit extends Transform {
  readonly #label: string;
  #size = 0;

  constructor(label: string) {
    super({ highWaterMark: 256 * 1024 });
    this.#label = label;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#size += chunk.length;
    if (this.#size > maxBytes) done(refused(this.#label, `unpacks to more than ${maxBytes} bytes`));
    else done(null, chunk);
  }
}

const damaged = (label: string, cause: unknown): PlugferryError =>
  refused(
    label,
    `is no tar archive, or is damaged: ${cause instanceof Error ? cause.message : String(cause)}`,
    cause,
  );

const refused = (file: string, trouble: string, cause?: unknown): PlugferryError =>
  new PlugferryError('E_SOURCE', `${file} ${trouble}`, {
    hint: 'Take it again from where it was made; if it is the same there, have it built anew.',
    details: { file, found: trouble },
    cause,
  });

const tooLarge = ({ label, limit }: LayerRead, { name, size }: LayerEntry): PlugferryError =>
  new PlugferryError('E_LIMIT', `${label}: "${name}" has ${size} bytes, expected at most ${limit}`, {
    hint: 'Is this really what was meant?',
    details: { file: label, entry: name, expected: limit, found: size },
  });
