import { createHash } from 'node:crypto';
import { pipeline, Transform, type Readable } from 'node:stream';
import { PlugferryError } from '../errors.js';
import { openRegular } from '../files/open-regular.js';
import { HttpClient, type HttpStream } from '../http/client.js';
import { displayUrl, type HttpAddress, parseHttpAddress } from '../http/address.js';
import { HttpUploads } from '../http/uploads.js';
import type { Progress } from '../stream/progress.js';
import type {
  LocalFile,
  ReadRequest,
  RemoteAccess,
  RemoteBody,
  RemoteFile,
  Sent,
  WriteRequest,
} from './transport.js';

/**
 * A file behind `http://` or `https://`.
 *
 * @throws PlugferryError `E_USAGE` for an address that is none.
 */
export const httpFile = (location: string, access: RemoteAccess): RemoteFile =>
  new HttpFile(parseHttpAddress(location, { query: true }), access);

class HttpFile implements RemoteFile {
  readonly name: string;
  readonly #url: URL;
  readonly #client: HttpClient;
  readonly #uploads: HttpUploads;

  constructor(address: HttpAddress, { http, patience }: RemoteAccess) {
    this.name = displayUrl(address.url);
    this.#url = address.url;
    // Files are often on other hosts than those that know where they are.
    const options = { access: http, patience, redirects: 'anywhere' } as const;
    this.#client = new HttpClient(address, options);
    this.#uploads = new HttpUploads(address, options);
  }

  async read(request: ReadRequest = {}): Promise<RemoteBody> {
    const { signal, start = 0, version, pinned = false, limit = Number.MAX_SAFE_INTEGER } = request;
    const goesOn = start > 0 && (version !== undefined || pinned);
    const stream = await this.#client.stream({
      url: this.#url,
      limit,
      pinned,
      signal,
      ...(goesOn ? { resume: { start, etag: version } } : {}),
    });
    if (stream === undefined) throw this.#nothing();
    this.#refusePage(stream);
    return { bytes: stream.bytes, start: stream.start, size: stream.size, version: stream.etag };
  }

  async write(file: LocalFile, { signal, force = false, progress }: WriteRequest = {}): Promise<Sent> {
    const url = this.#url;
    const { size, sha256 } = file.digest;
    // Not every server knows conditions.
    if (!force && typeof (await this.#uploads.look(url, signal)) !== 'string') throw this.#taken();
    const open = (): Promise<Readable> => this.#bytes(file, progress);
    await this.#uploads.put({ url, size, sha256, open, force, signal });
    return { size, resumedAt: 0, proof: await this.#prove(file, signal) };
  }

  /** Each request has a connection of its own, which is closed with it. */
  async close(): Promise<void> {
    // Nothing is kept.
  }

  async #bytes({ path, digest }: LocalFile, progress: Progress | undefined): Promise<Readable> {
    const handle = await openRegular(path, 'bundle');
    const source = handle.createReadStream({ start: 0, highWaterMark: 1024 * 1024 });
    const hash = createHash('sha256');
    let done = 0;
    // The server gets the end only when all is known to be the file that was meant.
    let held: Buffer = Buffer.alloc(0);
    const counted = new Transform({
      transform(chunk: Buffer, _encoding, next) {
        hash.update(chunk);
        done += held.length;
        progress?.(done, digest.size);
        const ready = held;
        held = chunk;
        next(null, ready);
      },
      flush(next) {
        if (hash.digest('hex') === digest.sha256) next(null, held);
        else next(changed(path));
      },
    });
    pipeline(source, counted, () => undefined);
    return counted;
  }

  async #prove({ digest }: LocalFile, signal: AbortSignal | undefined): Promise<Sent['proof']> {
    const there = await this.#uploads.look(this.#url, signal);
    if (there === 'unknown') return 'none';
    const found = there === 'nothing' ? 'nothing' : (there.sha256 ?? there.size);
    if (found === undefined) return 'none';
    if (found === digest.sha256) return 'digest';
    if (found === digest.size) return 'size';
    throw new PlugferryError(
      'E_DIGEST',
      `${this.name}: the server says that it holds ${describe(found)} now`,
      {
        hint: 'Something between here and its disk changes files. Have that looked at, then run the same command with --force.',
        details: { file: this.name, expected: digest.sha256, found },
      },
    );
  }

  /** Login pages and catch-all pages come with status 200. */
  #refusePage({ bytes, type }: HttpStream): void {
    if (type !== 'text/html' && type !== 'application/xhtml+xml') return;
    bytes.destroy();
    throw new PlugferryError(
      'E_NOT_FOUND',
      `${this.name}: the server sends a page (${type}), expected a file`,
      {
        hint: 'Check the address, and whether the server wants a login.',
        details: { file: this.name, expected: 'a file', found: type },
      },
    );
  }

  #nothing(): PlugferryError {
    return new PlugferryError('E_NOT_FOUND', `${this.name}: the server has no such file`, {
      hint: 'Check the address.',
      details: { file: this.name },
    });
  }

  #taken(): PlugferryError {
    return new PlugferryError('E_EXISTS', `${this.name} exists already`, {
      hint: 'Choose another name, or give --force to replace it.',
      details: { file: this.name },
    });
  }
}

const describe = (found: string | number): string =>
  typeof found === 'number'
    ? `${found} bytes`
    : found === 'nothing'
      ? 'nothing'
      : `a file with sha256 ${found}`;

const changed = (file: string): PlugferryError =>
  new PlugferryError('E_SOURCE_CHANGED', `${file} changed while it was sent`, {
    hint: 'Let whoever writes it finish, then run the same command again.',
    details: { file },
  });
