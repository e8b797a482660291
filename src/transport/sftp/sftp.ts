import { Readable } from 'node:stream';
import { PlugferryError } from '../../errors.js';
import { SftpDial, type Retry } from './dial.js';
import { fileError } from './errors.js';
import { sftpLocation, type SftpLocation } from './location.js';
import { attributesOf, closeFile, openFile, type Handle } from './requests.js';
import type { SftpSession } from './session.js';
import { readRange, stretches } from './transfer.js';
import { Upload } from './upload.js';
import type { SshSettings } from '../ssh/settings.js';
import type { LocalFile, ReadRequest, RemoteBody, RemoteFile, Sent, WriteRequest } from '../transport.js';

/**
 * A file behind `sftp://`.
 *
 * @throws PlugferryError `E_USAGE` for an address that is none.
 */
export const sftpFile = (location: string, settings: SshSettings): RemoteFile =>
  new SftpFile(sftpLocation(location), settings);

/** A file that is open for reading, and what tells it from another one. */
interface Opened {
  readonly session: SftpSession;
  readonly handle: Handle;
  readonly size: number;
  /** Seconds. */
  readonly mtime: number;
}

interface Reading {
  readonly start: number;
  readonly retry: Retry;
  readonly signal: AbortSignal | undefined;
}

/** A file that has both the same is the same: as much as SFTP can tell. */
const versionOf = ({ size, mtime }: Pick<Opened, 'size' | 'mtime'>): string => `${size}-${mtime}`;

class SftpFile implements RemoteFile {
  readonly #location: SftpLocation;
  readonly #dial: SftpDial;

  constructor(location: SftpLocation, settings: SshSettings) {
    this.#location = location;
    this.#dial = new SftpDial(location, settings);
  }

  get name(): string {
    return this.#location.name;
  }

  async read(request: ReadRequest = {}): Promise<RemoteBody> {
    const { signal, version, pinned = false, limit = Number.MAX_SAFE_INTEGER } = request;
    const retry = this.#dial.retry(signal);
    const opened = await this.#open(retry, signal);
    const { size } = opened;
    const found = versionOf(opened);
    const goesOn = (version === found || (version === undefined && pinned)) && (request.start ?? 0) <= size;
    const start = goesOn ? (request.start ?? 0) : 0;
    if (size > limit) {
      await this.close();
      throw this.#tooLarge(size, limit);
    }
    const bytes = Readable.from(this.#bytes(opened, { start, retry, signal }), {
      objectMode: false,
      highWaterMark: 1024 * 1024,
    });
    return { bytes, start, size, version: found };
  }

  async write(file: LocalFile, request: WriteRequest = {}): Promise<Sent> {
    return new Upload(this.#location, this.#dial, file).run(request);
  }

  async close(): Promise<void> {
    await this.#dial.close();
  }

  async *#bytes(first: Opened, { start, retry, signal }: Reading): AsyncGenerator<Buffer> {
    const { path } = this.#location;
    let opened = first;
    let at = start;
    for (;;) {
      const { session, handle, size } = opened;
      const stop = (): void => {
        session.abort();
      };
      signal?.addEventListener('abort', stop, { once: true });
      try {
        signal?.throwIfAborted();
        for (const { window, ...part } of stretches(at, size, retry.breaks)) {
          for await (const piece of readRange(session, { path, handle, ...part }, window)) {
            at += piece.length;
            yield piece;
          }
        }
        await this.#confirm(opened);
        return;
      } catch (error) {
        await retry.after(this.#failure(error), at);
      } finally {
        signal?.removeEventListener('abort', stop);
        await closeFile(session, path, handle).catch(() => undefined);
      }
      opened = await this.#reopen(first, retry, signal);
    }
  }

  /** The same file, over a new connection. */
  async #reopen(first: Opened, retry: Retry, signal: AbortSignal | undefined): Promise<Opened> {
    const opened = await this.#open(retry, signal);
    if (versionOf(opened) === versionOf(first)) return opened;
    throw this.#changed();
  }

  async #open(retry: Retry, signal: AbortSignal | undefined): Promise<Opened> {
    for (;;) {
      try {
        const session = await this.#dial.session(signal);
        return await endingOn(signal, session, () => this.#openOn(session));
      } catch (error) {
        await retry.after(this.#failure(error), 0);
      }
    }
  }

  async #openOn(session: SftpSession): Promise<Opened> {
    const { path } = this.#location;
    const handle = await openFile(session, path, { flags: 'r' });
    const attributes = await attributesOf(session, path, handle);
    if (!attributes.isFile()) {
      const found = attributes.isDirectory() ? 'a directory' : 'not a regular file';
      throw new PlugferryError('E_NOT_FOUND', `${this.name} is ${found}, expected a file`, {
        hint: 'Give the path of the file itself.',
        details: { file: this.name, expected: 'regular file', found },
      });
    }
    const { size, mtime } = attributes;
    if (!Number.isSafeInteger(size)) throw this.#changed();
    return { session, handle, size, mtime };
  }

  /** A file that somebody still writes has more behind what was its end. */
  async #confirm(opened: Opened): Promise<void> {
    const now = await attributesOf(opened.session, this.#location.path, opened.handle);
    if (versionOf(now) !== versionOf(opened)) throw this.#changed();
  }

  #changed(): PlugferryError {
    return new PlugferryError('E_SOURCE_CHANGED', `${this.name}: the file changed while it was read`, {
      hint: 'Let whoever writes it finish, then run the same command again.',
      details: { file: this.name },
    });
  }

  #tooLarge(size: number, limit: number): PlugferryError {
    return new PlugferryError(
      'E_LIMIT',
      `${this.name} has ${size} bytes, more than the ${limit} that are allowed`,
      {
        hint: 'Check that this is the right file.',
        details: { file: this.name, expected: limit, found: size },
      },
    );
  }

  #failure(error: unknown): unknown {
    return fileError(error, this.name);
  }
}

/** Runs requests whose answers nobody waits for once `signal` is aborted. */
async function endingOn<T>(
  signal: AbortSignal | undefined,
  session: SftpSession,
  requests: () => Promise<T>,
): Promise<T> {
  const stop = (): void => {
    session.abort();
  };
  signal?.throwIfAborted();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    return await requests();
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}
