/** What is at a path. */
export interface FileStatus {
  readonly mode: number;
  readonly uid: number;
  /** Undefined where that is not told. */
  readonly gid?: number | undefined;
  /** How many names it has; undefined where that is not told. */
  readonly nlink?: number | undefined;
  /** Bytes. */
  readonly size: number;
  /** Time of the last change of the content, in milliseconds since 1970; some places tell only whole seconds. */
  readonly mtimeMs: number;
  /** Equal for all names of one file; undefined where that is not told. */
  readonly identity?: string | undefined;
  /** Time of the last change of content, owner, mode or names, in milliseconds since 1970; undefined where that is not told. */
  readonly ctimeMs?: number | undefined;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

export interface FileEntry {
  /** One segment of a path, never `.` or `..`. */
  readonly name: string;
  isDirectory(): boolean;
}

export interface ReadingOptions {
  readonly signal?: AbortSignal | undefined;
  /** Also make the file durable: for files that somebody else wrote. @default false */
  readonly sync?: boolean;
}

/** Most bytes of a small file, where nothing else is said. */
export const maxSmallFile = 16 * 1024 * 1024;

/** Room that is left. */
export interface FreeSpace {
  readonly bytes: number;
  /** Undefined where the file system does not count them. */
  readonly inodes: number | undefined;
}

/**
 * What a volume asks of the file system that keeps it, on this machine or on a server. Every method fails as Node does, with
 * an error that has `code` (`ENOENT`, `EEXIST`, `ENOTEMPTY`, `ENOSPC`, ...) and `path`; the codes that callers tell apart are
 * right on every implementation. No method but {@link realpath} follows a link at the end of a path.
 */
export interface FileSystem {
  /** The user that what is made here belongs to; undefined where that shows only when something was made. */
  readonly user?: number | undefined;
  lstat(path: string): Promise<FileStatus>;
  /** The absolute path with all links resolved. */
  realpath(path: string): Promise<string>;
  readlink(path: string): Promise<string>;
  /** Names in a directory, in any order. */
  readdir(path: string): Promise<string[]>;
  entries(path: string): Promise<FileEntry[]>;
  /**
   * All of a small regular file; `EFBIG` for a larger one, before its bytes are read.
   *
   * @param limit most bytes. @default 16 MiB: no release.json has more
   */
  readFile(path: string, limit?: number): Promise<Buffer>;
  /** The last bytes of a file, at most `length`. */
  readEnd(path: string, length: number): Promise<Buffer>;
  /** Hands every byte of a regular file to `sink`. */
  readThrough(path: string, sink: (chunk: Uint8Array) => void, options?: ReadingOptions): Promise<void>;
  /** SHA-256 of a regular file, in hex, from its bytes as they are stored. */
  sha256(path: string, options?: ReadingOptions): Promise<string>;

  /** With `recursive`, directories that are there already are fine. @returns the first directory that was made */
  mkdir(path: string, options?: MakeDirectoryOptions): Promise<string | undefined>;
  chmod(path: string, mode: number): Promise<void>;
  /** As rename(2): replaces a file, a link or an empty directory in one step. */
  rename(from: string, to: string): Promise<void>;
  /** A second name of a file. */
  link(from: string, to: string): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Removes whatever is at a path and below it; nothing is fine. */
  removeAll(path: string): Promise<void>;
  /** A new file, mode 0644, durable in itself; fails with `EEXIST` on any name that is taken. */
  writeNew(path: string, content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void>;
  /** A new file with the bytes of another, mode 0644, durable in itself. */
  copy(from: string, to: string): Promise<void>;
  /** Makes or replaces a small file, neither in one step nor durably. */
  scribble(path: string, text: string): Promise<void>;
  /** Appends a line, durably, on a line of its own even where the last one was cut short. Makes the file when it is not there. */
  appendLine(path: string, line: string): Promise<void>;

  /** Makes the entries of a directory durable. False where that cannot be had. */
  syncDirectory(path: string): Promise<boolean>;
  /** Undefined where it is not told. */
  freeSpace(path: string): Promise<FreeSpace | undefined>;
  /** Whether the file system is mounted read-only, whatever the modes say. */
  isReadOnly(path: string): Promise<boolean>;
}

export interface MakeDirectoryOptions {
  /** @default 0o777, less the umask */
  readonly mode?: number;
  readonly recursive?: boolean;
}
