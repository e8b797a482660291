import { ByteFeed, type Reading } from './byte-feed.js';
import { engineRefuses, maxJudgedBytes } from './engine.js';
import type { ModuleReading } from './interface.js';
import { Scan } from './scan.js';
import { unloadable } from './unloadable.js';

export interface ModuleStreamOptions {
  /**
   * Read what only a gateway asks for, too: function bodies and names of functions; and let the engine of Node.js judge a module of
   * which it knows all features.
   */
  readonly forGateway: boolean;
}

/** Reads a module whose bytes come in pieces, such as those of a bundle on their way to the disk. */
export class ModuleStream {
  readonly #name: string;
  readonly #feed: ByteFeed;
  readonly #reading: Reading<ModuleReading>;
  readonly #whole: Buffer[] | undefined;
  #result: ModuleReading | undefined;

  /**
   * @param name how errors call the file.
   * @param size bytes in all.
   */
  constructor(name: string, size: number, { forGateway }: ModuleStreamOptions) {
    this.#name = name;
    this.#feed = new ByteFeed(size);
    this.#reading = new Scan(this.#feed, name, { code: forGateway }).run();
    this.#whole = forGateway && size <= maxJudgedBytes ? [] : undefined;
  }

  /** Whether the bytes began like a module. */
  get begun(): boolean {
    return this.#feed.position > 0;
  }

  /** @throws PlugferryError `E_WASM` when a gateway could not load the module. */
  push(piece: Buffer): void {
    this.#whole?.push(piece);
    if (this.#result !== undefined) return;
    this.#feed.push(piece);
    this.#advance();
  }

  /** Bytes that need not be pushed; 0 where all are wanted. */
  jump(): number {
    return this.#whole === undefined ? this.#feed.jump() : 0;
  }

  /** @throws PlugferryError `E_WASM` when a gateway could not load the module, or bytes are missing. */
  end(): ModuleReading {
    this.#advance();
    if (this.#result === undefined) throw unloadable(this.#name, 'is cut short');
    const { facts, asks } = this.#result;
    const refused =
      this.#whole !== undefined &&
      asks.unknown.length === 0 &&
      engineRefuses(Buffer.concat(this.#whole), asks.features);
    return refused ? { facts, asks: { ...asks, flaws: [...asks.flaws, refusal] } } : this.#result;
  }

  #advance(): void {
    if (this.#result !== undefined) return;
    const step = this.#reading.next();
    if (step.done === true) this.#result = step.value;
  }
}

const refusal = `V8 ${process.versions.v8} finds that its bytes are not a valid module`;
