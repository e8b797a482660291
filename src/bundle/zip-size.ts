import { pipeline, Transform, type Readable } from 'node:stream';
import { PlugferryError } from '../errors.js';

/** Most bytes of a zip bundle. Beyond this, zip needs its 64-bit extension, in which programs differ. */
export const maxZipBytes = 0xffff_fffe;

/** Passes a zip on and fails when it grows too large. */
export function withinZip(source: Readable): Readable {
  let size = 0;
  const limit = new Transform({
    highWaterMark: 1024 * 1024,
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size > maxZipBytes) done(beyondZip());
      else done(null, chunk);
    },
  });
  // An error of either stream destroys `limit`, and its reader hears of it.
  pipeline(source, limit, () => undefined);
  return limit;
}

export const beyondZip = (): PlugferryError =>
  new PlugferryError('E_LIMIT', `the zip bundle is larger than ${maxZipBytes} bytes (4 GiB)`, {
    hint: 'Use a .tar.gz bundle, which has no such limit, or several bundles with fewer plugins each.',
    details: { expected: maxZipBytes },
  });
