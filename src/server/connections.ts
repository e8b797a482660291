import type { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Download } from './download.js';

/** Why a connection was closed by us before its client was done with it. */
export type Closing = 'pipelined too far' | 'too many connections' | 'download too slow';

/** What bounds connections. */
export interface ConnectionLimits {
  /** Connections that may be open at once. */
  readonly maxConnections: number;
  /** Requests that may wait on one connection behind the one that is being answered. */
  readonly maxWaiting: number;
  /** Bytes a second that a download must reach on average over `slowMs`. */
  readonly minBytesPerSecond: number;
  /** Milliseconds. */
  readonly slowMs: number;
}

type Answering = (request: IncomingMessage, response: ServerResponse) => void;

interface Waiting {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** An open connection. */
interface Connection {
  /** The answer under way, if there is one. */
  download: Download | undefined;
  /** Requests that came behind it. */
  readonly waiting: Waiting[];
}

/**
 * Knows all open connections: answers the requests of each one after another, so that a client holds one file at most; closes
 * the one that has been idle longest where a new one would be too many; and cuts downloads that hardly move. It can close
 * the idle ones at once, which Node's own `closeIdleConnections` does not do to one that has not sent anything yet.
 */
export class Connections {
  readonly #open = new Map<Socket, Connection>();
  /** Connections without an answer under way, the one that has been so longest first. */
  readonly #idle = new Set<Socket>();
  readonly #limits: ConnectionLimits;
  readonly #answer: Answering;
  readonly #onClosing: (reason: Closing) => void;
  readonly #look: NodeJS.Timeout;
  #isStopping = false;

  /**
   * @param answer begins the answer to one request; it is over when its response is closed.
   * @param onClosing told of each connection that is closed for its client's behaviour or for lack of room.
   */
  constructor(limits: ConnectionLimits, answer: Answering, onClosing: (reason: Closing) => void) {
    this.#limits = limits;
    this.#answer = answer;
    this.#onClosing = onClosing;
    this.#look = setInterval(() => {
      this.#cutSlow();
    }, limits.slowMs / 4);
    this.#look.unref();
  }

  add(socket: Socket): void {
    if (this.#open.size >= this.#limits.maxConnections) this.#makeRoom();
    this.#open.set(socket, { download: undefined, waiting: [] });
    this.#idle.add(socket);
    socket.once('close', () => {
      // Node closes no response that has not had its turn: those requests are dropped here, with nothing begun for them.
      this.#open.delete(socket);
      this.#idle.delete(socket);
    });
  }

  /** Answers a request once those before it on its connection are answered. */
  take(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const connection = this.#open.get(socket);
    if (connection === undefined) return;
    if (connection.download === undefined) {
      this.#begin(socket, connection, { request, response });
    } else if (connection.waiting.length < this.#limits.maxWaiting) {
      connection.waiting.push({ request, response });
    } else {
      // Whoever needs the rest asks again on another connection (RFC 9112 section 9.3.2).
      this.#close(socket, 'pipelined too far');
    }
  }

  /** Whether an answer is under way on a connection. */
  isAnswering(socket: Duplex): boolean {
    return socket instanceof Socket && this.#open.get(socket)?.download !== undefined;
  }

  #begin(socket: Socket, connection: Connection, { request, response }: Waiting): void {
    this.#idle.delete(socket);
    connection.download = new Download(socket);
    // A body is never read, and what is left of it must not be taken for the next request.
    if (this.#isStopping || hasBody(request)) response.setHeader('Connection', 'close');
    response.once('close', () => {
      this.#next(socket, connection);
    });
    this.#answer(request, response);
  }

  #next(socket: Socket, connection: Connection): void {
    connection.download = undefined;
    if (!this.#open.has(socket) || socket.destroyed) return;
    const next = connection.waiting.shift();
    if (next !== undefined) {
      this.#begin(socket, connection, next);
      return;
    }
    this.#idle.add(socket);
    if (this.#isStopping) socket.destroySoon();
  }

  /** The longest idle one goes: a client that reuses connections opens another. Where none is idle, the slowest download goes. */
  #makeRoom(): void {
    const [longestIdle] = this.#idle;
    const victim = longestIdle ?? this.#slowest();
    if (victim !== undefined) this.#close(victim, 'too many connections');
  }

  #slowest(): Socket | undefined {
    let slowest: { readonly socket: Socket; readonly rate: number } | undefined;
    for (const [socket, { download }] of this.#open) {
      const rate = download?.averageRate() ?? 0;
      if (slowest === undefined || rate < slowest.rate) slowest = { socket, rate };
    }
    return slowest?.socket;
  }

  #cutSlow(): void {
    const { minBytesPerSecond, slowMs } = this.#limits;
    for (const [socket, { download }] of this.#open)
      if (download?.isSlow(minBytesPerSecond, slowMs) === true) this.#close(socket, 'download too slow');
  }

  #close(socket: Socket, reason: Closing): void {
    this.#open.delete(socket);
    this.#idle.delete(socket);
    socket.destroy();
    this.#onClosing(reason);
  }

  /** Closes what is idle now, and from now on every connection after its answer. */
  drain(): void {
    this.#isStopping = true;
    for (const socket of this.#idle) socket.destroy();
  }

  /** Closes everything, answers under way included. */
  cut(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  /** Ends the looks at slow downloads; when all connections are closed. */
  end(): void {
    clearInterval(this.#look);
  }
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
