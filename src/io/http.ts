import type { FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { tool } from '../version.js';
import { DigestMeter, type Digest } from './digest.js';
import { ioError } from './failure.js';
import { agentFor, displayUrl, isForbiddenHost, type HttpAddress } from './http-address.js';
import {
  checkStatus,
  displayRedirect,
  isRedirect,
  locationOf,
  newTransfer,
  type Answer,
  type Transfer,
} from './http-answer.js';
import { receiveBody, type HttpReply, type Receiver } from './http-body.js';
import { brokenRequest, isTransient, networkError } from './http-failure.js';
import { usualPatience, Watch, type Patience } from './http-watch.js';

export type { HttpReply } from './http-body.js';
export type { Patience } from './http-watch.js';

export interface HttpRequest {
  readonly url: URL;
  /** Most bytes of the body. */
  readonly limit: number;
  /** Value of the Accept header. */
  readonly accept?: string;
  /** Status codes that say that there is nothing. @default 404, 410 */
  readonly absent?: readonly number[];
  readonly signal?: AbortSignal | undefined;
}

export interface HttpDocument extends HttpReply {
  readonly bytes: Buffer;
}

export interface FileRequest extends HttpRequest {
  /** Open for writing; what is in it goes. It is not closed. */
  readonly file: { readonly path: string; readonly handle: FileHandle };
  /** Looks at an answer before its body is fetched, and throws when it is not wanted. */
  readonly admit?: (reply: HttpReply) => void;
}

const maxRedirects = 5;

/**
 * The HTTP client. It only fetches, only below the one URL it was made for, and believes nothing that it cannot count: a
 * declared length is only ever a reason to refuse. Redirects that stay below that URL are followed. What a moment later may
 * succeed is tried again: dropped connections, slow peers, and the 5xx that the gateway too tries again. A body that broke
 * off is continued where the server names it by a strong entity tag, and else fetched anew.
 *
 * Every error is `E_NETWORK` or `E_LIMIT` and names the URL without credentials, or is the reason of the caller's abort.
 */
export class HttpClient {
  readonly #base: URL;
  readonly #authorization: string | undefined;
  readonly #patience: Patience;

  /** @param address nothing outside its origin and path, which must end in `/`, is ever asked for. */
  constructor({ url, authorization }: HttpAddress, patience: Partial<Patience> = {}) {
    this.#base = url;
    this.#authorization = authorization;
    this.#patience = { ...usualPatience, ...patience };
  }

  /** A whole small body; undefined where there is none. */
  async document(request: HttpRequest): Promise<HttpDocument | undefined> {
    let chunks: Buffer[] = [];
    const reply = await this.#receive(request, {
      begin: async () => {
        chunks = [];
      },
      take: async (chunk) => {
        chunks.push(chunk);
      },
    });
    return reply && { ...reply, bytes: Buffer.concat(chunks) };
  }

  /**
   * A body into a file; undefined where there is none.
   *
   * @throws PlugferryError also `E_NO_SPACE`, `E_IO`, and what `admit` throws.
   */
  async download({ file, admit, ...request }: FileRequest): Promise<Digest | undefined> {
    const { handle, path } = file;
    let meter = new DigestMeter();
    const onDisk = async (work: Promise<void>): Promise<void> =>
      work.catch((error: unknown) => {
        throw ioError(error, path);
      });
    const reply = await this.#receive(request, {
      begin: async (begun) => {
        admit?.(begun);
        await onDisk(handle.truncate(0));
        meter = new DigestMeter();
      },
      take: async (chunk) => {
        await onDisk(writeAt(handle, chunk, meter.size));
        meter.update(chunk);
      },
    });
    return reply && meter.digest();
  }

  async #receive(request: HttpRequest, receiver: Receiver): Promise<HttpReply | undefined> {
    const transfer = newTransfer();
    for (const pause of this.#patience.retryMs) {
      try {
        return await this.#attempt(request, receiver, transfer);
      } catch (error) {
        if (!isTransient(error)) throw error;
        await wait(Math.max(pause, transfer.waitMs), request.signal);
      }
    }
    return this.#attempt(request, receiver, transfer);
  }

  async #attempt(
    request: HttpRequest,
    receiver: Receiver,
    transfer: Transfer,
  ): Promise<HttpReply | undefined> {
    transfer.waitMs = 0;
    const watch = new Watch(request.signal, this.#patience);
    try {
      const { answer, url } = await this.#answer(request, transfer, watch);
      if ((request.absent ?? [404, 410]).includes(answer.status)) return undefined;
      checkStatus(answer, url, transfer);
      return await receiveBody({ answer, url, limit: request.limit, transfer, watch }, receiver);
    } finally {
      watch.end();
    }
  }

  /** The answer behind all redirects, and where it came from. */
  async #answer(
    request: HttpRequest,
    transfer: Transfer,
    watch: Watch,
  ): Promise<{ answer: Answer; url: URL }> {
    let { url } = request;
    const headers = this.#headers(request, transfer);
    for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
      this.#checkAddress(url, request.url);
      const answer = await this.#ask(url, headers, watch);
      if (!isRedirect(answer)) return { answer, url };
      url = locationOf(answer, url);
    }
    throw networkError({
      url: request.url,
      expected: 'an answer',
      found: `more than ${maxRedirects} redirects`,
      hint: 'The server sends its callers in a circle. Have its configuration checked.',
    });
  }

  #checkAddress(url: URL, asked: URL): void {
    const { origin, pathname } = this.#base;
    const isInside = url.origin === origin && url.username === '' && url.pathname.startsWith(pathname);
    if (!isInside || /%2f|%5c/i.test(url.pathname)) {
      throw networkError({
        url: asked,
        expected: `an answer from below ${displayUrl(this.#base)}`,
        found: `a redirect to ${displayRedirect(url)}`,
        hint: 'Nothing else is asked on the say-so of a server. If that is the right place, give its address yourself.',
      });
    }
    if (isForbiddenHost(url)) {
      throw networkError({
        url,
        expected: 'the address of a server',
        found: 'a link-local or metadata address',
        hint: 'Give the address of the server itself.',
      });
    }
  }

  #headers({ accept }: HttpRequest, { received, etag }: Transfer): Record<string, string> {
    return {
      'accept-encoding': 'identity',
      'user-agent': tool,
      ...(accept === undefined ? {} : { accept }),
      ...(this.#authorization === undefined ? {} : { authorization: this.#authorization }),
      ...(received > 0 && etag !== undefined ? { range: `bytes=${received}-`, 'if-range': etag } : {}),
    };
  }

  async #ask(url: URL, headers: Record<string, string>, watch: Watch): Promise<Answer> {
    const expected = 'an answer';
    const found = `none within ${this.#patience.answerMs / 1000} seconds`;
    watch.awaitAnswer(networkError({ url, expected, found, transient: true }));
    const { signal } = watch;
    try {
      // Loaded where it is needed: most commands never go to the network.
      const { default: fetch } = await import('node-fetch');
      const answer = await fetch(url, {
        headers,
        signal,
        redirect: 'manual',
        compress: false,
        agent: agentFor(url),
      });
      // An abort is reported to the body even when nobody reads it any more.
      answer.body?.on('error', () => undefined);
      return answer;
    } catch (error) {
      throw brokenRequest(watch.reasonOf(error), url, expected);
    }
  }
}

/** Sleep that ends with the caller's reason. */
async function wait(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

async function writeAt(handle: FileHandle, chunk: Buffer, position: number): Promise<void> {
  for (let done = 0; done < chunk.length;) {
    const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, position + done);
    done += bytesWritten;
  }
}
