import { pipeline, Transform, type Readable, type TransformCallback } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import { PlugferryError, systemCode } from '../errors.js';

/** Output pieces of zlib; with its default of 16 KiB inflating takes nearly twice as long. */
const chunkSize = 256 * 1024;

/** How payload is deflated. Level 4: within 3 % of the size of level 6 on real modules, in half its time. */
export const deflateOptions = { level: 4, chunkSize };

/**
 * Compresses to a gzip member whose header says nothing about this machine or this minute (RFC 1952: MTIME 0, XFL 0,
 * OS 3), so that the same bytes come out everywhere that has the same zlib.
 */
export function gzip(source: Readable): Readable {
  const compressor = createGzip(deflateOptions);
  const header = new GzipHeader();
  // Each stream's error destroys the next; whoever reads the last one sees it.
  pipeline(source, compressor, header, () => undefined);
  return header;
}

/** Sets the fields of a gzip header that vary between platforms. */
class GzipHeader extends Transform {
  #head: Buffer | undefined = Buffer.alloc(0);

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.#head === undefined) {
      done(null, chunk);
      return;
    }
    const head = Buffer.concat([this.#head, chunk]);
    if (head.length < plainHeader.length) {
      this.#head = head;
      done();
      return;
    }
    this.#head = undefined;
    plainHeader.copy(head);
    done(null, head);
  }
}

/**
 * Counts what comes in, so that what gunzip did not look at can be noticed, and compares the file's header with the only
 * one that {@link gzip} writes: no bit of it is left to say something else.
 */
class Intake extends Transform {
  bytes = 0;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const header = plainHeader.subarray(this.bytes, this.bytes + chunk.length);
    const found = chunk.subarray(0, header.length);
    this.bytes += chunk.length;
    if (found.equals(header)) done(null, chunk);
    else done(refused('has an unusual header'));
  }
}

/** Magic, deflate, no flags, MTIME 0, XFL 0, OS 3 (Unix). */
const plainHeader = Buffer.from('1f8b0800000000000003', 'hex');

/**
 * Inflates a whole gzip file and fails, before it reports its end, when anything of it was not gzip.
 *
 * @throws (as stream error) PlugferryError `E_GZIP`.
 */
export function gunzip(source: Readable): Readable {
  const intake = new Intake({ highWaterMark: chunkSize });
  const inflater = createGunzip({ chunkSize });
  const end = new Transform({
    highWaterMark: chunkSize,
    transform(chunk: Buffer, _encoding, done) {
      done(null, chunk);
    },
    flush(done) {
      // zlib stops at a zero byte behind a member and says nothing about the rest.
      done(inflater.bytesWritten === intake.bytes ? null : refused('has bytes behind its end'));
    },
    destroy(error, done) {
      done(error === null ? null : gzipError(error));
    },
  });
  pipeline(source, intake, inflater, end, () => undefined);
  return end;
}

function gzipError(error: Error): Error {
  const code = systemCode(error) ?? '';
  if (code === 'Z_BUF_ERROR') return refused('is cut off');
  if (code.startsWith('Z_')) return refused('is damaged', error);
  return error;
}

function refused(found: string, cause?: unknown): PlugferryError {
  return new PlugferryError('E_GZIP', `the gzip stream of the bundle ${found}`, {
    hint: 'Copy the bundle again from where it was made, and compare its size.',
    details: { found },
    cause,
  });
}
