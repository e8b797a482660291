import type { Readable } from 'node:stream';
import { PlugferryError } from '../errors.js';
import { Channel } from '../stream/push-stream.js';
import { displayUrl } from './address.js';
import type { HttpReply, Receiver } from './receive-body.js';

/** A body on its way from a client to whoever reads it. What was handed on cannot be taken back. */
export class BodyStream {
  readonly bytes: Readable;
  readonly receiver: Receiver;
  /** Resolves with the first answer that has a body. */
  readonly begun: Promise<HttpReply>;
  readonly #channel = new Channel();
  readonly #stop = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #pinned: boolean;
  #first: HttpReply | undefined;
  /** Bytes handed on. */
  #handed = 0;
  /** Bytes that come a second time. */
  #known = 0;

  constructor({ signal }: { readonly signal?: AbortSignal | undefined }, pinned: boolean) {
    this.bytes = this.#channel;
    this.#caller = signal;
    this.#pinned = pinned;
    // There may be no reader yet; whoever comes hears of it all the same.
    this.#channel.on('error', () => undefined);
    // A reader that turns away ends the exchange.
    this.#channel.once('close', () => {
      this.#stop.abort(unread());
    });
    let begin: (reply: HttpReply) => void;
    this.begun = new Promise((resolve) => {
      begin = resolve;
    });
    this.receiver = {
      begin: async (reply) => {
        if (this.#first === undefined) {
          this.#first = reply;
          begin(reply);
        } else this.#goOn(this.#first, reply);
      },
      take: (chunk) => this.#take(chunk),
    };
  }

  /** For the exchange: the caller's, or that nobody reads any more. */
  get signal(): AbortSignal {
    return this.#caller === undefined
      ? this.#stop.signal
      : AbortSignal.any([this.#caller, this.#stop.signal]);
  }

  end(): void {
    this.#channel.end();
  }

  fail(error: unknown): void {
    this.#channel.destroy(error instanceof Error ? error : new Error(String(error)));
  }

  #goOn(first: HttpReply, reply: HttpReply): void {
    const isSame = first.etag === undefined ? this.#pinned : first.etag === reply.etag;
    if (!isSame) throw replaced(reply, first);
    this.#known = first.start + this.#handed - reply.start;
  }

  async #take(chunk: Buffer): Promise<void> {
    const fresh = chunk.subarray(Math.min(this.#known, chunk.length));
    this.#known -= chunk.length - fresh.length;
    this.#handed += fresh.length;
    if (fresh.length > 0) await this.#channel.put(fresh);
  }
}

const unread = (): PlugferryError => new PlugferryError('E_NETWORK', 'nobody reads the answer any more');

function replaced({ url }: HttpReply, { etag }: HttpReply): PlugferryError {
  const file = displayUrl(url);
  const found = etag === undefined ? 'a server that gives it no strong ETag' : 'another file by now';
  return new PlugferryError(
    'E_SOURCE_CHANGED',
    `${file}: the connection broke, and the rest is of ${found}`,
    {
      hint: 'Run the same command again, or give --sha256 with the digest of the file.',
      details: { file, expected: etag ?? 'an ETag', found },
    },
  );
}
