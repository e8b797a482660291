import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import type { Readable } from 'node:stream';
import { Scratch } from '../bundle/scratch.js';
import { PlugferryError } from '../errors.js';
import { isDirectory, isRegularFile, openRegular } from '../files/open-regular.js';
import { isHttpLocation } from '../http/address.js';
import { isRemote, namesBundle } from './location.js';
import { openParts, type PartsOptions } from './open-parts.js';
import { partsIn } from '../parts/find.js';
import { looksLikePart } from '../parts/part-file.js';
import { transportFor } from '../transport/locations.js';
import type { RemoteAccess } from '../transport/transport.js';
import { maxFetchedBytes } from '../plugin/limits.js';

/**
 * Where a bundle is: a path, `-` for standard input, `sftp://USER@HOST/PATH` or `http(s)://HOST/PATH`; or the paths of its parts, in
 * any order and under any names, or a directory of them.
 */
export type BundlePlace = string | readonly string[];

/** How a bundle is reached that is not a file of this machine, and which one it must be. */
export interface ReachOptions {
  /** How other machines are reached. */
  readonly access?: RemoteAccess | undefined;
  /** What `-` stands for; without it there is no such place. */
  readonly stdin?: Readable | undefined;
  /** SHA-256 in hex that the file must have: nothing of another one is looked at. */
  readonly sha256?: string | undefined;
}

/** Those of the options of a verb that say how a bundle is reached. */
export const reachOf = ({ access, stdin, sha256 }: ReachOptions): ReachOptions => ({ access, stdin, sha256 });

export interface BytesOptions extends ReachOptions, Omit<PartsOptions, 'scratch'> {
  /** Directory for private copies of what has to be read more than once. @default the system's */
  readonly scratch?: string | undefined;
}

/** The bytes of a bundle file, in order, once. */
export interface BundleBytes {
  /** What messages call it. */
  readonly name: string;
  readonly bytes: Readable;
  /** How many, where that is known beforehand. */
  readonly size: number | undefined;
  /** Whoever opened it calls it, whatever happened since. */
  close(): Promise<void>;
}

export const pathsOf = (place: BundlePlace): readonly string[] =>
  typeof place === 'string' ? [place] : place;

/** Whether the bytes come only once, and from elsewhere: from standard input or from another machine. */
export const isElsewhere = (place: BundlePlace): boolean =>
  pathsOf(place).some((path) => path === '-' || isRemote(path));

/** A web server has bundles under names that say so; anything else there is a server of plugins. */
export const isBundleElsewhere = (location: string): boolean =>
  location === '-' ||
  /^sftp:/i.test(location) ||
  (isHttpLocation(location) && URL.canParse(location) && namesBundle(new URL(location).pathname));

/** Whether a place can only be that of parts. */
export async function isInParts(place: BundlePlace): Promise<boolean> {
  const paths = pathsOf(place);
  const [path = ''] = paths;
  if (paths.length !== 1 || (await isDirectory(path))) return true;
  return (await isRegularFile(path)) && looksLikePart(path);
}

/** Whether there are parts in a directory. */
export const holdsParts = async (directory: string): Promise<boolean> =>
  (await partsIn(directory)).length > 0;

/**
 * Opens the bytes of a bundle, wherever it is. With a digest, they are first copied to a private file and compared.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_USAGE`, `E_DIGEST`, `E_NETWORK`, `E_IO`, and as {@link openParts}.
 */
export async function bundleBytes(place: BundlePlace, options: BytesOptions = {}): Promise<BundleBytes> {
  if (options.sha256 === undefined) return openBytes(place, options);
  const { name, copy } = await bundleCopy(place, options);
  return { name, bytes: copy.stream(0, copy.size), size: copy.size, close: () => copy.close() };
}

/** All bytes of a bundle file in a private file, where they may be read again and in any order. */
export interface BundleCopy {
  /** What messages call the bundle. */
  readonly name: string;
  /** Whoever asked for it closes it. */
  readonly copy: Scratch;
}

/**
 * Copies the bytes of a bundle to a private file: once, however often they are read then. With a digest, they proved to be what was
 * asked for.
 *
 * @throws PlugferryError as {@link bundleBytes}.
 */
