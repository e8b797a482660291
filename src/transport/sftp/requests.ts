import type { FreeSpace } from '../../files/file-system.js';
import type { SftpSession } from './session.js';

export type Handle = Buffer;

/** What the server says about a file. */
export interface Attributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds. */
  readonly mtime: number;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

export const openFile = (
  session: SftpSession,
  path: string,
  { flags, mode = 0o644 }: { readonly flags: 'r' | 'r+' | 'w' | 'wx' | 'a'; readonly mode?: number },
): Promise<Handle> =>
  session.request<Handle>(path, (sftp, done) => {
    sftp.open(path, flags, mode, done);
  });

export const closeFile = (session: SftpSession, path: string, handle: Handle): Promise<void> =>
  session.request(path, (sftp, done) => {
    sftp.close(handle, done);
  });

export const attributesOf = (session: SftpSession, path: string, handle: Handle): Promise<Attributes> =>
  session.request<Attributes>(path, (sftp, done) => {
    sftp.fstat(handle, done);
  });

/** Of the name itself: a link is not followed. */
export const attributesAt = (session: SftpSession, path: string): Promise<Attributes> =>
  session.request<Attributes>(path, (sftp, done) => {
    sftp.lstat(path, done);
  });

/** Makes a file durable, where the server can. False where it cannot. */
export async function syncFile(session: SftpSession, path: string, handle: Handle): Promise<boolean> {
  if (!session.has('fsync@openssh.com')) return false;
  await session.request(path, (sftp, done) => {
    sftp.ext_openssh_fsync(handle, done);
  });
  return true;
}

export const removeFile = (session: SftpSession, path: string): Promise<void> =>
  session.request(path, (sftp, done) => {
    sftp.unlink(path, done);
  });

/** Renames. OpenSSH refuses a name that is taken; other servers may replace it. */
export const renameFile = (session: SftpSession, from: string, to: string): Promise<void> =>
  session.request(to, (sftp, done) => {
    sftp.rename(from, to, done);
  });

/** Renames as rename(2) does: a file or link that has the name is replaced in one step. */
export const replaceFile = (session: SftpSession, from: string, to: string): Promise<void> =>
  session.request(to, (sftp, done) => {
    sftp.ext_openssh_rename(from, to, done);
  });

/** What statvfs tells of a file system. */
export interface Space extends FreeSpace {
  readonly readOnly: boolean;
}

/** Undefined where the server does not tell. */
export async function spaceAt(session: SftpSession, path: string): Promise<Space | undefined> {
  if (!session.has('statvfs@openssh.com')) return undefined;
  const told = await session
    .request<Readonly<Record<string, number>>>(path, (sftp, done) => {
      sftp.ext_openssh_statvfs(path, done);
    })
    .catch(() => undefined);
  const { f_frsize = 0, f_bavail = 0, f_files = 0, f_favail = 0, f_flag = 0 } = told ?? {};
  if (told === undefined || f_frsize === 0) return undefined;
  return {
    bytes: f_frsize * f_bavail,
    inodes: f_files === 0 ? undefined : f_favail,
    readOnly: f_flag % 2 === 1,
  };
}

/** Of an open file. */
export const change = (
  session: SftpSession,
  { path, handle }: { readonly path: string; readonly handle: Handle },
  what: { readonly mode: number } | { readonly size: number },
): Promise<void> =>
  session.request(path, (sftp, done) => {
    sftp.fsetstat(handle, what, done);
  });

/** As {@link attributesAt}, but of what a link leads to. */
export const attributesBehind = (session: SftpSession, path: string): Promise<Attributes> =>
  session.request<Attributes>(path, (sftp, done) => {
    sftp.stat(path, done);
  });

export const setMode = (session: SftpSession, path: string, mode: number): Promise<void> =>
  session.request(path, (sftp, done) => {
    sftp.chmod(path, mode, done);
  });

export const makeDirectory = (session: SftpSession, path: string, mode: number): Promise<void> =>
  session.request(path, (sftp, done) => {
    sftp.mkdir(path, { mode }, done);
  });

export const removeDirectory = (session: SftpSession, path: string): Promise<void> =>
  session.request(path, (sftp, done) => {
    sftp.rmdir(path, done);
  });

export const linkFile = (session: SftpSession, from: string, to: string): Promise<void> =>
  session.request(to, (sftp, done) => {
    sftp.ext_openssh_hardlink(from, to, done);
  });

export const makeLink = (session: SftpSession, target: string, path: string): Promise<void> =>
  session.request(path, (sftp, done) => {
    sftp.symlink(target, path, done);
  });

export const targetOf = (session: SftpSession, path: string): Promise<string> =>
  session.request<string>(path, (sftp, done) => {
    sftp.readlink(path, done);
  });

/** The absolute path with all links resolved. */
export const resolvedPath = (session: SftpSession, path: string): Promise<string> =>
  session.request<string>(path, (sftp, done) => {
    sftp.realpath(path, done);
  });

export const writePiece = (session: SftpSession, { path, handle, piece, position }: Piece): Promise<void> =>
  session.request(path, (sftp, done) => {
    sftp.write(handle, piece, 0, piece.length, position, done);
  });

/** Bytes for one place of an open file: no more than one request carries. */
export interface Piece {
  readonly path: string;
  readonly handle: Handle;
  readonly piece: Buffer;
  readonly position: number;
}
