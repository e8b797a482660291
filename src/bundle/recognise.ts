import { constants, gunzipSync } from 'node:zlib';
import { openRegular } from '../files/open-regular.js';
import { manifestName } from './bundle.js';

/** Compressed bytes that surely hold the first header of a tar; they inflate to at most some megabytes. */
const headBytes = 4096;

/**
 * Whether a file is a bundle rather than another archive: its first entry is called manifest.json. Nothing is believed by
 * this; reading the bundle still checks everything.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_IO`.
 */
export async function isBundleFile(path: string): Promise<boolean> {
  const handle = await openRegular(path, 'source');
  try {
    const buffer = Buffer.alloc(headBytes);
    const { bytesRead } = await handle.read(buffer, 0, headBytes, 0);
    const name = firstEntry(buffer.subarray(0, bytesRead));
    return name?.toString('latin1') === manifestName;
  } finally {
    await handle.close();
  }
}

function firstEntry(head: Buffer): Buffer | undefined {
  if (head.length > 30 && head.readUInt32BE(0) === 0x504b0304) {
    return head.subarray(30, 30 + head.readUInt16LE(26));
  }
  if (head.length < 18 || head.readUInt16BE(0) !== 0x1f8b) return undefined;
  try {
    const tar = gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH });
    return tar.subarray(0, Math.max(0, tar.subarray(0, 100).indexOf(0)));
  } catch {
    return undefined;
  }
}
