import { PlugferryError } from '../errors.js';
import type { Digest } from '../stream/digest.js';
import { displayUrl, parseHttpAddress } from '../http/address.js';
import {
  HttpClient,
  type FileRequest,
  type HttpDocument,
  type HttpReply,
  type HttpOptions,
} from '../http/client.js';
import type { OpenFile } from '../files/temp-directory.js';
import { maxModuleBytes } from '../plugin/plugin.js';

export interface SmallFile {
  /** Most bytes. */
  readonly limit: number;
  readonly accept?: string;
  /** Status codes that say that there is nothing. */
  readonly absent?: readonly number[];
  readonly signal: AbortSignal | undefined;
}

/** The plugins directory of a web server. Paths are relative to it and made of names that were checked. */
export class ServerTree {
  /** URL of the directory, without credentials. */
  readonly name: string;
  /** With its port. */
  readonly host: string;
  readonly #base: URL;
  readonly #client: HttpClient;

  /**
   * @param location URL of the plugins directory, or of the directory that holds it.
   * @throws PlugferryError `E_USAGE`.
   */
  constructor(location: string, { access, patience }: HttpOptions = {}) {
    const { url, authorization } = parseHttpAddress(location);
    const path = url.pathname.endsWith('/') ? url.pathname : `${url.pathname}/`;
    url.pathname = path.endsWith('/plugins/') ? path : `${path}plugins/`;
    this.#base = url;
    this.name = displayUrl(url);
    this.host = url.host;
    this.#client = new HttpClient({ url, authorization }, { access, patience });
  }

  /** The URL of a path, without credentials: what errors and provenance call it. */
  display(path: string): string {
    return displayUrl(new URL(path, this.#base));
  }

  /** A small file; undefined where there is none. */
  async small(path: string, { limit, accept, absent, signal }: SmallFile): Promise<HttpDocument | undefined> {
    return this.#client.document({
      url: new URL(path, this.#base),
      limit,
      signal,
      ...(accept === undefined ? {} : { accept }),
      ...(absent === undefined ? {} : { absent }),
    });
  }

  /** A module into a file; undefined where there is none. */
  async module(
    path: string,
    file: OpenFile,
    { signal, progress }: Pick<FileRequest, 'signal' | 'progress'>,
  ): Promise<Digest | undefined> {
    return this.#client.download({
      url: new URL(path, this.#base),
      limit: maxModuleBytes,
      signal,
      progress,
      file,
      admit: refusePage,
    });
  }
}

/** Login pages and catch-all pages come with status 200. */
export function refusePage({ url, type }: HttpReply): void {
  if (type !== 'text/html' && type !== 'application/xhtml+xml') return;
  const file = displayUrl(url);
  throw new PlugferryError('E_SOURCE', `${file}: the server sends a page (${type}), expected a module`, {
    hint: 'Check the address, and whether the server wants a login.',
    details: { file, expected: 'application/wasm', found: type },
  });
}
