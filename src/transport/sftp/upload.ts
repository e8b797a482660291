import type { FileHandle } from 'node:fs/promises';
import { posix } from 'node:path';
import { PlugferryError } from '../../errors.js';
import { sha256OfSpan } from '../../files/digest-of-file.js';
import { openRegular } from '../../files/open-regular.js';
import { formatBytes } from '../../stream/text.js';
import type { Retry, SftpDial } from './dial.js';
import { orIfMissing } from './explain.js';
import { fileError, isFailure } from './errors.js';
import type { SftpLocation } from './location.js';
import { proves } from './proof.js';
import {
  type Attributes,
  attributesAt,
  closeFile,
  openFile,
  removeFile,
  renameFile,
  replaceFile,
  spaceAt,
  syncFile,
} from './requests.js';
import type { SftpSession } from './session.js';
import { stretches, writeRange } from './transfer.js';
import type { LocalFile, Sent, WriteRequest } from '../transport.js';

/**
 * Sends one file. It grows under `<name>.<beginning of its SHA-256>.part`, so that two different files never grow into one
 * another, and gets its name when the server holds exactly its bytes. What a broken connection or an earlier run left is
 * continued as far as it is the beginning of this file.
 */
export class Upload {
  readonly #location: SftpLocation;
  readonly #dial: SftpDial;
  readonly #file: LocalFile;
  readonly #part: string;
  /** Bytes from the beginning that the server has, as it acknowledged or we compared. */
  #arrived = 0;
  #resumedAt: number | undefined;

  constructor(location: SftpLocation, dial: SftpDial, file: LocalFile) {
    this.#location = location;
    this.#dial = dial;
    this.#file = file;
    this.#part = `${location.path}.${file.digest.sha256.slice(0, 16)}.part`;
  }

