import type { FileSystem } from '../files/file-system.js';
import { linkFailure } from './failure.js';
import { lstatIfThere } from './disk.js';

/** What a function of a file system takes behind the path. */
type Rest<Name extends 'readThrough' | 'sha256' | 'mkdir'> =
  Parameters<FileSystem[Name]> extends [string, ...infer Others] ? Others : never;

/**
 * A file system in which no path below `top` leads through a symbolic link: each directory on the way from `top` on is looked at
 * before anything is done below it, and one that is a link is an error with the code `ELOOP`. What is at the end of a path is the business
 * of the file system itself, which does not follow it either.
 *
 * Node has no openat(2), so a directory that was found to be one is taken to stay one while this object lives: a volume that
 * others may write is refused before (see `refuseStrangers`), and it is made anew for each run.
 */
export function enclosed(files: FileSystem, top: string): FileSystem {
  const way = new Way(files, top);
  /** For what concerns a name in a directory. */
  const at =
    <A extends unknown[], R>(call: (path: string, ...rest: A) => Promise<R>) =>
    async (path: string, ...rest: A): Promise<R> => {
      await way.demandAbove(path);
      return call(path, ...rest);
    };
  /** For what concerns a directory. */
  const within =
    <A extends unknown[], R>(call: (path: string, ...rest: A) => Promise<R>) =>
    async (path: string, ...rest: A): Promise<R> => {
      await way.demandTo(path);
      return call(path, ...rest);
    };
  /** For what takes a name away from where it is. */
  const away =
    <A extends unknown[], R>(call: (path: string, ...rest: A) => Promise<R>) =>
    async (path: string, ...rest: A): Promise<R> => {
      await way.demandAbove(path);
      way.forget(path);
      return call(path, ...rest);
    };
  return {
    lstat: at((path) => files.lstat(path)),
    realpath: (path) => files.realpath(path),
    readlink: at((path) => files.readlink(path)),
    readdir: within((path) => files.readdir(path)),
    entries: within((path) => files.entries(path)),
    readFile: at((path, limit?: number) => files.readFile(path, limit)),
    readEnd: at((path, length: number) => files.readEnd(path, length)),
    readThrough: at((path, ...rest: Rest<'readThrough'>) => files.readThrough(path, ...rest)),
    sha256: at((path, ...rest: Rest<'sha256'>) => files.sha256(path, ...rest)),
    mkdir: within((path, ...rest: Rest<'mkdir'>) => files.mkdir(path, ...rest)),
    chmod: within((path, mode: number) => files.chmod(path, mode)),
    rename: away(async (from, to: string) => {
      await way.demandAbove(to);
      way.forget(to);
      return files.rename(from, to);
    }),
    link: at(async (from, to: string) => {
      await way.demandAbove(to);
      return files.link(from, to);
    }),
    symlink: async (target, path) => {
      await way.demandAbove(path);
      return files.symlink(target, path);
    },
    unlink: away((path) => files.unlink(path)),
    removeAll: away((path) => files.removeAll(path)),
    writeNew: at((path, content) => files.writeNew(path, content)) as FileSystem['writeNew'],
    copy: at(async (from, to: string) => {
      await way.demandAbove(to);
      return files.copy(from, to);
    }),
    scribble: at((path, text: string) => files.scribble(path, text)),
    appendLine: at((path, line: string) => files.appendLine(path, line)),
    syncDirectory: within((path) => files.syncDirectory(path)),
    freeSpace: (path) => files.freeSpace(path),
    isReadOnly: (path) => files.isReadOnly(path),
  };
}

/** The directories on the way to a path. */
class Way {
  readonly #files: FileSystem;
  readonly #top: string;
  /** Found to be directories themselves. */
  readonly #seen = new Set<string>();

  constructor(files: FileSystem, top: string) {
    this.#files = files;
    this.#top = top;
  }

  /** @throws an error with the code `ELOOP` when a directory above `path`, from the top on, is a link. */
  async demandAbove(path: string): Promise<void> {
    if (path.startsWith(`${this.#top}/`)) await this.demandTo(path.slice(0, path.lastIndexOf('/')));
  }

  /** The same for `path` itself as well. What is not there is no link. */
  async demandTo(path: string): Promise<void> {
    if ((path !== this.#top && !path.startsWith(`${this.#top}/`)) || this.#seen.has(path)) return;
    await this.demandAbove(path);
    const stats = await lstatIfThere(this.#files, path);
    if (stats?.isSymbolicLink() === true) throw linkFailure(path);
    if (stats?.isDirectory() === true) this.#seen.add(path);
  }

  /** Something else may come to be at `path`. */
  forget(path: string): void {
    for (const each of this.#seen) if (each === path || each.startsWith(`${path}/`)) this.#seen.delete(each);
  }
}
