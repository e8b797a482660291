import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Knows which connections have an answer under way, so that draining can close all others at once. Node's own
 * `closeIdleConnections` leaves out one that has not sent anything yet, and that one would hold up the exit.
 */
export class Connections {
  /** Each open connection, with the number of answers under way on it (pipelined requests make it more than one). */
  readonly #open = new Map<Socket, number>();
  #isStopping = false;

  add(socket: Socket): void {
    this.#open.set(socket, 0);
    socket.once('close', () => this.#open.delete(socket));
  }

  /** Counts an answer until it is out, and decides whether the connection may be used again after it. */
  begin(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    this.#count(socket, 1);
    // A body is never read, and what is left of it must not be taken for the next request.
    if (this.#isStopping || hasBody(request)) response.setHeader('Connection', 'close');
    response.once('close', () => {
      this.#count(socket, -1);
      if (this.#isStopping && this.#open.get(socket) === 0) socket.destroySoon();
    });
  }

  #count(socket: Socket, change: 1 | -1): void {
    const answers = this.#open.get(socket);
    if (answers !== undefined) this.#open.set(socket, answers + change);
  }

  /** Closes what is idle now, and from now on every connection after its answer. */
  drain(): void {
    this.#isStopping = true;
    for (const [socket, answers] of this.#open) if (answers === 0) socket.destroy();
  }

  /** Closes everything, answers under way included. */
  cut(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
