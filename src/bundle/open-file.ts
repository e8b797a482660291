import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { Readable } from 'node:stream';
import { PlugferryError } from '../errors.js';
import { openRegular } from '../files/open-regular.js';
import type { SealedBundle } from './bundle.js';
import { Scratch } from './scratch.js';
import { unpackZip } from './read-zip.js';
import { unpackTarGz } from './read-tar.js';
import { beyondZip, maxZipBytes } from './zip-size.js';

const zipMagic = '504b0304';

export interface OpenBundleOptions {
  /** Directory for the private copy that a zip, which must be read from its end, is copied to. @default the system's */
  readonly scratch?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens a bundle file. What it is follows from its first bytes, not from its name; it is then read once, from start to end.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_CONTAINER` when it is no bundle, and as {@link unpackTarGz} and
 *   {@link unpackZip}.
 */
export async function openBundleFile(path: string, options: OpenBundleOptions = {}): Promise<SealedBundle> {
  const handle = await openRegular(path, 'bundle');
  try {
    if ((await handle.stat()).size > maxZipBytes && (await isZip(handle))) throw beyondZip();
    return await openBundleStream(readStream(handle, options.signal), path, options);
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

async function isZip(handle: FileHandle): Promise<boolean> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
  return bytesRead === 4 && buffer.toString('hex') === zipMagic;
}

/**
 * Opens a bundle that comes as a stream, which is destroyed when the bundle is closed.
 *
 * @param name what the user calls it, for errors.
 * @throws PlugferryError `E_CONTAINER` when it is no bundle, and as {@link unpackTarGz} and {@link unpackZip}.
 */
export async function openBundleStream(
  source: Readable,
  name: string,
  { scratch = tmpdir(), signal }: OpenBundleOptions = {},
): Promise<SealedBundle> {
  try {
    const { head, whole } = await beginning(source);
    if (kindOf(head, name) === 'gzip') return await unpackTarGz(whole);
    return await unpackZip(await privateCopy(whole, scratch, signal));
  } catch (error) {
    source.destroy();
    throw error;
  }
}

/**
 * Opens a bundle that lies in a private copy already. Whoever made the copy closes it; until then it may be opened again.
 *
 * @param name what the user calls it, for errors.
 * @throws PlugferryError as {@link openBundleStream}.
 */
export async function openBundleCopy(copy: Scratch, name: string): Promise<SealedBundle> {
  const head = await copy.read(0, Math.min(headBytes, copy.size));
  if (kindOf(head, name) === 'gzip') return unpackTarGz(copy.stream(0, copy.size));
  if (copy.size > maxZipBytes) throw beyondZip();
  return unpackZip(copy.lent());
}

/** Bytes of the beginning that say what a file is. */
const headBytes = 262;

/** The first bytes of a stream, and all of it. */
async function beginning(source: Readable): Promise<{ readonly head: Buffer; readonly whole: Readable }> {
  const chunks = source.iterator({ destroyOnReturn: false });
  let head = Buffer.alloc(0);
  let ended = false;
  while (!ended && head.length < headBytes) {
    const next = (await chunks.next()) as IteratorResult<Buffer, undefined>;
    if (next.done === true) ended = true;
    else head = Buffer.concat([head, next.value]);
  }
  await chunks.return?.();
  if (ended || source.readableEnded) return { head, whole: Readable.from([head], { objectMode: false }) };
  source.unshift(head);
  return { head, whole: source };
}

async function privateCopy(source: Readable, directory: string, signal?: AbortSignal): Promise<Scratch> {
  const copy = await Scratch.open(directory, signal);
  try {
    for await (const chunk of source) {
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

function kindOf(head: Buffer, name: string): 'gzip' | 'zip' {
  const begins = (hex: string, at = 0): boolean =>
    head.subarray(at, at + hex.length / 2).toString('hex') === hex;
  if (begins('1f8b')) return 'gzip';
  if (begins(zipMagic)) return 'zip';
  const known = strangers.find(([hex, at]) => begins(hex, at));
  const found = head.length === 0 ? 'empty' : (known?.[2] ?? 'of an unknown kind');
  throw new PlugferryError('E_CONTAINER', `${name} is ${found}, expected a .tar.gz or .zip bundle`, {
    hint: 'Give the file that "plugferry export" wrote.',
    details: { file: name, expected: 'gzip or zip', found },
  });
}
