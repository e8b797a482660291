import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';

/** One request and its answer, for the log. Text from the client is raw: escape it before it reaches a terminal. */
export interface RequestRecord {
  /** Empty, as is the path, for what could not be read as a request. */
  readonly method: string;
  /** The request target as it came, query included. */
  readonly path: string;
  readonly status: number;
  /** Bytes of body handed to the connection. */
  readonly bytes: number;
  /** From the request's head being read to the last byte handed over, or to the client's leaving. */
  readonly ms: number;
  /** Address of the peer; empty when it was gone already. */
  readonly remote: string;
  /** The client left, or was cut off, before the answer was complete. */
  readonly aborted: boolean;
  /** What went wrong on our side, for an answer of 5xx or a body cut short. */
  readonly problem?: string;
}

/** A request being answered, and what its log record will say. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  bytes = 0;
  problem: string | undefined;
  readonly #began = performance.now();
  readonly #remote: string;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request;
    this.response = response;
    // Known now; a closed socket no longer tells.
    this.#remote = request.socket.remoteAddress ?? '';
  }

  get wantsBody(): boolean {
    return this.request.method !== 'HEAD';
  }

  writeHead(status: number, headers: OutgoingHttpHeaders): void {
    this.response.writeHead(status, { 'X-Content-Type-Options': 'nosniff', ...headers });
  }

  /** Ends the answer with a body that is at hand. To HEAD the same headers go without it. */
  end(body: Uint8Array): void {
    if (!this.wantsBody) {
      this.response.end();
      return;
    }
    this.bytes += body.length;
    this.response.end(body);
  }

  /** A short answer in plain text. Caches must not keep it: the plugin that is missing now may be imported next. */
  endWithText(status: number, text: string, headers: OutgoingHttpHeaders = {}): void {
    const body = Buffer.from(text.endsWith('\n') ? text : `${text}\n`);
    this.writeHead(status, {
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Length': body.length,
      'Cache-Control': 'no-store',
      ...headers,
    });
    this.end(body);
  }

  record(): RequestRecord {
    const { request, response } = this;
    return {
      method: request.method ?? '',
      path: request.url ?? '',
      status: response.statusCode,
      bytes: this.bytes,
      ms: Math.round((performance.now() - this.#began) * 10) / 10,
      remote: this.#remote,
      aborted: !response.writableFinished,
      ...(this.problem !== undefined && { problem: this.problem }),
    };
  }
}
