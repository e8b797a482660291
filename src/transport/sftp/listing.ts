import type { FileEntry } from '../../files/file-system.js';
import { escapeText } from '../../stream/text.js';
import { SftpFailure } from './errors.js';
import { closeFile, type Attributes, type Handle } from './requests.js';
import type { SftpSession } from './session.js';

/** What a volume of ten thousand plugins needs, and far less than a server that never stops. */
const maxEntries = 100_000;
const endOfFile = 1;

interface Listed {
  readonly filename: string;
  readonly attrs: Attributes;
}

/**
 * What is in a directory, as the server says. A name that would lead out of the directory is no name.
 *
 * @throws SftpFailure `EBADMSG` for such a name, and for a list without end.
 */
export async function entriesOf(session: SftpSession, path: string): Promise<FileEntry[]> {
  const handle = await session.request<Handle>(path, (sftp, done) => {
    sftp.opendir(path, done);
  });
  try {
    const found: FileEntry[] = [];
    for (;;) {
      const more = await nextOf(session, path, handle);
      if (more === undefined) return found;
      for (const { filename: name, attrs } of more) {
        if (name === '.' || name === '..') continue;
        if (name === '' || /[/\0]/.test(name)) throw notAName(path, name);
        found.push({ name, isDirectory: () => attrs.isDirectory() });
      }
      if (found.length > maxEntries) throw endless(path);
    }
  } finally {
    await closeFile(session, path, handle).catch(() => undefined);
  }
}

function nextOf(session: SftpSession, path: string, handle: Handle): Promise<readonly Listed[] | undefined> {
  return session.request<readonly Listed[] | undefined>(path, (sftp, done) => {
    sftp.readdir(handle, (error, list) => {
      const isEnd = error !== undefined && 'code' in error && error.code === endOfFile;
      if (isEnd) done(undefined, undefined);
      else done(error, list);
    });
  });
}

const notAName = (path: string, name: string): SftpFailure =>
  new SftpFailure(
    'EBADMSG',
    path,
    `the server lists "${escapeText(name).slice(0, 100)}", which is no name of a file`,
  );

const endless = (path: string): SftpFailure =>
  new SftpFailure('EBADMSG', path, `the server lists more than ${maxEntries} entries`);
