import { pipeline, Transform, type Readable, type TransformCallback } from 'node:stream';
import { crc32 } from 'node:zlib';
import type { CentralDirectory, File } from 'unzipper';
import { isPlugferryError, type PlugferryError } from '../errors.js';
import type { ScratchFile } from './scratch.js';
import { endSize, refusedZip, type ZipEntry } from './zip-records.js';

/** What unzipper reads from. */
interface Source {
  size(): Promise<number>;
  stream(offset: number, length?: number): Readable;
}
/** Its declarations lack the options. */
type OpenCustom = (source: Source, options: { readonly tailSize: number }) => Promise<CentralDirectory>;

/**
 * The bodies of a scanned zip, inflated by unzipper. unzipper checks nothing of what it reads and does not listen for
 * errors of its source, so both is done here.
 */
export class ZipBodies {
  readonly #entries: readonly ZipEntry[];
  readonly #files: readonly File[];
  readonly #source: WatchedSource;

  private constructor(entries: readonly ZipEntry[], files: readonly File[], source: WatchedSource) {
    this.#entries = entries;
    this.#files = files;
    this.#source = source;
  }

  /**
   * @param entries as the scan of the same file found them.
   * @throws PlugferryError `E_CONTAINER` when unzipper reads the directory in another way.
   */
  static async open(file: ScratchFile, entries: readonly ZipEntry[]): Promise<ZipBodies> {
    // Loading it takes a tenth of a second, which those who never meet a zip need not wait.
    const { Open } = await import('unzipper');
    const source = new WatchedSource(file);
    const failed = new Promise<never>((_resolve, reject) => (source.onError = reject));
    const directory = (Open.custom as unknown as OpenCustom)(source, { tailSize: endSize });
    const read = directory.catch((error: unknown) => {
      throw damaged(error);
    });
    const { files } = await Promise.race([read, failed]);
    if (files.length !== entries.length) throw refusedZip('has more or fewer entries than it says');
    for (const [index, entry] of entries.entries()) {
      const found = files[index];
      if (found === undefined || !isSame(entry, found))
        throw refusedZip('has an ambiguous entry', entry.name);
    }
    return new ZipBodies(entries, files, source);
  }

  /**
   * The inflated body of an entry. It fails, before it reports its end, when size, CRC-32 or the number of bytes that it
   * was inflated from are not those of the directory; it never yields more bytes than promised. One at a time.
   *
   * @throws (as stream error) PlugferryError `E_CONTAINER`, `E_IO`.
   */
  body(index: number): Readable {
    const [entry, file] = [this.#entries[index], this.#files[index]];
    if (entry === undefined || file === undefined) throw new RangeError(`no entry ${index}`);
    const check = new BodyCheck(entry);
    this.#source.onError = (error) => {
      check.fail(error);
    };
    const inflated = file.stream();
    // It may still report errors when nobody else listens any more.
    inflated.on('error', () => undefined);
    inflated.once('pipe', (inflater: Inflater) => {
      check.inflater = inflater;
    });
    pipeline(inflated, check, () => undefined);
    return check;
  }
}

/** unzipper attaches no error listener to what it reads from: an error would end the process, or be waited for in vain. */
class WatchedSource implements Source {
  onError: (error: Error) => void = () => undefined;
  readonly #file: ScratchFile;

  constructor(file: ScratchFile) {
    this.#file = file;
  }

  async size(): Promise<number> {
    return this.#file.size;
  }

  stream(offset: number, length = Infinity): Readable {
    const stream = this.#file.stream(offset, offset + length);
    stream.on('error', (error) => {
      this.onError(error);
    });
    return stream;
  }
}

const isSame = (entry: ZipEntry, file: File): boolean =>
  file.pathBuffer.toString('latin1') === entry.name &&
  file.flags === entry.flags &&
  file.compressionMethod === entry.method &&
  file.crc32 === entry.crc32 &&
  file.compressedSize === entry.packedSize &&
  file.uncompressedSize === entry.size &&
  file.offsetToLocalFileHeader === entry.offset;

/** The stream that unzipper inflates with; for a stored entry it does not count. */
type Inflater = Readable & { readonly bytesWritten?: number };

class BodyCheck extends Transform {
  inflater: Inflater | undefined;
  readonly #entry: ZipEntry;
  #size = 0;
  #crc32 = 0;
  #failure: Error | undefined;

  constructor(entry: ZipEntry) {
    super({ highWaterMark: 256 * 1024 });
    this.#entry = entry;
  }

  /** Ends the stream with an error that is not the archive's fault. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.destroy(error);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#size += chunk.length;
    this.#crc32 = crc32(chunk, this.#crc32);
    if (this.#size > this.#entry.size) done(this.#refused('has an entry that is larger than it says'));
    else done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    const { size, packedSize, crc32: expected } = this.#entry;
    if (this.#size !== size) done(this.#refused('has an entry that is smaller than it says'));
    else if (this.#crc32 !== expected) done(this.#refused('has an entry with a wrong CRC-32'));
    // Inflating stops at the end of the deflate stream; what stands behind it other programs may take for an entry.
    else if ((this.inflater?.bytesWritten ?? packedSize) !== packedSize)
      done(this.#refused('has bytes hidden behind an entry'));
    else done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    done(error === null ? null : (this.#failure ?? damaged(error, this.#entry.name)));
  }

  #refused(found: string): Error {
    return refusedZip(found, this.#entry.name);
  }
}

/** What unzipper and zlib complain of is the archive's fault: it is all there, or the source would have failed. */
const damaged = (error: unknown, name?: string): PlugferryError =>
  isPlugferryError(error) ? error : refusedZip('is damaged', name, error);