export async function bundleCopy(place: BundlePlace, options: BytesOptions = {}): Promise<BundleCopy> {
  const { sha256, signal, scratch = tmpdir() } = options;
  const source = await openBytes(place, options);
  try {
    const copy = await Scratch.open(scratch, signal);
    try {
      const hash = createHash('sha256');
      for await (const chunk of source.bytes) {
        hash.update(chunk as Buffer);
        if (copy.size + (chunk as Buffer).length > maxFetchedBytes) throw tooMuch(source.name);
        await copy.append(chunk as Buffer);
      }
      const found = hash.digest('hex');
      if (sha256 !== undefined && found !== sha256) throw notPinned(source.name, sha256, found);
      return { name: source.name, copy };
    } catch (error) {
      await copy.close();
      throw error;
    }
  } finally {
    await source.close();
  }
}

async function openBytes(place: BundlePlace, options: BytesOptions): Promise<BundleBytes> {
  const paths = pathsOf(place);
  const [path = ''] = paths;
  if (paths.length > 1 && isElsewhere(place)) throw scattered(paths);
  if (path === '-') return standardInput(options);
  if (isRemote(path)) return remoteBytes(path, options);
  return (await isInParts(place)) ? joinedBytes(paths, options) : fileBytes(path, options);
}

function standardInput({ stdin }: BytesOptions): BundleBytes {
  const name = 'standard input';
  if (stdin === undefined || stdin.readableDidRead) {
    throw new PlugferryError('E_USAGE', `${name} can be read only once`, {
      hint: 'Give - in one place only; elsewhere give a path.',
      details: { file: name },
    });
  }
  return {
    name,
    bytes: stdin,
    size: undefined,
    close: async () => {
      stdin.destroy();
    },
  };
}

async function remoteBytes(location: string, { access, sha256, signal }: BytesOptions): Promise<BundleBytes> {
  const remote = transportFor(location, access);
  try {
    const { bytes, size } = await remote.read({ signal, pinned: sha256 !== undefined });
    const close = async (): Promise<void> => {
      bytes.destroy();
      await remote.close();
    };
    return { name: remote.name, bytes, size, close };
  } catch (error) {
    await remote.close();
    throw error;
  }
}

async function joinedBytes(paths: readonly string[], options: BytesOptions): Promise<BundleBytes> {
  const { scratch = tmpdir(), signal, onRepair } = options;
  const parts = await openParts(paths, { scratch, signal, onRepair });
  try {
    const bytes = await parts.stream();
    return { name: nameOf(paths), bytes, size: parts.shape.bundleSize, close: () => parts.close() };
  } catch (error) {
    await parts.close();
    throw error;
  }
}

async function fileBytes(path: string, { signal }: BytesOptions): Promise<BundleBytes> {
  const handle = await openRegular(path, 'bundle');
  const { size } = await handle.stat();
  const bytes = handle.createReadStream({
    start: 0,
    highWaterMark: 1024 * 1024,
    ...(signal === undefined ? {} : { signal }),
  });
  const close = async (): Promise<void> => {
    bytes.destroy();
  };
  return { name: path, bytes, size, close };
}

/** What messages call a bundle. */
export const nameOf = (place: BundlePlace): string => {
  const [first = '', ...others] = pathsOf(place);
  return others.length === 0 ? first : `${first} and ${others.length} more`;
};

/** For a file that is not the one that was asked for. */
export const notPinned = (name: string, expected: string, found: string): PlugferryError =>
  new PlugferryError('E_DIGEST', `${name} has sha256 ${found}, expected ${expected}`, {
    hint: 'Compare the digest that you were given with its origin. If that is right, somebody gave you another file.',
    details: { file: name, expected, found, check: 'sha256' },
  });

const tooMuch = (name: string): PlugferryError =>
  new PlugferryError('E_LIMIT', `${name} has more than ${maxFetchedBytes} bytes, and no bundle does`, {
    hint: 'Check that this is the right file.',
    details: { file: name, expected: maxFetchedBytes },
  });

const scattered = (paths: readonly string[]): PlugferryError =>
  new PlugferryError('E_USAGE', `several places were given, and not all are paths: ${paths.join(', ')}`, {
    hint: 'Parts are read from this machine: get each with "plugferry pull", then name the files.',
    details: { found: paths.length },
  });
