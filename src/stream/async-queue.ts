/** Hands values, in order, from whoever has them first to whoever asks for them. One reader at a time. */
export class Mailbox<T> {
  readonly #values: T[] = [];
  #failure: Error | undefined;
  #waiting: { resolve(value: T): void; reject(error: Error): void } | undefined;

  put(value: T): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#values.push(value);
    else waiting.resolve(value);
  }

  /** Everything put before is still handed out; then every {@link take} rejects. The first failure stays. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#waiting?.reject(this.#failure);
    this.#waiting = undefined;
  }

  async take(): Promise<T> {
    const value = this.#values.shift();
    if (value !== undefined) return value;
    if (this.#failure !== undefined) throw this.#failure;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }
}
