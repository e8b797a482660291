import type { FileHandle } from 'node:fs/promises';
import { Writable } from 'node:stream';

/**
 * A stream into an open file, from where it stands. Ending the stream leaves the file open: its owner still has to fsync.
 * (The stream that a FileHandle itself makes keeps `close()` waiting for ever when it may not close the file.)
 */
export const fileWriter = (file: FileHandle): Writable =>
  new Writable({
    highWaterMark: 1024 * 1024,
    write(chunk: Buffer, _encoding, done) {
      file.writeFile(chunk).then(() => {
        done();
      }, done);
    },
  });
