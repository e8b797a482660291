import { PlugferryError } from '../errors.js';
import { openRegular } from '../io/file.js';
import type { SealedBundle } from './bundle.js';
import { unpackTarGz } from './unpack.js';

/**
 * Opens a bundle file. What it is follows from its first bytes, not from its name; it is then read once, from start to end.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_CONTAINER` when it is no bundle, and as {@link unpackTarGz}.
 */
export async function openBundleFile(path: string, signal?: AbortSignal): Promise<SealedBundle> {
  const handle = await openRegular(path, 'bundle');
  try {
    const head = Buffer.alloc(262);
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    refuseOther(path, head.subarray(0, bytesRead));
    const source = handle.createReadStream({
      start: 0,
      highWaterMark: 1024 * 1024,
      ...(signal === undefined ? {} : { signal }),
    });
    return await unpackTarGz(source);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** What people give by mistake, by its first bytes. */
const strangers: readonly (readonly [signature: string, at: number, what: string])[] = [
  ['504b0304', 0, 'a zip archive'],
  ['504b0506', 0, 'an empty zip archive'],
  ['28b52ffd', 0, 'a zstd file'],
  ['fd377a585a00', 0, 'an xz file'],
  ['425a68', 0, 'a bzip2 file'],
  ['0061736d', 0, 'a WebAssembly module'],
  ['7573746172', 257, 'a tar that is not compressed'],
  ['3c', 0, 'a page or XML text'],
  ['2d2d2d2d2d424547494e', 0, 'a key or certificate'],
];

function refuseOther(path: string, head: Buffer): void {
  if (head.subarray(0, 2).toString('hex') === '1f8b') return;
  const known = strangers.find(([hex, at]) => head.subarray(at, at + hex.length / 2).toString('hex') === hex);
  const found = head.length === 0 ? 'empty' : (known?.[2] ?? 'of an unknown kind');
  throw new PlugferryError('E_CONTAINER', `${path} is ${found}, expected a .tar.gz bundle`, {
    hint: 'Give the file that "plugferry export" wrote.',
    details: { file: path, expected: 'gzip', found },
  });
}
