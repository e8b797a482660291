export interface FileSystemCall {
  /** `rename`, `open`, ...; of a file handle `handle.sync`, ... */
  readonly name: string;
  readonly args: readonly unknown[];
  /** The file handle, for calls on one. */
  readonly handle: object;
  /** Counts every call from 0. */
  readonly index: number;
  /** Counts the calls that change something from 0; undefined for one that only looks. */
  readonly change?: number;
}

export function watchFileSystem(
  onCall: (call: FileSystemCall) => ((result: unknown) => void) | undefined | Promise<undefined>,
): Promise<() => void>;

export function countWritten(
  isCounted: (path: string) => boolean,
): Promise<{ total: () => number; restore: () => void }>;

export function failWith(code: string, call: FileSystemCall): Promise<never>;
