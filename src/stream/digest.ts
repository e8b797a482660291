import { createHash, type Hash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import { PlugferryError } from '../errors.js';

/** Size and checksums of a run of bytes. `sha256` decides; `md5` is carried for the field's tools and decides nothing. */
export interface Digest {
  /** Bytes. */
  readonly size: number;
  /** 64 lower-case hex characters. */
  readonly sha256: string;
  /** 32 lower-case hex characters. */
  readonly md5: string;
}

/** Both hashes and the length, in one pass. */
export class DigestMeter {
  readonly #sha256: Hash = createHash('sha256');
  readonly #md5: Hash = createHash('md5');
  #size = 0;

  /** Bytes seen so far. */
  get size(): number {
    return this.#size;
  }

  update(chunk: Uint8Array): void {
    this.#size += chunk.length;
    this.#sha256.update(chunk);
    this.#md5.update(chunk);
  }

  digest(): Digest {
    return { size: this.#size, sha256: this.#sha256.digest('hex'), md5: this.#md5.digest('hex') };
  }
}

/** A stream that passes bytes through and knows, once it has ended, what they were. */
export class Metering extends Transform {
  readonly #meter = new DigestMeter();

  constructor() {
    super({ highWaterMark: 1024 * 1024 });
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#meter.update(chunk);
    done(null, chunk);
  }

  /** May be asked for once, after the end. */
  digest(): Digest {
    return this.#meter.digest();
  }
}

export function digestOf(bytes: Uint8Array): Digest {
  const meter = new DigestMeter();
  meter.update(bytes);
  return meter.digest();
}

export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What {@link verifying} expects, and the name under which a difference is reported. */
export interface Expected extends Digest {
  readonly path: string;
}

/**
 * A stream that passes bytes through and fails, before it reports its end, when they are not the expected ones. It fails
 * on the first byte past the expected size, so nothing behind it receives more than was promised.
 */
export class Verifying extends Transform {
  readonly #meter = new DigestMeter();
  readonly #expected: Expected;
  readonly #passed: ((bytes: number) => void) | undefined;

  /** @param passed told how many bytes each piece has. */
  constructor(expected: Expected, passed?: (bytes: number) => void) {
    super({ highWaterMark: 256 * 1024 });
    this.#expected = expected;
    this.#passed = passed;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#meter.update(chunk);
    const { path, size } = this.#expected;
    if (this.#meter.size > size) {
      done(mismatch(path, 'size', [`${size} bytes`, 'more']));
      return;
    }
    this.#passed?.(chunk.length);
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    done(differenceFrom(this.#expected, this.#meter.digest()));
  }
}

/** The error that says in what `found` differs from `expected`, or null. SHA-256 is compared before MD5. */
export function differenceFrom(expected: Expected, found: Digest): PlugferryError | null {
  if (found.size !== expected.size) {
    return mismatch(expected.path, 'size', [`${expected.size} bytes`, `${found.size} bytes`]);
  }
  if (found.sha256 !== expected.sha256)
    return mismatch(expected.path, 'sha256', [expected.sha256, found.sha256]);
  if (found.md5 !== expected.md5) return mismatch(expected.path, 'md5', [expected.md5, found.md5]);
  return null;
}

function mismatch(path: string, what: string, [expected, found]: readonly [string, string]): PlugferryError {
  return new PlugferryError('E_DIGEST', `${path}: ${what} is ${found}, expected ${expected}`, {
    hint: 'The bytes are not those that were signed. Copy the bundle again from where it was made.',
    details: { file: path, expected, found, check: what },
  });
}
