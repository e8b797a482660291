import { once } from 'node:events';
import { PassThrough, pipeline as connect, type Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Archiver, EntryData } from 'archiver';
import { Metering, Verifying, type Digest } from '../stream/digest.js';
import { Tally, type Progress } from '../stream/progress.js';
import type { ManifestFile } from '../schema/manifest.js';
import { manifestName, signatureName } from './bundle.js';
import { deflateOptions, gzip } from './gzip.js';
import { withinZip } from './zip-size.js';

/** Everything that goes into a bundle, with its manifest already written and signed. */
export interface BundleContent {
  readonly manifestBytes: Buffer;
  /** Raw signatures by key id. */
  readonly signatures: ReadonlyMap<string, Buffer>;
  /** The files of the manifest, in its order. */
  readonly files: readonly ManifestFile[];
  /**
   * Opens the bytes of a file; they are checked against the manifest on their way. A tar asks only for files that are stored
   * in their own right, a zip for all.
   */
  open(file: ManifestFile): Promise<Readable>;
  /** Stamped on every entry, so that the archive says nothing about when it was packed. */
  readonly date: Date;
  /** Told how many bytes of files have gone in. */
  readonly progress?: Progress | undefined;
}

/** What archiver hands on to tar, of which its type declarations know only a part. */
type ItemData = Omit<EntryData, 'type' | 'stats'> & {
  readonly type?: 'link';
  readonly linkname?: string;
  readonly stats?: { readonly size: number };
};

/**
 * Writes a bundle to `out`: the same content gives the same bytes. One source file is open at a time, and nothing but
 * manifest and signatures is held whole in memory.
 *
 * @returns size and digest of what was written.
 * @throws what `open` throws, `E_DIGEST` when a source is not what the manifest says, `E_LIMIT` when the container cannot
 *   hold it, and errors of `out`.
 */
export type Pack = (content: BundleContent, out: Writable, signal?: AbortSignal) => Promise<Digest>;

/** The last second that tar-stream can write: it takes times for 32-bit numbers, and later ones would come out as anything. */
const latestTarTime = 2 ** 31 - 1;

/**
 * Writes a `.tar.gz`; a file with the bytes of an earlier one becomes a hard link to it. Entries of a bundle that is made after
 * 2038-01-19T03:14:07Z carry that time.
 */
export const packTarGz: Pack = async (content, out, signal) => {
  const { TarArchive } = await loadArchiver();
  const container = { archive: new TarArchive({}), finish: gzip, items: entriesOf(content, { links: true }) };
  const date = new Date(Math.min(content.date.getTime(), latestTarTime * 1000));
  return pack(container, date, { out, signal });
};

/** Writes a `.zip`; dates before 1980 and after 2043, which zip cannot express, become the nearest that it can. */
export const packZip: Pack = async (content, out, signal) => {
  const { ZipArchive } = await loadArchiver();
  const archive = new ZipArchive({ zlib: deflateOptions });
  const container = { archive, finish: withinZip, items: entriesOf(content, { links: false }) };
  return pack(container, content.date, { out, signal });
};

/** Loading it takes longer than most commands that write no bundle. */
const loadArchiver = () => import('archiver');

interface Container {
  readonly archive: Archiver;
  /** From what the archive writes to the bytes of the file. */
  readonly finish: (archived: Readable) => Readable;
  readonly items: Iterable<() => Promise<Item>>;
}

interface Destination {
  readonly out: Writable;
  readonly signal: AbortSignal | undefined;
}

async function pack(
  { archive, finish, items }: Container,
  date: Date,
  { out, signal }: Destination,
): Promise<Digest> {
  const archived = detachable(archive);
  const meter = new Metering();
  const written = pipeline(finish(archived), meter, out, signal === undefined ? {} : { signal });
  // It is awaited at the end; until then its rejection is not unhandled.
  written.catch(() => undefined);
  try {
    for (const item of items) await append(archive, await item(), { date, archived, written });
    // finalize() may never settle after an error; `written` always does.
    archive.finalize().catch(() => undefined);
    await written;
    return meter.digest();
  } catch (error) {
    archived.destroy(error instanceof Error ? error : new Error(String(error)));
    await written.catch(() => undefined);
    throw error;
  }
}

/**
 * What an archive writes, in a stream that may be destroyed. The archive itself may not: tar-stream below it answers with
 * exceptions that nobody can catch. Cut off from its output it stands still and is collected.
 */
function detachable(archive: Archiver): PassThrough {
  const archived = new PassThrough({ highWaterMark: 1024 * 1024 });
  const fail = (error: Error): void => {
    archived.destroy(error);
  };
  archive.on('error', fail);
  // A warning means that archiver leaves something out and goes on.
  archive.on('warning', fail);
  archive.pipe(archived);
  return archived;
}

interface Item {
  readonly source: Readable | Buffer;
  readonly data: ItemData;
  /** What a stream must turn out to be. */
  readonly expected?: ManifestFile;
  readonly tally?: Tally;
}

function* entriesOf(
  content: BundleContent,
  { links }: { readonly links: boolean },
): Generator<() => Promise<Item>> {
  yield async () => ({ source: content.manifestBytes, data: { name: manifestName } });
  for (const [keyId, signature] of [...content.signatures].sort(([a], [b]) => (a < b ? -1 : 1))) {
    yield async () => ({ source: signature, data: { name: signatureName(keyId) } });
  }
  const isLink = ({ sameAs }: ManifestFile): boolean => links && sameAs !== undefined;
  const total = content.files.reduce((sum, file) => sum + (isLink(file) ? 0 : file.size), 0);
  const tally = new Tally(content.progress, total);
  for (const file of content.files)
    yield async () => (isLink(file) ? linkItem(file) : payloadItem(file, content, tally));
}

const linkItem = ({ path: name, sameAs = '' }: ManifestFile): Item => ({
  source: Buffer.alloc(0),
  data: { name, type: 'link', linkname: sameAs },
});

const payloadItem = async (file: ManifestFile, content: BundleContent, tally: Tally): Promise<Item> => ({
  source: await content.open(file),
  data: { name: file.path, stats: { size: file.size } },
  expected: file,
  tally,
});

interface AppendOptions {
  readonly date: Date;
  /** What the archive writes; destroyed to make everything fail. */
  readonly archived: PassThrough;
  /** Rejects when the archive can no longer be written. */
  readonly written: Promise<void>;
}

/** Adds one entry and waits until it is through, so that at most one source is open. */
async function append(
  archive: Archiver,
  item: Item,
  { date, archived, written }: AppendOptions,
): Promise<void> {
  const added = once(archive, 'entry');
  added.catch(() => undefined);
  const source = proven(item, archived);
  try {
    // The declarations lack hard links; tar-stream below archiver writes them.
    archive.append(source, { ...item.data, date, mode: 0o644 } as unknown as EntryData);
    await Promise.race([added, written]);
  } catch (error) {
    if (!Buffer.isBuffer(source)) source.destroy();
    throw error;
  }
}

/**
 * The source behind a check of its promised size and digest. archiver does not see a source fail, and a wrong length would
 * be an exception that nobody can catch, so a failed check ends the whole archive instead of the entry.
 */
function proven({ source, expected, tally }: Item, archived: PassThrough): Readable | Buffer {
  if (expected === undefined || Buffer.isBuffer(source)) return source;
  const verifying = new Verifying(expected, tally?.add);
  connect(source, verifying, (error) => {
    if (error) archived.destroy(error);
  });
  return verifying;
}
