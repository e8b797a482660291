import { maxSignatures } from './bundle.js';
import { beyondLimit } from './refusal.js';
import type { ScratchFile } from './scratch.js';
import {
  endSize,
  maxCentralSize,
  readZipDirectory,
  readZipEnd,
  refusedZip,
  type ZipEnd,
  type ZipEntry,
} from './zip-records.js';

/** The manifest, the signatures, and as many files as a manifest may list. */
const maxEntries = 1 + maxSignatures + 10_000;

/**
 * Looks at every byte of a zip that is not the body of an entry. What it lets through consists of its entries, one behind
 * the other, the directory that describes them, and nothing else; local headers and directory agree in every field. So it
 * does not matter whether a program reads it from the front or from the end. Reads at most a few hundred bytes an entry.
 *
 * @throws PlugferryError `E_CONTAINER`, `E_LIMIT`.
 */
export async function scanZip(file: ScratchFile): Promise<ZipEntry[]> {
  if (file.size < endSize) throw refusedZip('is cut off');
  const end = readZipEnd(await file.read(file.size - endSize, endSize), file.size);
  if (end.entries > maxEntries) throw beyondLimit(`${end.entries} entries`, 'the zip directory');
  if (end.directorySize > end.entries * maxCentralSize) throw refusedZip('has more entries than it says');
  const entries = readZipDirectory(await file.read(end.directoryOffset, end.directorySize), end.entries);
  await checkFrames(file, entries, end);
  return entries;
}

/** Compares what stands between the bodies with what the directory says must stand there. */
async function checkFrames(file: ScratchFile, entries: readonly ZipEntry[], end: ZipEnd): Promise<void> {
  let at = 0;
  let before: Buffer = Buffer.alloc(0);
  for (const { name, offset, front, back, packedSize } of entries) {
    const between = Buffer.concat([before, front]);
    if (offset !== at + before.length)
      throw refusedZip('has an entry that does not begin where the one before it ends', name);
    if (!(await file.read(at, between.length)).equals(between))
      throw refusedZip('contradicts its own directory', name);
    at = offset + front.length + packedSize;
    before = back;
  }
  if (at + before.length !== end.directoryOffset) throw refusedZip('has bytes in front of its directory');
  if (!(await file.read(at, before.length)).equals(before)) throw refusedZip('contradicts its own directory');
}
