import type { FileHandle } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { sha256OfSpan } from './digest-of-file.js';

/** What the thread is told: the file has grown so far, and whether that is all of it. */
interface Growth {
  readonly end: number;
  readonly last: boolean;
}

interface Thread {
  readonly worker: Worker;
  readonly digest: Promise<string>;
}

const pieceSize = 256 * 1024;

/** Bytes of a file from which on a thread saves more time than its start takes. */
const worthAThread = 16 * 1024 * 1024;

/** Bytes more for which the thread is told again. */
const worthAWord = 1024 * 1024;

/** A thread has no file of its own, so that there is none to be found. */
const program = `
const { createHash } = require('node:crypto');
const { readSync } = require('node:fs');
const { parentPort, workerData } = require('node:worker_threads');
const hash = createHash('sha256');
const piece = Buffer.allocUnsafeSlow(${pieceSize});
let at = 0;
parentPort.on('message', ({ end, last }) => {
  while (at < end) {
    const length = readSync(workerData, piece, 0, Math.min(piece.length, end - at), at);
    if (length === 0) throw new Error('the file became shorter');
    hash.update(piece.subarray(0, length));
    at += length;
  }
  if (last) parentPort.postMessage(hash.digest('hex'));
});`;

/**
 * The SHA-256 of a file that grows: what stands in it is read back and hashed while more is on its way, a large file on a thread of its
 * own. So a digest costs a transfer no time, and it is that of the file, not of what was meant to be written there.
 */
export class TrailingHash {
  readonly #handle: FileHandle;
  #thread: Thread | undefined;
  /** How far the thread has been told to go. */
  #told = 0;

  /** @param handle open for reading; it must stay open until {@link close} has ended. */
  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** All bytes before `end` are written. */
  grown(end: number): void {
    if (end - this.#told < (this.#thread === undefined ? worthAThread : worthAWord)) return;
    this.#told = end;
    void this.#tell({ end, last: false });
  }

  /**
   * The digest of the first `end` bytes, in hex. It can be asked for once.
   *
   * @throws the error of the file system, or that the file became shorter.
   */
  async digest(end: number): Promise<string> {
    if (this.#thread === undefined) return sha256OfSpan(this.#handle, { end });
    return this.#tell({ end, last: true });
  }

  /** Ends the thread, whether or not it is done. */
  async close(): Promise<void> {
    await this.#thread?.worker.terminate();
  }

  #tell(growth: Growth): Promise<string> {
    this.#thread ??= this.#start();
    this.#thread.worker.postMessage(growth);
    return this.#thread.digest;
  }

  #start(): Thread {
    const worker = new Worker(program, {
      eval: true,
      execArgv: [],
      env: {},
      workerData: this.#handle.fd,
    });
    const digest = new Promise<string>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', () => {
        reject(new Error('the hashing thread ended'));
      });
    });
    // Whoever asks for the digest hears of it.
    digest.catch(() => undefined);
    return { worker, digest };
  }
}
