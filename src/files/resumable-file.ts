import { constants } from 'node:fs';
import { open, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Writable, type Readable } from 'node:stream';
import { createPartial, publish, refuseExisting } from './atomic-file.js';
import { ioError } from './file-errors.js';
import { flow } from '../stream/flow.js';
import { isRegularFile, readSmallFile } from './open-regular.js';
import { TrailingHash } from './background-hash.js';
import { syncDirectory } from './sync-directory.js';

/** What a file is the beginning of: the same in all that counts means the same bytes. */
export interface Origin {
  /** Where it comes from, without credentials. */
  readonly from: string;
  /** What the place calls the version of the file. */
  readonly version?: string | undefined;
  /** SHA-256 in hex that the whole must have. */
  readonly sha256?: string | undefined;
}

export interface Beginning {
  /** Bytes. */
  readonly size: number;
  readonly version: string | undefined;
}

const maxNoteBytes = 16 * 1024;

interface Opened {
  readonly handle: FileHandle;
  readonly hash: TrailingHash;
}

/** Bytes that may wait to be written while more comes. */
const waitingSize = 4 * 1024 * 1024;

/** Bytes that may wait for the disk; so few are left at the end that nobody waits long. */
const unsyncedSize = 64 * 1024 * 1024;

/**
 * A file that arrives in order, perhaps over several runs. It grows as `<path>.part`, with a note beside it of what it is the beginning
 * of; both go when the file gets its name. Bytes are never changed in place: what is not continued is another file.
 */
export class ResumableFile {
  readonly #path: string;
  #handle: FileHandle | undefined;
  #hash: TrailingHash | undefined;
  #size = 0;
  #writing: Promise<void> = Promise.resolve();
  #syncing: Promise<void> | undefined;
  #synced = 0;
  #failure: Error | undefined;

  /** @param path absolute. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Where it grows. */
  get partial(): string {
    return `${this.#path}.part`;
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  get #note(): string {
    return `${this.#path}.part.json`;
  }

