import type { OpenFile } from './current-index.js';
import type { Part } from './range.js';
import { isUnchanged } from './served-file.js';

/** Bytes of files that all downloads together aim to hold in memory. */
const budget = 32 * 1024 * 1024;
const smallestPiece = 16 * 1024;
const largestPiece = 512 * 1024;

let downloads = 0;

/** A client that takes its time holds one piece: the more there are, the smaller it is, so that memory stays bounded. */
const pieceBytes = (): number =>
  Math.max(smallestPiece, Math.min(largestPiece, Math.floor(budget / downloads)));

/**
 * The bytes of a part of a file, piece by piece. The last piece is held back until the file proved to be still the one that
 * was announced: a change while it was being sent ends in a broken transfer, which every client notices, and never in a
 * complete body that does not fit its digest.
 */
export async function* fileBody({ file, handle }: OpenFile, { start, length }: Part): AsyncGenerator<Buffer> {
  let left = length;
  downloads += 1;
  try {
    while (left > 0) {
      const piece = Buffer.allocUnsafe(Math.min(left, pieceBytes()));
      const { bytesRead } = await handle.read(piece, 0, piece.length, start + length - left);
      left -= bytesRead;
      const isLast = left === 0 || bytesRead === 0;
      if (isLast && (left > 0 || !(await isUnchanged(handle, file)))) throw new ChangedWhileSent(file.path);
      yield piece.subarray(0, bytesRead);
    }
  } finally {
    downloads -= 1;
  }
}

/** Ends a transfer that can no longer be completed truthfully. Stays inside the server: the client sees a cut connection. */
class ChangedWhileSent extends Error {
  override readonly name = 'ChangedWhileSent';
  constructor(path: string) {
    super(`${path} changed while it was being sent`);
  }
}
