import type { Socket } from 'node:net';

/** How an answer under way moves. Times are those of `performance.now()`, in milliseconds. */
export class Download {
  readonly #socket: Socket;
  readonly #began = performance.now();
  readonly #before: number;
  /** What had gone out at the last look that saw enough movement. */
  #seen: { readonly at: number; readonly bytes: number };

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#before = sentOn(socket);
    this.#seen = { at: this.#began, bytes: this.#before };
  }

  /** Bytes a second since the answer began. One that has just begun counts as quick: nothing is known of it yet. */
  averageRate(): number {
    const seconds = (performance.now() - this.#began) / 1000;
    return seconds < 1 ? Infinity : (sentOn(this.#socket) - this.#before) / seconds;
  }

  /** Whether fewer than `minBytesPerSecond` went out on average over at least `windowMs`. Ask several times in a window. */
  isSlow(minBytesPerSecond: number, windowMs: number): boolean {
    const now = { at: performance.now(), bytes: sentOn(this.#socket) };
    const elapsed = now.at - this.#seen.at;
    if ((now.bytes - this.#seen.bytes) * 1000 >= minBytesPerSecond * windowMs) {
      this.#seen = now;
      return false;
    }
    return elapsed >= windowMs;
  }
}

/** Bytes that the kernel took from us. What waits in our own memory does not count as movement. */
const sentOn = (socket: Socket): number => socket.bytesWritten - socket.writableLength;
