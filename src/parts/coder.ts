import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Matrix } from './galois.js';
import { makeKernel } from './kernel.js';

/** One piece of work, and what it gave. */
interface Job {
  readonly rows: Matrix;
  readonly inputs: Uint8Array;
  readonly size: number;
  resolve(outputs: Uint8Array): void;
  reject(error: Error): void;
}

/** A thread has no file of its own, so that there is none to be found: it runs the text of the kernel. */
const program = `const combine = (${makeKernel.toString()})();
const { parentPort } = require('node:worker_threads');
parentPort.on('message', ({ rows, inputs, size }) => {
  const outputs = combine(rows, inputs, size);
  parentPort.postMessage(outputs, [outputs.buffer]);
});`;

/** Most threads; beyond that, reading and hashing on the main thread is what takes the time. */
const maxThreads = 4;

/** Combines blocks on worker threads, which are started when there is work for them. */
export class Coder {
  readonly threads = Math.min(maxThreads, availableParallelism());
  readonly #idle: Worker[] = [];
  readonly #waiting: Job[] = [];
  readonly #busy = new Map<Worker, Job>();

  /**
   * See {@link makeKernel}.
   *
   * @param inputs goes to the thread: it is empty afterwards.
   */
  async combine(rows: Matrix, inputs: Uint8Array<ArrayBuffer>, size: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ rows, inputs, size, resolve, reject });
      this.#next();
    });
  }

  /** Ends the threads. Work that is not done is not done any more. */
  async close(): Promise<void> {
    const workers = [...this.#idle.splice(0), ...this.#busy.keys()];
    const error = new Error('the coder was closed');
    for (const job of [...this.#waiting.splice(0), ...this.#busy.values()]) job.reject(error);
    this.#busy.clear();
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #next(): void {
    const worker = this.#idle.pop() ?? (this.#busy.size < this.threads ? this.#start() : undefined);
    if (worker === undefined) return;
    const job = this.#waiting.shift();
    if (job === undefined) {
      this.#idle.push(worker);
      return;
    }
    this.#busy.set(worker, job);
    const { rows, inputs, size } = job;
    worker.postMessage({ rows, inputs, size }, [inputs.buffer as ArrayBuffer]);
  }

  #start(): Worker {
    const worker = new Worker(program, { eval: true, execArgv: [], env: {} });
    worker.on('message', (outputs: Uint8Array) => {
      const job = this.#busy.get(worker);
      this.#busy.delete(worker);
      this.#idle.push(worker);
      job?.resolve(outputs);
      this.#next();
    });
    worker.on('error', (error) => {
      this.#busy.get(worker)?.reject(error instanceof Error ? error : new Error(String(error)));
      this.#busy.delete(worker);
    });
    return worker;
  }
}
