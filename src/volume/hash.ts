import { DigestMeter, type Digest } from '../stream/digest.js';
import type { FileSystem, ReadingOptions } from '../files/file-system.js';

/** Size and checksums of a file; a symlink is not followed. Where SHA-256 is enough, {@link FileSystem.sha256} is faster. */
export async function digestOfFile(
  files: FileSystem,
  path: string,
  options: ReadingOptions = {},
): Promise<Digest> {
  const meter = new DigestMeter();
  await files.readThrough(
    path,
    (chunk) => {
      meter.update(chunk);
    },
    options,
  );
  return meter.digest();
}