  /** What an earlier run left of the same file, or nothing. */
  async beginning({ from, sha256 }: Origin): Promise<Beginning> {
    const nothing = { size: 0, version: undefined };
    if (!(await isRegularFile(this.#note)) || !(await isRegularFile(this.partial))) return nothing;
    const note = parsedNote(await readSmallFile(this.#note, 'note', maxNoteBytes));
    const isSame =
      note.from === from && (sha256 === undefined ? note.version !== undefined : note.sha256 === sha256);
    if (!isSame) return nothing;
    const handle = await open(this.partial, constants.O_RDWR | constants.O_NOFOLLOW);
    this.#handle = handle;
    const { size } = await handle.stat();
    return { size, version: note.version };
  }

  /**
   * Takes the file up at `start`, which is what {@link beginning} said, or 0 to begin anew.
   *
   * @throws PlugferryError `E_IO`, `E_NO_SPACE`, `E_NOT_FOUND`.
   */
  async open(start: number, origin: Origin, mode = 0o644): Promise<void> {
    try {
      if (start === 0 || this.#handle === undefined) {
        await this.#handle?.close();
        this.#handle = await createPartial(this.partial, mode);
      }
      this.#size = start;
      this.#hash = new TrailingHash(this.#handle);
      this.#hash.grown(start);
      await rm(this.#note, { force: true });
      await writeFile(this.#note, `${JSON.stringify(origin)}\n`, { flag: 'wx' });
    } catch (error) {
      throw ioError(error, this.partial);
    }
  }

  /**
   * Takes all that comes; what came before the source breaks stays in the file.
   *
   * @param written told how many bytes more have been.
   * @throws PlugferryError `E_IO`, `E_NO_SPACE`; the error of the source.
   */
  async fill(source: Readable, written: (bytes: number) => void): Promise<void> {
    const opened = this.#opened;
    const write = (chunks: readonly Buffer[], done: (error?: Error | null) => void): void => {
      const before = this.#size;
      this.#writing = this.#write(opened, chunks).then(
        () => {
          written(this.#size - before);
          done();
        },
        (error: unknown) => {
          this.#failed(error);
          done(this.#failure);
        },
      );
    };
    const sink = new Writable({
      highWaterMark: waitingSize,
      write: (chunk: Buffer, _encoding, done) => {
        write([chunk], done);
      },
      writev: (entries, done) => {
        write(
          entries.map(({ chunk }) => chunk as Buffer),
          done,
        );
      },
    });
    await flow(source, sink);
  }

  /** All bytes are there. @returns their SHA-256 in hex, as they stand in the file. @throws PlugferryError `E_IO`. */
  async finish(): Promise<string> {
    const opened = this.#opened;
    // The rest goes to the disk while it is read.
    this.#sync(opened.handle);
    try {
      return await opened.hash.digest(this.#size);
    } catch (error) {
      throw ioError(error, this.partial);
    }
  }

  /** Gives the file its name. @throws PlugferryError `E_EXISTS`, `E_CONFLICT`, `E_IO`. */
  async publish(force: boolean): Promise<void> {
    const { handle } = this.#opened;
    try {
      await this.#syncing;
      if (this.#failure !== undefined) throw this.#failure;
      await handle.sync();
      await refuseExisting(this.#path, force);
      await publish({ handle, partial: this.partial, path: this.#path, force });
      await rm(this.#note, { force: true });
      await syncDirectory(dirname(this.#path));
    } catch (error) {
      throw ioError(error, this.#path);
    }
  }

  /** Leaves what has arrived for another run. @returns how many bytes: a disk that is full may have taken a part of a piece. */
  async keep(): Promise<number> {
    await this.#writing;
    const size = (await this.#handle?.stat())?.size ?? 0;
    await this.#close();
    return size;
  }

  /** Leaves nothing. What cannot be removed is not ours; why all of it is discarded is what has to be told. */
  async discard(): Promise<void> {
    await this.#close();
    for (const path of [this.partial, this.#note]) await rm(path, { force: true }).catch(() => undefined);
  }

  async #close(): Promise<void> {
    await this.#writing;
    await this.#syncing;
    await this.#hash?.close();
    await this.#handle?.close();
  }

  get #opened(): Opened {
    const [handle, hash] = [this.#handle, this.#hash];
    if (handle === undefined || hash === undefined) throw new Error(`${this.partial} is not open`);
    return { handle, hash };
  }

  async #write({ handle, hash }: Opened, chunks: readonly Buffer[]): Promise<void> {
    await writeAll(handle, chunks, this.#size);
    this.#size += chunks.reduce((sum, { length }) => sum + length, 0);
    hash.grown(this.#size);
    if (this.#size - this.#synced >= unsyncedSize) this.#sync(handle);
  }

  /** Sends what is written to the disk, while more comes. A failure that the system tells only once must not be lost. */
  #sync(handle: FileHandle): void {
    if (this.#syncing !== undefined) return;
    this.#synced = this.#size;
    this.#syncing = handle
      .datasync()
      .catch(this.#failed)
      .finally(() => {
        this.#syncing = undefined;
      });
  }

  readonly #failed = (error: unknown): void => {
    const failure = ioError(error, this.partial);
    this.#failure ??= failure instanceof Error ? failure : new Error(String(failure));
  };
}

async function writeAll(handle: FileHandle, batch: readonly Buffer[], start: number): Promise<void> {
  let at = start;
  const { bytesWritten } = await handle.writev(batch, at);
  let done = bytesWritten;
  // A disk may take less than it was given.
  for (const chunk of batch) {
    if (done >= chunk.length) done -= chunk.length;
    else {
      for (let from = done; from < chunk.length;) {
        const written = await handle.write(chunk, from, chunk.length - from, at + from);
        from += written.bytesWritten;
      }
      done = 0;
    }
    at += chunk.length;
  }
}

function parsedNote(bytes: Buffer): Partial<Origin> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value !== 'object' || value === null) return {};
    const text = (name: keyof Origin): string | undefined => {
      const found: unknown = Object.hasOwn(value, name)
        ? (value as Record<string, unknown>)[name]
        : undefined;
      return typeof found === 'string' ? found : undefined;
    };
    const from = text('from');
    return { ...(from === undefined ? {} : { from }), version: text('version'), sha256: text('sha256') };
  } catch {
    return {};
  }
}
