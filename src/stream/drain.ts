import { Writable } from 'node:stream';

/** Takes bytes and keeps none: for reading a stream to its proven end. */
export class Discard extends Writable {
  override _write(_chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    done();
  }
}
