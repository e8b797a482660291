import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createPartial, publish, refuseExisting, syncDirectory } from './commit.js';
import { ioError } from './failure.js';
import { isRegularFile, readSmallFile } from './file.js';

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
const pieceSize = 1024 * 1024;

/**
 * A file that arrives in order, perhaps over several runs. It grows as `<path>.part`, with a note beside it of what it is the beginning
 * of; both go when the file gets its name. Bytes are never changed in place: what is not continued is another file.
 */
export class ResumableFile {
  readonly #path: string;
  #handle: FileHandle | undefined;
  #hash: Hash = createHash('sha256');
  #size = 0;
  #batch: Buffer[] = [];
  #batched = 0;
  #writing: Promise<void> = Promise.resolve();
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
      } else await this.#rehash(this.#handle, start);
      await rm(this.#note, { force: true });
      await writeFile(this.#note, `${JSON.stringify(origin)}\n`, { flag: 'wx' });
    } catch (error) {
      throw ioError(error, this.partial);
    }
  }

  /** The next bytes. They are on their way to the disk while the ones after them arrive. */
  async append(chunk: Buffer): Promise<void> {
    this.#hash.update(chunk);
    this.#batch.push(chunk);
    this.#batched += chunk.length;
    if (this.#batched >= pieceSize) await this.#flush();
  }

  /** All bytes are there. @returns their SHA-256 in hex. */
  async finish(): Promise<string> {
    await this.#flush();
    await this.#settled();
    return this.#hash.digest('hex');
  }

  /** Gives the file its name. @throws PlugferryError `E_EXISTS`, `E_CONFLICT`, `E_IO`. */
  async publish(force: boolean): Promise<void> {
    const handle = this.#opened;
    try {
      await handle.sync();
      await refuseExisting(this.#path, force);
      await publish({ handle, partial: this.partial, path: this.#path, force });
      await rm(this.#note, { force: true });
      await syncDirectory(dirname(this.#path));
    } catch (error) {
      throw ioError(error, this.#path);
    }
  }

  /** Leaves what has arrived for another run. */
  async keep(): Promise<void> {
    await this.#flush().catch(() => undefined);
    await this.#settled().catch(() => undefined);
    await this.#handle?.close();
  }

  async discard(): Promise<void> {
    await this.#settled().catch(() => undefined);
    await this.#handle?.close();
    await rm(this.partial, { force: true });
    await rm(this.#note, { force: true });
  }

  get #opened(): FileHandle {
    if (this.#handle === undefined) throw new Error(`${this.partial} is not open`);
    return this.#handle;
  }

  async #flush(): Promise<void> {
    const batch = this.#batch;
    const at = this.#size;
    this.#batch = [];
    this.#size += this.#batched;
    this.#batched = 0;
    // One piece may be under way while the next one fills.
    await this.#settled();
    this.#writing = writeAll(this.#opened, batch, at).catch((error: unknown) => {
      const failure = ioError(error, this.partial);
      this.#failure = failure instanceof Error ? failure : new Error(String(failure));
    });
  }

  async #settled(): Promise<void> {
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #rehash(handle: FileHandle, end: number): Promise<void> {
    this.#hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(pieceSize);
    for (let at = 0; at < end;) {
      const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, end - at), at);
      if (bytesRead === 0) throw new Error(`${this.partial} became shorter`);
      this.#hash.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
    this.#size = end;
  }
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
