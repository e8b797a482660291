import { posix } from 'node:path';
import { PlugferryError } from '../../errors.js';
import { maxSmallFile, type FileSystem } from '../../files/file-system.js';
import { SftpDial } from './dial.js';
import { makeDirectories, removeAll } from './directories.js';
import { explained, linking, making, orIfMissing } from './explain.js';
import { isFailure, SftpFailure } from './errors.js';
import { entriesOf } from './listing.js';
import { sftpLocation, type SftpLocation } from './location.js';
import { bytesFrom, reading, readThrough, sha256Of } from './regular.js';
import * as requests from './requests.js';
import type { SftpSession } from './session.js';
import { readRange } from './transfer.js';
import { appendLine, scribble, syncDirectory, writeNew } from './writing.js';
import type { SshSettings } from '../ssh/settings.js';

/** A directory of a server, and the file system that it is part of. */
export interface SftpDirectory {
  readonly files: FileSystem;
  /** Absolute. */
  readonly root: string;
  /** For messages: without user. */
  readonly name: string;
  close(): Promise<void>;
}

/**
 * Connects to a server whose files are to be changed in place. A connection that breaks fails what is under way, and nothing
 * is sent twice behind the caller's back; what is asked for after that goes over a new one.
 *
 * @throws PlugferryError `E_USAGE`, `E_FILESYSTEM` for a server that cannot rename as rename(2) does, and as
 * {@link SftpSession.open}.
 */
export async function openSftpDirectory(
  location: string,
  settings: SshSettings,
  signal?: AbortSignal,
): Promise<SftpDirectory> {
  const where = sftpLocation(location);
  const dial = new SftpDial(where, settings);
  const close = (): Promise<void> => dial.close();
  try {
    const session = await dial.session(signal);
    if (!session.has('posix-rename@openssh.com')) throw cannotSwitch(where);
    const home = where.path.startsWith('/') ? '/' : await requests.resolvedPath(session, '.');
    return {
      files: sftpFileSystem(() => dial.session()),
      root: posix.join(home, where.path),
      name: where.name,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Gives a connection that works, as far as is known. */
type Connected = () => Promise<SftpSession>;
type Looking = 'entries' | 'readdir' | 'lstat' | 'realpath' | 'readlink' | 'freeSpace' | 'isReadOnly';
type Reading = 'readFile' | 'readEnd' | 'readThrough' | 'sha256';

const sftpFileSystem = (connected: Connected): FileSystem => ({
  ...looking(connected),
  ...bytes(connected),
  ...changing(connected),
});

function looking(connected: Connected): Pick<FileSystem, Looking> {
  const entries = async (path: string) => entriesOf(await connected(), path);
  return {
    entries,
    readdir: async (path) => (await entries(path)).map(({ name }) => name),
    async lstat(path) {
      const found = await requests.attributesAt(await connected(), path);
      return Object.assign(found, { mtimeMs: found.mtime * 1000 });
    },
    async realpath(path) {
      const session = await connected();
      // Some servers resolve what is not there.
      await requests.attributesBehind(session, path);
      return requests.resolvedPath(session, path);
    },
    readlink: async (path) => requests.targetOf(await connected(), path),
    freeSpace: async (path) => requests.spaceAt(await connected(), path),
    isReadOnly: async (path) => (await requests.spaceAt(await connected(), path))?.readOnly === true,
  };
}

function bytes(connected: Connected): Pick<FileSystem, Reading> {
  return {
    async readFile(path, limit = maxSmallFile) {
      const session = await connected();
      return reading(session, path, async (file) => {
        if (file.size > limit) throw new SftpFailure('EFBIG', path, `larger than ${limit} bytes`);
        return bytesFrom(session, file, 0);
      });
    },
    async readEnd(path, length) {
      const session = await connected();
      return reading(session, path, (file) => bytesFrom(session, file, Math.max(0, file.size - length)));
    },
    async readThrough(path, sink, options = {}) {
      const session = await connected();
      await reading(session, path, (file) => readThrough(session, file, { ...options, sink }));
    },
    sha256: async (path, options = {}) => sha256Of(await connected(), path, options),
  };
}

function changing(connected: Connected): Omit<FileSystem, Looking | Reading> {
  return {
    async mkdir(path, { mode = 0o777, recursive = false } = {}) {
      const session = await connected();
      if (recursive) return makeDirectories(session, path, mode);
      await making(session, path, requests.makeDirectory(session, path, mode));
      return path;
    },
    chmod: async (path, mode) => requests.setMode(await connected(), path, mode),
    rename: async (from, to) => rename(await connected(), from, to),
    async link(from, to) {
      const session = await connected();
      if (!session.has('hardlink@openssh.com'))
        throw new SftpFailure('ENOTSUP', to, 'the server makes no hard links');
      await linking(session, to, requests.linkFile(session, from, to));
    },
    async symlink(target, path) {
      const session = await connected();
      await linking(session, path, requests.makeLink(session, target, path));
    },
    unlink: async (path) => requests.removeFile(await connected(), path),
    removeAll: async (path) => removeAll(await connected(), path),
    writeNew: async (path, content) => writeNew(await connected(), path, content),
    async copy(from, to) {
      const session = await connected();
      await reading(session, from, (file) =>
        writeNew(session, to, readRange(session, { ...file, start: 0, end: file.size })),
      );
    },
    scribble: async (path, text) => scribble(await connected(), path, text),
    appendLine: async (path, line) => appendLine(await connected(), path, line),
    syncDirectory: async (path) => syncDirectory(await connected(), path),
  };
}

async function rename(session: SftpSession, from: string, to: string): Promise<void> {
  try {
    await requests.replaceFile(session, from, to);
  } catch (error) {
    if (!isFailure(error, 'EFAILURE')) throw error;
    const there = await orIfMissing(requests.attributesAt(session, to));
    if (there?.isDirectory() === true) throw new SftpFailure('ENOTEMPTY', to, 'the directory is not empty');
    throw await explained(session, error, to);
  }
}

const cannotSwitch = ({ name }: SftpLocation): PlugferryError =>
  new PlugferryError(
    'E_FILESYSTEM',
    `${name}: this server cannot hold a volume: it cannot replace a link in one step`,
    {
      hint:
        'It needs the extension posix-rename@openssh.com, which OpenSSH has. Push the bundle to the server and import it ' +
        'there, or import into a directory that OpenSSH serves.',
      details: { file: name, expected: 'posix-rename@openssh.com' },
    },
  );