  async run(request: WriteRequest): Promise<Sent> {
    const { signal } = request;
    const local = await openRegular(this.#file.path, 'bundle');
    const retry = this.#dial.retry(signal);
    try {
      for (;;) {
        try {
          return await this.#attempt(local, retry, request);
        } catch (error) {
          await retry.after(fileError(error, this.#location.name), this.#arrived);
        }
      }
    } finally {
      await local.close();
    }
  }

  async #attempt(local: FileHandle, retry: Retry, request: WriteRequest): Promise<Sent> {
    const { signal, force = false } = request;
    const session = await this.#dial.session(signal);
    const stop = (): void => {
      session.abort();
    };
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const { size } = this.#file.digest;
      const resumed = (): number => this.#resumedAt ?? 0;
      if (retry.breaks === 0) await this.#refuseTaken(session, force);
      // The connection broke, and it may have been only the last answer that got lost.
      else if (this.#arrived === size && (await this.#isThere(session)))
        return { size, resumedAt: resumed(), proof: 'digest' };
      const proof = await this.#send(session, local, { request, breaks: retry.breaks });
      await this.#publish(session, force);
      return { size, resumedAt: resumed(), proof };
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  async #refuseTaken(session: SftpSession, force: boolean): Promise<void> {
    const there = await orIfMissing(attributesAt(session, this.#location.path));
    if (there === undefined) return;
    if (there.isDirectory()) {
      throw new PlugferryError(
        'E_EXISTS',
        `${this.#location.name} is a directory, expected the name of a file to write`,
        {
          hint: 'Name a file inside it.',
          details: { file: this.#location.name, found: 'directory' },
        },
      );
    }
    if (!force) throw this.#taken();
  }

  #taken(): PlugferryError {
    return new PlugferryError('E_EXISTS', `${this.#location.name} exists already`, {
      hint: 'Choose another name, or give --force to replace it.',
      details: { file: this.#location.name },
    });
  }

  async #send(
    session: SftpSession,
    local: FileHandle,
    { request, breaks }: { readonly request: WriteRequest; readonly breaks: number },
  ): Promise<Sent['proof']> {
    const { size } = this.#file.digest;
    const path = this.#part;
    const there = await orIfMissing(attributesAt(session, path));
    const start = await this.#beginning(session, local, there);
    this.#resumedAt ??= start;
    this.#arrived = start;
    await this.#ensureSpace(session, size - start);
    const handle = await openFile(session, path, {
      flags: start > 0 ? 'r+' : there === undefined ? 'wx' : 'w',
    });
    try {
      const arrived = (upTo: number): void => {
        this.#arrived = Math.max(this.#arrived, upTo);
        request.progress?.(this.#arrived, size);
      };
      for (const stretch of stretches(start, size, breaks))
        await writeRange(session, { path, handle, local, ...stretch, arrived });
      // The server hashes what it still holds in memory while that goes to its disk.
      const [proof] = await Promise.all([this.#prove(session), syncFile(session, path, handle)]);
      return proof;
    } catch (error) {
      throw await this.#explained(session, error, size - this.#arrived);
    } finally {
      await closeFile(session, path, handle).catch(() => undefined);
    }
  }

  /** How many bytes of the part are the beginning of our file; 0 to begin anew. */
  async #beginning(session: SftpSession, local: FileHandle, there: Attributes | undefined): Promise<number> {
    if (there === undefined) return 0;
    if (!there.isFile()) {
      throw new PlugferryError('E_EXISTS', `${this.#part} on the server is not a regular file`, {
        hint: 'Remove it, then run the same command again.',
        details: { file: this.#part },
      });
    }
    const end = there.size;
    // More than the whole: all of it is written anew.
    if (!Number.isSafeInteger(end) || end > this.#file.digest.size) return 0;
    // What this run sent and the server acknowledged is compared once, at the end, with all the rest.
    const start = Math.min(this.#arrived, end);
    if (start === end) return end;
    const sha256 = await sha256OfSpan(local, { start, end });
    return (await proves(session, { path: this.#part, start, end, sha256 })) === 'yes' ? end : start;
  }

  async #ensureSpace(session: SftpSession, need: number): Promise<void> {
    const space = await spaceAt(session, posix.dirname(this.#part));
    if (space !== undefined && need > space.bytes) throw this.#full(need, space.bytes);
  }

  #full(need: number, free: number | undefined): PlugferryError {
    const amount = `${formatBytes(need)} (${need} bytes)`;
    const has = free === undefined ? '' : `, has ${formatBytes(free)} (${free} bytes) free`;
    return new PlugferryError(
      'E_NO_SPACE',
      `${this.#location.name}: the server has no space left: needs ${amount}${has}`,
      {
        hint: 'Free space there, then run the same command again: what arrived is not sent twice.',
        details: {
          file: this.#location.name,
          expected: need,
          ...(free === undefined ? {} : { found: free }),
        },
      },
    );
  }

  /** The protocol has no words for a full disk: OpenSSH says "Failure" to a write, and statvfs says the rest. */
  async #explained(session: SftpSession, error: unknown, rest: number): Promise<unknown> {
    if (!isFailure(error, 'EFAILURE')) return error;
    const space = await spaceAt(session, posix.dirname(this.#part)).catch(() => undefined);
    return space !== undefined && (space.bytes < rest || space.inodes === 0)
      ? this.#full(rest, space.bytes)
      : error;
  }

  async #prove(session: SftpSession): Promise<Sent['proof']> {
    const { size, sha256 } = this.#file.digest;
    const path = this.#part;
    const there = await attributesAt(session, path);
    const found = there.size === size ? await proves(session, { path, end: size, sha256 }) : 'no';
    if (found === 'unreadable') return 'size';
    if (found === 'yes') return 'digest';
    // Whatever stands there is not to be continued.
    await removeFile(session, path).catch(() => undefined);
    throw new PlugferryError(
      'E_DIGEST',
      `${this.#location.name}: the server holds other bytes than were sent; they are removed`,
      {
        hint: 'The file changed while it was sent, or the disk of the server is not reliable. Run the same command again.',
        details: { file: this.#location.name, expected: sha256 },
      },
    );
  }

  /** Gives the file its name, in one step where the server can. */
  async #publish(session: SftpSession, force: boolean): Promise<void> {
    const { path } = this.#location;
    try {
      if (!force) await renameFile(session, this.#part, path);
      else if (session.has('posix-rename@openssh.com')) await replaceFile(session, this.#part, path);
      else {
        await removeFile(session, path).catch(() => undefined);
        await renameFile(session, this.#part, path);
      }
    } catch (error) {
      // Another run that sent the same bytes was faster, or the answer got lost with a connection.
      if (isFailure(error) && (await this.#isThere(session))) return;
      if (
        isFailure(error, 'EFAILURE') &&
        !force &&
        (await orIfMissing(attributesAt(session, path))) !== undefined
      )
        throw this.#taken();
      throw error;
    }
  }

  async #isThere(session: SftpSession): Promise<boolean> {
    const { path } = this.#location;
    const { size, sha256 } = this.#file.digest;
    if ((await orIfMissing(attributesAt(session, this.#part))) !== undefined) return false;
    const there = await orIfMissing(attributesAt(session, path));
    if (there?.isFile() !== true || there.size !== size) return false;
    return (await proves(session, { path, end: size, sha256 })) === 'yes';
  }
}
