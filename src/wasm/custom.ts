import { isPlugferryError } from '../errors.js';
import type { ByteFeed, Reading } from './byte-feed.js';
import { Cursor } from './cursor.js';
import { maxProducersBytes, readToolchain } from './producers.js';
import { partName, type ScanOptions, type Section } from './sections.js';

/** Where V8, the engine of the gateway, stops reading a name: 100,000 bytes. */
const maxCustomNameBytes = 100_000;
const longestCount = 5;

/** Names of functions are read up to here; a larger section is left to the gateway. Those of large Go modules have some 3 MiB. */
const maxNamesBytes = 32 * 1024 * 1024;

/** What the custom sections of a module say. */
export class CustomSections {
  readonly #module: string;
  readonly #options: ScanOptions;
  #seenNames = false;
  #seenProducers = false;
  /** What built the module. */
  toolchain: string | undefined;
  /** Why a gateway refuses them. */
  flaw: string | undefined;

  /** @param module how errors call the file. */
  constructor(module: string, options: ScanOptions) {
    this.#module = module;
    this.#options = options;
  }

  /** Reads a section as far as it says something here. @throws PlugferryError `E_WASM` for a name that is none. */
  *read(feed: ByteFeed, { id, start, end }: Section): Reading<void> {
    const place = { module: this.#module, part: partName(id), offset: start };
    const head = new Cursor(yield* feed.peek(Math.min(longestCount, end - start)), place);
    const length = head.unsigned();
    if (length > maxCustomNameBytes) throw head.failure(`has a name of ${length} bytes`);
    const named = Math.min(end - start, head.consumed + length);
    const name = new Cursor(yield* feed.peek(named), place).name();
    if (name === 'producers') yield* this.#producers(feed, end - start, start);
    if (name === 'name' && this.#options.code) {
      feed.skip(named);
      yield* this.#names(feed, end - start - named, start + named);
    }
  }

  *#producers(feed: ByteFeed, size: number, offset: number): Reading<void> {
    if (this.#seenProducers || size > maxProducersBytes) return;
    this.#seenProducers = true;
    const place = { module: this.#module, part: 'the producers section', offset };
    this.toolchain = readToolchain(new Cursor(yield* feed.peek(size), place));
  }

  /** proxy-wasm-cpp-host reads the first of them (`BytecodeUtil::getFunctionNameIndex`) and refuses a module for it. */
  *#names(feed: ByteFeed, size: number, offset: number): Reading<void> {
    if (this.#seenNames || size > maxNamesBytes) return;
    this.#seenNames = true;
    const cursor = new Cursor(yield* feed.peek(size), {
      module: this.#module,
      part: 'the name section',
      offset,
    });
    try {
      skipNames(cursor);
    } catch (error) {
      if (!isPlugferryError(error)) throw error;
      this.flaw = error.message.slice(`${this.#module}: `.length);
    }
  }
}

const functionNames = 1;

/** The host reads no larger numbers (`BytecodeUtil::parseVarint`). */
const maxHostNumber = 2 ** 30;

function hostNumber(cursor: Cursor): number {
  const number = cursor.unsigned();
  if (number >= maxHostNumber) throw cursor.failure('holds a number of more than 30 bits');
  return number;
}

function skipNames(cursor: Cursor): void {
  while (cursor.peek() !== undefined) {
    const subsection = cursor.byte();
    const size = hostNumber(cursor);
    const end = cursor.consumed + size;
    if (subsection === functionNames) {
      for (let count = cursor.count(); count > 0; count -= 1) {
        hostNumber(cursor);
        cursor.skip(hostNumber(cursor));
      }
      if (cursor.consumed !== end) throw cursor.failure('has function names of another length than it says');
    } else cursor.skip(size);
  }
}
