import type { FileStatus, FileSystem } from '../files/file-system.js';

/**
 * What the bytes of files of a volume were found to be in this run. A file that has been read need not be read again under another name
 * while its device, inode, size and ctime are the same. Where these are not told, on a server, it is read under each of its names.
 */
export class FileProofs {
  readonly #files: FileSystem;
  readonly #found = new Map<string, string>();

  constructor(files: FileSystem) {
    this.#files = files;
  }

  /**
   * SHA-256 of a regular file, in hex.
   *
   * @param stats what `lstat` says of it now.
   */
  async sha256(path: string, stats: FileStatus, signal: AbortSignal | undefined): Promise<string> {
    const { identity, ctimeMs, size } = stats;
    const key =
      identity === undefined || ctimeMs === undefined ? undefined : `${identity} ${ctimeMs} ${size}`;
    const known = key === undefined ? undefined : this.#found.get(key);
    if (known !== undefined) return known;
    const sha256 = await this.#files.sha256(path, { signal });
    if (key !== undefined) this.#found.set(key, sha256);
    return sha256;
  }
}
