import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { DigestMeter, type Digest } from '../stream/digest.js';
import { ioError } from '../files/file-errors.js';
import type { HttpAddress } from './address.js';
import { checkStatus, isContinuation, newTransfer, type Resumption, type Transfer } from './response.js';
import { receiveBody, type HttpReply, type Receiver } from './receive-body.js';
import { HttpPeer, type PeerOptions } from './requests.js';
import { retrying } from './retries.js';
import type { Progress } from '../stream/progress.js';
import { BodyStream } from './body-stream.js';
import { usualPatience, Watch, type Patience } from './deadlines.js';

export { anonymousAccess, type HttpAccess } from './agents.js';
export type { HttpReply } from './receive-body.js';
export type { Patience } from './deadlines.js';

export interface HttpRequest {
  readonly url: URL;
  /** Most bytes of the body. */
  readonly limit: number;
  /** Value of the Accept header. */
  readonly accept?: string;
  /** Status codes that say that there is nothing. @default 404, 410 */
  readonly absent?: readonly number[];
  /** Value of the Authorization header, in place of that of the client's address; it goes where that would go. */
  readonly authorization?: string | undefined;
  /** Whether the caller compares the digest of the whole, and so needs no proof that a body is still the same. @default false */
  readonly pinned?: boolean;
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
  /** Told how much has come; less than before where the body begins anew. */
  readonly progress?: Progress | undefined;
}

export interface StreamRequest extends HttpRequest {
  /** Where to go on; the server begins anew when it has another body by now. */
  readonly resume?: Resumption;
}

export interface HttpStream extends HttpReply {
  readonly bytes: Readable;
}

export interface HttpOptions extends PeerOptions {
  readonly patience?: Partial<Patience> | undefined;
}

/**
 * The HTTP client. It asks only below the one URL it was made for, follows redirects as {@link PeerOptions} say, and believes
 * nothing that it cannot count: a declared length is only ever a reason to refuse. What a moment later may succeed is tried
 * again: dropped connections, slow peers, and the 5xx that the gateway too tries again. A body that broke off is continued
 * where the server names it by a strong entity tag, and else fetched anew.
 *
 * Every error is `E_NETWORK` or `E_LIMIT` and names the URL without credentials, or is the reason of the caller's abort.
 */
export class HttpClient {
  readonly #peer: HttpPeer;
  readonly #patience: Patience;

  /** @param address nothing outside its origin and path, which must end in `/`, is asked for on the caller's word. */
  constructor(address: HttpAddress, { patience, ...options }: HttpOptions = {}) {
    this.#peer = new HttpPeer(address, options);
    this.#patience = { ...usualPatience, ...patience };
  }

  /** A whole small body; undefined where there is none. */
  async document(request: HttpRequest): Promise<HttpDocument | undefined> {
    let chunks: Buffer[] = [];
    const reply = await this.#receive(request, {
      begin: async ({ start }) => {
        if (start === 0) chunks = [];
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
  async download({ file, admit, progress, ...request }: FileRequest): Promise<Digest | undefined> {
    const { handle, path } = file;
    let meter = new DigestMeter();
    const onDisk = async (work: Promise<void>): Promise<void> =>
      work.catch((error: unknown) => {
        throw ioError(error, path);
      });
    const reply = await this.#receive(request, {
      begin: async (begun) => {
        if (begun.start > 0) return;
        admit?.(begun);
        await onDisk(handle.truncate(0));
        meter = new DigestMeter();
      },
      take: async (chunk) => {
        await onDisk(writeAt(handle, chunk, meter.size));
        meter.update(chunk);
        progress?.(meter.size, undefined);
      },
    });
    return reply && meter.digest();
  }

  /**
   * A body as a stream, of any size up to the limit; undefined where there is none. Broken connections are taken up again
   * behind its back, as long as the rest is proved to be that of the same body; else it ends in an error.
   *
   * @throws (also as stream error) PlugferryError also `E_SOURCE_CHANGED`.
   */
  async stream({ resume, ...request }: StreamRequest): Promise<HttpStream | undefined> {
    const { pinned = false } = request;
    const stream = new BodyStream(request, pinned);
    const transfer = newTransfer(resume, pinned);
    const { signal } = stream;
    const end = this.#receive({ ...request, signal }, stream.receiver, transfer).then(
      (reply) => {
        stream.end();
        return reply;
      },
      (error: unknown) => {
        stream.fail(error);
        throw error;
      },
    );
    const reply = await Promise.race([stream.begun, end]);
    // From here on the stream itself says what goes wrong.
    end.catch(() => undefined);
    return reply && { ...reply, bytes: stream.bytes };
  }

  async #receive(
    request: HttpRequest,
    receiver: Receiver,
    transfer = newTransfer(undefined, request.pinned),
  ): Promise<HttpReply | undefined> {
    const { retryMs, paceBytes } = this.#patience;
    let furthest = transfer.received;
    return retrying(() => this.#attempt(request, receiver, transfer), {
      retryMs,
      askedMs: () => transfer.waitMs,
      isProgress: () => {
        if (transfer.received < furthest + paceBytes) return false;
        furthest = transfer.received;
        return true;
      },
      signal: request.signal,
    });
  }

  async #attempt(
    request: HttpRequest,
    receiver: Receiver,
    transfer: Transfer,
  ): Promise<HttpReply | undefined> {
    transfer.waitMs = 0;
    const watch = new Watch(request.signal, this.#patience);
    try {
      const headers = headersOf(request, transfer);
      const question = { url: request.url, headers, authorization: request.authorization };
      const { answer, url } = await this.#peer.answer(question, watch);
      if ((request.absent ?? [404, 410]).includes(answer.status)) return undefined;
      checkStatus(answer, url, transfer);
      return await receiveBody({ answer, url, limit: request.limit, transfer, watch }, receiver);
    } finally {
      watch.end();
    }
  }
}

function headersOf({ accept }: HttpRequest, transfer: Transfer): Record<string, string> {
  const { received, etag } = transfer;
  return {
    ...(accept === undefined ? {} : { accept }),
    ...(isContinuation(transfer) ? { range: `bytes=${received}-` } : {}),
    ...(isContinuation(transfer) && etag !== undefined ? { 'if-range': etag } : {}),
  };
}

async function writeAt(handle: FileHandle, chunk: Buffer, position: number): Promise<void> {
  for (let done = 0; done < chunk.length;) {
    const { bytesWritten } = await handle.write(chunk, done, chunk.length - done, position + done);
    done += bytesWritten;
  }
}
