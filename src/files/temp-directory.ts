import { constants } from 'node:fs';
import { lstat, mkdtemp, open, readdir, realpath, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { PlugferryError, systemCode } from '../errors.js';
import { temporaryError } from './file-errors.js';

/** A file that is being written. */
export interface OpenFile {
  /** Absolute, free of links. */
  readonly path: string;
  readonly handle: FileHandle;
}

const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** How much somebody may have us keep. */
export interface Allowance {
  /** Whose bytes these are, for errors. */
  readonly of: string;
  /** Most bytes in all files together. */
  readonly limit: number;
}

/**
 * A directory for files of this run that nobody else may look into. It is made with the first file, and goes with all of
 * them when it is removed.
 */
export class PrivateDirectory {
  readonly #parent: string;
  readonly #allowance: Allowance | undefined;
  #made: Promise<string> | undefined;
  #files = 0;
  /** Bytes that were written: never less than what lies here. */
  #bytes = 0;

  /**
   * @param parent an existing directory, on whose file system the files lie.
   * @param allowance for what comes from elsewhere, and might not end.
   */
  constructor(parent: string, allowance?: Allowance) {
    this.#parent = parent;
    this.#allowance = allowance;
  }

  /**
   * Writing to the file fails with `E_LIMIT` once there is more than is allowed, and with `E_NO_SPACE` or `E_IO`.
   *
   * @throws PlugferryError `E_NOT_FOUND`, `E_NO_SPACE`, `E_IO`.
   */
  async create(): Promise<OpenFile> {
    this.#made ??= this.#make();
    this.#files += 1;
    const name = String(this.#files);
    const path = join(await this.#made, name);
    try {
      return { path, handle: this.#metered(await open(path, flags, 0o600)) };
    } catch (error) {
      throw temporaryError(error, this.#parent);
    }
  }

  /** All that write here do it by these methods. */
  #metered(handle: FileHandle): FileHandle {
    const metered =
      <Words extends unknown[], Result>(
        call: (...words: Words) => Promise<Result>,
        sizeOf: (...words: Words) => number,
      ) =>
      async (...words: Words): Promise<Result> => {
        await this.#admit(sizeOf(...words));
        try {
          return await call(...words);
        } catch (error) {
          throw temporaryError(error, this.#parent);
        }
      };
    return Object.assign(handle, {
      write: metered(
        handle.write.bind(handle) as WriteBytes,
        (bytes, offset = 0, length = bytes.length - offset) => length,
      ),
      writev: metered(handle.writev.bind(handle), (pieces) =>
        pieces.reduce((sum, { byteLength }) => sum + byteLength, 0),
      ),
      writeFile: metered(handle.writeFile.bind(handle), (content) => Buffer.from(content as Buffer).length),
    });
  }

  async #admit(bytes: number): Promise<void> {
    this.#bytes += bytes;
    const allowance = this.#allowance;
    if (allowance === undefined || this.#bytes <= allowance.limit) return;
    // Some of it was written again, or is gone.
    this.#bytes = (await this.#present()) + bytes;
    if (this.#bytes > allowance.limit) throw tooMuch(allowance, this.#parent);
  }

  async #present(): Promise<number> {
    const directory = await this.#made;
    if (directory === undefined) return 0;
    let sum = 0;
    for (const name of await readdir(directory)) sum += await sizeOrGone(join(directory, name));
    return sum;
  }

  /** Removes everything; without a file there is nothing to remove. */
  async remove(): Promise<void> {
    const path = await this.#made?.catch(() => undefined);
    if (path !== undefined) await rm(path, { recursive: true, force: true });
  }

  /** mkdtemp makes it for this user only. */
  async #make(): Promise<string> {
    try {
      return await realpath(await mkdtemp(join(this.#parent, '.plugferry-')));
    } catch (error) {
      throw temporaryError(error, this.#parent);
    }
  }
}

/** The overload of `FileHandle.write` that is in use. */
type WriteBytes = (
  ...words: [bytes: Uint8Array, offset?: number, length?: number, position?: number | null]
) => ReturnType<FileHandle['write']>;

async function sizeOrGone(path: string): Promise<number> {
  try {
    return (await lstat(path)).size;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 0;
    throw error;
  }
}

const tooMuch = ({ of, limit }: Allowance, directory: string): PlugferryError =>
  new PlugferryError(
    'E_LIMIT',
    `${of} brings more than ${limit} bytes, as much as is kept of a source in ${directory}`,
    {
      hint: 'Find out what it has that is so large, and name the plugins that you want, or several sources, in runs of their own.',
      details: { file: of, expected: limit, directory },
    },
  );
