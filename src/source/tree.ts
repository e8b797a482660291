import type { Dirent } from 'node:fs';
import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { isPlugferryError, PlugferryError, systemCode } from '../errors.js';
import type { Target } from '../plugin/tree-walk.js';

export type EntryKind = 'directory' | 'file' | 'other';

export interface Entry {
  readonly name: string;
  readonly kind: EntryKind | 'link';
}

/**
 * A directory tree that links may not lead out of. Paths inside are relative to its root, with `/`; errors call them by
 * the name under which the user gave the tree.
 */
export class Tree {
  /** As the user wrote it. */
  readonly name: string;
  readonly #root: string;

  private constructor(name: string, root: string) {
    this.name = name;
    this.#root = root;
  }

  /**
   * Resolves the root once, links and all: it is the user's own word.
   *
   * @throws PlugferryError `E_NOT_FOUND` when it is not a directory, `E_IO` when it cannot be reached.
   */
  static async at(path: string): Promise<Tree> {
    try {
      const root = await realpath(path);
      if ((await stat(root)).isDirectory()) return new Tree(path, root);
    } catch (error) {
      throw unreachable(path, error);
    }
    throw new PlugferryError('E_NOT_FOUND', `${path} is a file, expected a directory`, {
      hint: 'Give the directory that holds plugins/<name>/<version>/plugin.wasm.',
      details: { file: path, expected: 'directory', found: 'file' },
    });
  }

  /** A path inside as errors call it. */
  display(path: string): string {
    return join(this.name, path);
  }

  /** The entries of a directory, ascending by code unit. */
  async entries(path: string): Promise<Entry[]> {
    const found = await this.#guarded(path, async () =>
      readdir(await this.resolve(path), { withFileTypes: true }),
    );
    return found
      .map((entry) => ({ name: entry.name, kind: kindOfEntry(entry) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** What is there, links followed; undefined when there is nothing. */
  async kind(path: string): Promise<EntryKind | undefined> {
    return this.#guarded(path, async () => {
      try {
        const stats = await stat(await this.resolve(path));
        if (stats.isDirectory()) return 'directory';
        return stats.isFile() ? 'file' : 'other';
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
    });
  }

  /** As {@link kind}, for a walk: a link that leads out or nowhere ends it. */
  async look(path: string): Promise<Target> {
    return { kind: (await this.kind(path)) ?? 'missing', isInside: true };
  }

  /**
   * The real path, free of links.
   *
   * @throws PlugferryError `E_SOURCE` when a link leads out of the tree or nowhere.
   */
  async resolve(path: string): Promise<string> {
    const real = await this.#real(path);
    const below = this.#root.endsWith(sep) ? this.#root : this.#root + sep;
    if (real === this.#root || real.startsWith(below)) return real;
    throw this.#badLink(path, `leads out of ${this.name}`);
  }

  async #real(path: string): Promise<string> {
    const full = join(this.#root, path);
    try {
      return await realpath(full);
    } catch (error) {
      const dangling = systemCode(error) === 'ELOOP' || (isAbsent(error) && (await isLink(full)));
      throw dangling ? this.#badLink(path, 'leads nowhere', error) : error;
    }
  }

  #badLink(path: string, trouble: string, cause?: unknown): PlugferryError {
    const file = this.display(path);
    return new PlugferryError('E_SOURCE', `${file} is a link that ${trouble}`, {
      hint: 'Put there what is meant: links are followed only inside the directory that was named.',
      details: { file, expected: `a path inside ${this.name}` },
      cause,
    });
  }

  async #guarded<T>(path: string, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      throw isPlugferryError(error) ? error : unreachable(this.display(path), error);
    }
  }
}

function kindOfEntry(entry: Dirent): Entry['kind'] {
  if (entry.isSymbolicLink()) return 'link';
  if (entry.isDirectory()) return 'directory';
  return entry.isFile() ? 'file' : 'other';
}

const isAbsent = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '');

async function isLink(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isSymbolicLink();
  } catch {
    return false;
  }
}

function unreachable(file: string, error: unknown): PlugferryError {
  if (isAbsent(error)) {
    return new PlugferryError('E_NOT_FOUND', `${file} does not exist`, {
      hint: 'Check the path, and the directory you are in.',
      details: { file },
      cause: error,
    });
  }
  const reason = systemCode(error) ?? String(error);
  return new PlugferryError('E_IO', `${file} cannot be read: ${reason}`, {
    hint: 'Check the permissions of it and of the directories above it.',
    details: { file, found: reason },
    cause: error,
  });
}
