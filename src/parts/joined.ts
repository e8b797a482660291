import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { PlugferryError } from '../errors.js';
import type { Progress } from '../stream/progress.js';
import { beyondRepair, type PartDamage } from './damage.js';
import type { PartSet } from './set.js';
import { blockCount, type Shape } from './shape.js';
import { survey, type Spool, type Survey } from './survey.js';

export interface JoinedOptions {
  /** Opens the place for repaired blocks; not called when nothing has to be repaired. */
  readonly spool: () => Promise<Spool>;
  readonly signal?: AbortSignal | undefined;
  /** Told how far {@link Joined.prove} is. */
  readonly progress?: Progress | undefined;
  /** Told, once, what was missing or damaged and was made again. */
  readonly onRepair?: ((repaired: readonly PartDamage[]) => void) | undefined;
}

/** The bundle that a set of parts makes up, as one run of bytes. */
export class Joined {
  readonly #set: PartSet;
  readonly #options: JoinedOptions;
  #survey: Promise<Survey> | undefined;
  #spool: Spool | undefined;

  constructor(set: PartSet, options: JoinedOptions) {
    this.#set = set;
    this.#options = options;
  }

  /** Id of the set. */
  get id(): string {
    return this.#set.id;
  }

  get shape(): Shape {
    return this.#set.shape;
  }

  /**
   * Looks at every block of every part, and makes again what parity can.
   *
   * @throws PlugferryError `E_PARTS`, naming every part and range of bytes that is lost.
   */
  async prove(): Promise<void> {
    await this.#proved();
  }

  /**
   * The bytes, in order, once. While everything is as it should be, the parts are read once; the first block that is not makes
   * {@link prove} happen.
   *
   * @throws PlugferryError `E_PARTS` at once when a part is missing that parity cannot make up for; the same, and
   *   `E_DIGEST` when all parts agree and still do not make up the bundle, end the stream.
   */
  async stream(): Promise<Readable> {
    if (this.#set.missing.some((part) => part < this.#set.shape.data)) await this.prove();
    return Readable.from(this.#blocks(), { objectMode: false, highWaterMark: 4 * this.#set.shape.block });
  }

  async close(): Promise<void> {
    await this.#survey?.catch(() => undefined);
    await this.#set.close();
    await this.#spool?.close();
  }

  #proved(): Promise<Survey> {
    this.#survey ??= this.#look();
    return this.#survey;
  }

  async #look(): Promise<Survey> {
    const { signal, progress, onRepair } = this.#options;
    this.#spool = await this.#options.spool();
    const found = await survey(this.#set, this.#spool, { signal, progress });
    if (!found.repaired) throw beyondRepair(this.#set.shape, found.damage, this.#set.unknown);
    if (found.damage.length > 0) onRepair?.(found.damage);
    return found;
  }

  async *#blocks(): AsyncGenerator<Buffer> {
    const { shape } = this.#set;
    const whole = createHash('sha256');
    for (let part = 0; part < shape.data; part += 1) {
      for (let block = 0; block < blockCount(shape, part); block += 1) {
        this.#options.signal?.throwIfAborted();
        const bytes = await this.#block(part, block);
        whole.update(bytes);
        yield bytes;
      }
    }
    const found = whole.digest('hex');
    if (found !== shape.bundleSha256) throw otherBundle(shape.bundleSha256, found);
  }

  async #block(part: number, block: number): Promise<Buffer> {
    const read = async (): Promise<Buffer | undefined> =>
      (await (await this.#survey)?.block(part, block)) ?? (await this.#set.block(part, block));
    const bytes = await read();
    if (bytes !== undefined) return bytes;
    const before = this.#survey;
    await this.#proved();
    const again = before === undefined ? await read() : undefined;
    if (again === undefined) throw unsteady(this.#set.fileOf(part) ?? '');
    return again;
  }
}

const otherBundle = (expected: string, found: string): PlugferryError =>
  new PlugferryError('E_DIGEST', `the joined parts have sha256 ${found}, expected ${expected}`, {
    hint: 'The parts fit each other, but not the bundle that they name. Split the bundle again where it was made.',
    details: { expected, found, check: 'sha256' },
  });

const unsteady = (file: string): PlugferryError =>
  new PlugferryError('E_SOURCE_CHANGED', `${file} does not give the same bytes twice`, {
    hint: 'Copy the part to another medium, and let nothing write to it.',
    details: { file },
  });
