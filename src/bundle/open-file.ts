import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { PlugferryError } from '../errors.js';
import { openRegular } from '../io/file.js';
import type { SealedBundle } from './bundle.js';
import { Scratch } from './scratch.js';
import { unpackZip } from './unpack-zip.js';
import { unpackTarGz } from './unpack.js';
import { beyondZip, maxZipBytes } from './zip-size.js';

/**
 * Opens a bundle file. What it is follows from its first bytes, not from its name; it is then read once, from start to end.
 *
 * @param scratch directory for the private copy that a zip, which must be read from its end, is copied to.
 * @throws PlugferryError `E_NOT_FOUND`, `E_CONTAINER` when it is no bundle, and as {@link unpackTarGz} and
 *   {@link unpackZip}.
 */
export async function openBundleFile(
  path: string,
  signal?: AbortSignal,
  scratch = tmpdir(),
): Promise<SealedBundle> {
  const handle = await openRegular(path, 'bundle');
  try {
    if ((await kindOf(handle, path)) === 'gzip') return await unpackTarGz(readStream(handle, signal));
    const copy = await privateCopy(handle, scratch, signal);
    await handle.close();
    return await unpackZip(copy);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

const readStream = (
  handle: FileHandle,
  signal: AbortSignal | undefined,
): ReturnType<FileHandle['createReadStream']> =>
  handle.createReadStream({
    start: 0,
    highWaterMark: 1024 * 1024,
    ...(signal === undefined ? {} : { signal }),
  });

async function privateCopy(handle: FileHandle, directory: string, signal?: AbortSignal): Promise<Scratch> {
  if ((await handle.stat()).size > maxZipBytes) throw beyondZip();
  const copy = await Scratch.open(directory, signal);
  try {
    for await (const chunk of readStream(handle, signal)) {
      // The file may grow while it is read.
      if (copy.size + (chunk as Buffer).length > maxZipBytes) throw beyondZip();
      await copy.append(chunk as Buffer);
    }
    return copy;
  } catch (error) {
    await copy.close();
    throw error;
  }
}

/** What people give by mistake, by its first bytes. */
const strangers: readonly (readonly [signature: string, at: number, what: string])[] = [
  ['504b0506', 0, 'an empty zip archive'],
  ['28b52ffd', 0, 'a zstd file'],
  ['fd377a585a00', 0, 'an xz file'],
  ['425a68', 0, 'a bzip2 file'],
  ['0061736d', 0, 'a WebAssembly module'],
  ['7573746172', 257, 'a tar that is not compressed'],
  ['3c', 0, 'a page or XML text'],
  ['2d2d2d2d2d424547494e', 0, 'a key or certificate'],
];

async function kindOf(handle: FileHandle, path: string): Promise<'gzip' | 'zip'> {
  const buffer = Buffer.alloc(262);
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
  const head = buffer.subarray(0, bytesRead);
  const begins = (hex: string, at = 0): boolean =>
    head.subarray(at, at + hex.length / 2).toString('hex') === hex;
  if (begins('1f8b')) return 'gzip';
  if (begins('504b0304')) return 'zip';
  const known = strangers.find(([hex, at]) => begins(hex, at));
  const found = head.length === 0 ? 'empty' : (known?.[2] ?? 'of an unknown kind');
  throw new PlugferryError('E_CONTAINER', `${path} is ${found}, expected a .tar.gz or .zip bundle`, {
    hint: 'Give the file that "plugferry export" wrote.',
    details: { file: path, expected: 'gzip or zip', found },
  });
}
