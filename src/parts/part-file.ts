import type { FileHandle } from 'node:fs/promises';
import { isPlugferryError } from '../errors.js';
import { openRegular } from '../files/open-regular.js';
import { parseHeader, partMagic, type PartHeader } from './header.js';
import { headerSize } from './shape.js';

/** A part file that is open for reading. */
export interface PartFile {
  /** As the user named it. */
  readonly path: string;
  readonly size: number;
  readonly header: PartHeader;
  readonly handle: FileHandle;
}

/** A file that no header could be found in. */
export interface UnknownFile {
  readonly path: string;
  readonly header: undefined;
}

/**
 * Opens a file and looks for the header of a part at its beginning and, should that be damaged, at its end.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_IO`, `E_FORMAT_VERSION`.
 */
export async function openPart(path: string): Promise<PartFile | UnknownFile> {
  const handle = await openRegular(path, 'part');
  try {
    const { size } = await handle.stat();
    for (const at of [0, size - headerSize]) {
      const bytes = await readExactly({ handle, size }, at, headerSize);
      const header = bytes === undefined ? undefined : parseHeader(bytes, path);
      if (header !== undefined) return { path, size, header, handle };
    }
    await handle.close();
    return { path, header: undefined };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Exactly these bytes of a file; undefined where it has no such bytes or its medium cannot read them, which is the same to whoever
 * wants to repair it.
 */
export async function readExactly(
  { handle, size }: Pick<PartFile, 'handle' | 'size'>,
  start: number,
  length: number,
): Promise<Buffer | undefined> {
  if (start < 0 || start + length > size) return undefined;
  const bytes = Buffer.allocUnsafe(length);
  try {
    for (let done = 0; done < length;) {
      const { bytesRead } = await handle.read(bytes, done, length - done, start + done);
      if (bytesRead === 0) return undefined;
      done += bytesRead;
    }
  } catch (error) {
    if (isPlugferryError(error) && error.details.found === 'EIO') return undefined;
    throw error;
  }
  return bytes;
}

/** Whether a file begins, or ends, like a part. */
export async function looksLikePart(path: string): Promise<boolean> {
  const handle = await openRegular(path, 'part');
  try {
    const { size } = await handle.stat();
    for (const at of [0, size - headerSize]) {
      const bytes = await readExactly({ handle, size }, at, partMagic.length);
      if (bytes?.toString('latin1') === partMagic) return true;
    }
    return false;
  } finally {
    await handle.close();
  }
}
