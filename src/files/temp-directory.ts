import { constants } from 'node:fs';
import { mkdtemp, open, realpath, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { ioError } from './file-errors.js';

/** A file that is being written. */
export interface OpenFile {
  /** Absolute, free of links. */
  readonly path: string;
  readonly handle: FileHandle;
}

const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * A directory for files of this run that nobody else may look into. It is made with the first file, and goes with all of
 * them when it is removed.
 */
export class PrivateDirectory {
  readonly #parent: string;
  #made: Promise<string> | undefined;
  #files = 0;

  /** @param parent an existing directory, on whose file system the files lie. */
  constructor(parent: string) {
    this.#parent = parent;
  }

  /** @throws PlugferryError `E_NOT_FOUND`, `E_NO_SPACE`, `E_IO`. */
  async create(): Promise<OpenFile> {
    this.#made ??= this.#make();
    this.#files += 1;
    const name = String(this.#files);
    const path = join(await this.#made, name);
    try {
      return { path, handle: await open(path, flags, 0o600) };
    } catch (error) {
      throw ioError(error, path);
    }
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
      throw ioError(error, this.#parent);
    }
  }
}
