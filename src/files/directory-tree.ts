import { join, sep } from 'node:path';
import { systemCode } from '../errors.js';
import type { FileSystem } from './file-system.js';

/** What a path of a {@link DirectoryTree} leads to. */
export interface Reached {
  readonly kind: 'directory' | 'file' | 'other' | 'missing';
  /** Whether that lies below the root. */
  readonly isInside: boolean;
  /** Absolute, free of links; the empty text where there is nothing. */
  readonly real: string;
  /** Bytes. */
  readonly size: number;
}

/** A directory whose links are followed, and told whether they lead out of it. Paths are relative to it, with `/`. */
export class DirectoryTree {
  /** As whoever named it wrote it. */
  readonly name: string;
  readonly #files: FileSystem;
  readonly #root: string;

  private constructor(name: string, files: FileSystem, root: string) {
    this.name = name;
    this.#files = files;
    this.#root = root;
  }

  /** Resolves the root once, links and all. Fails as {@link FileSystem}, here and in {@link entries}. */
  static async at(files: FileSystem, name: string): Promise<DirectoryTree> {
    return new DirectoryTree(name, files, await files.realpath(name));
  }

  /** The entries of a directory; what is no directory itself may be a link to one. */
  async entries(path: string): Promise<{ readonly name: string; readonly kind: 'directory' | 'link' }[]> {
    const directory = await this.#files.realpath(join(this.#root, path));
    const found = await this.#files.entries(directory);
    return found.map((entry) => ({ name: entry.name, kind: entry.isDirectory() ? 'directory' : 'link' }));
  }

  /** What a path leads to; a link that leads nowhere, or in a circle, leads to what is `missing`. */
  async look(path: string): Promise<Reached> {
    try {
      const real = await this.#files.realpath(join(this.#root, path));
      const stats = await this.#files.lstat(real);
      const kind = stats.isDirectory() ? 'directory' : stats.isFile() ? 'file' : 'other';
      const below = this.#root.endsWith(sep) ? this.#root : this.#root + sep;
      return { kind, isInside: real === this.#root || real.startsWith(below), real, size: stats.size };
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR', 'ELOOP'].includes(systemCode(error) ?? '')) throw error;
      return { kind: 'missing', isInside: false, real: '', size: 0 };
    }
  }

  /** The path where something stands whose links are all above the root. */
  unlinked(path: string): string {
    return join(this.#root, path);
  }
}
