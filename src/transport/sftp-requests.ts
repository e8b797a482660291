import type { SftpSession } from './sftp-session.js';

export type Handle = Buffer;

/** What the server says about a file. */
export interface Attributes {
  readonly mode: number;
  readonly uid: number;
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

/** Room that is left, as statvfs tells it. */
export interface Space {
  readonly bytes: number;
  /** Undefined where the file system does not count them. */
  readonly inodes: number | undefined;
}

/** Undefined where the server does not tell. */
export async function spaceAt(session: SftpSession, path: string): Promise<Space | undefined> {
  if (!session.has('statvfs@openssh.com')) return undefined;
  const told = await session
    .request<Readonly<Record<string, number>>>(path, (sftp, done) => {
      sftp.ext_openssh_statvfs(path, done);
    })
    .catch(() => undefined);
  const { f_frsize = 0, f_bavail = 0, f_files = 0, f_favail = 0 } = told ?? {};
  return told === undefined || f_frsize === 0
    ? undefined
    : { bytes: f_frsize * f_bavail, inodes: f_files === 0 ? undefined : f_favail };
}
