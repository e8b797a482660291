import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { PlugferryError, systemCode } from '../errors.js';
import { ioError, temporaryError } from '../files/file-errors.js';

const pieceSize = 256 * 1024;
const createFlags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** A private file for those who only read it, in any order. */
export interface ScratchFile {
  /** Bytes. */
  readonly size: number;
  read(start: number, length: number): Promise<Buffer>;
  stream(start: number, end: number): Readable;
  close(): Promise<void>;
}

/**
 * A private file that loses its name as soon as it is open: no other program can change it under us, and it is gone when it
 * is closed or the process ends, however it ends.
 */
export class Scratch implements ScratchFile {
  readonly #handle: FileHandle;
  readonly #directory: string;
  readonly #signal: AbortSignal | undefined;
  #size = 0;

  private constructor(handle: FileHandle, directory: string, signal: AbortSignal | undefined) {
    this.#handle = handle;
    this.#directory = directory;
    this.#signal = signal;
  }

  /**
   * @param directory whose file system holds the bytes; where it does not exist, the system's temporary directory does.
   * @throws PlugferryError `E_NO_SPACE`, `E_NOT_FOUND`, `E_IO`.
   */
  static async open(directory: string, signal?: AbortSignal): Promise<Scratch> {
    try {
      return new Scratch(await nameless(directory), directory, signal);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT' || directory === tmpdir()) throw temporaryError(error, directory);
      return Scratch.open(tmpdir(), signal);
    }
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#size;
  }

  /** Adds bytes at the end. */
  async append(bytes: Uint8Array): Promise<void> {
    this.#signal?.throwIfAborted();
    try {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, this.#size);
        done += bytesWritten;
        this.#size += bytesWritten;
      }
    } catch (error) {
      throw temporaryError(error, this.#directory);
    }
  }

  /**
   * Exactly these bytes.
   *
   * @throws PlugferryError `E_IO`, also when there are fewer.
   */
  async read(start: number, length: number): Promise<Buffer> {
    this.#signal?.throwIfAborted();
    const bytes = Buffer.allocUnsafe(length);
    try {
      for (let done = 0; done < length;) {
        const { bytesRead } = await this.#handle.read(bytes, done, length - done, start + done);
        if (bytesRead === 0) throw shorter(this.#directory);
        done += bytesRead;
      }
    } catch (error) {
      throw ioError(error, this.#directory);
    }
    return bytes;
  }

  /** The bytes from `start` up to `end`, or to the end of the file. */
  stream(start: number, end: number): Readable {
    return Readable.from(this.#pieces(start, Math.min(end, this.#size)), {
      objectMode: false,
      highWaterMark: pieceSize,
    });
  }

  async *#pieces(start: number, end: number): AsyncGenerator<Buffer> {
    for (let at = start; at < end; at += pieceSize) yield this.read(at, Math.min(pieceSize, end - at));
  }

  /** All that was written so far, for a reader who closes what he read: that leaves this file open. */
  lent(): ScratchFile {
    return {
      size: this.#size,
      read: (start, length) => this.read(start, length),
      stream: (start, end) => this.stream(start, end),
      close: async () => undefined,
    };
  }

  /** May be called more than once; whoever still reads gets an error. */
  async close(): Promise<void> {
    await this.#handle.close();
  }
}

async function nameless(directory: string): Promise<FileHandle> {
  const path = join(directory, `.plugferry-${randomBytes(16).toString('hex')}`);
  const handle = await open(path, createFlags, 0o600);
  try {
    await rm(path, { force: true });
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

const shorter = (directory: string): PlugferryError =>
  new PlugferryError('E_IO', `${directory}: a temporary file became shorter while it was read`, {
    hint: 'Check the file system of this directory, then run the same command again.',
    details: { file: directory },
  });
