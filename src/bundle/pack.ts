import { once } from 'node:events';
import { PassThrough, pipeline as connect, type Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TarArchive, type EntryData } from 'archiver';
import { Metering, Verifying, type Digest } from '../io/digest.js';
import type { ManifestFile } from '../schema/manifest.js';
import { manifestName, signatureName } from './bundle.js';
import { gzip } from './gzip.js';

/** Everything that goes into a bundle, with its manifest already written and signed. */
export interface BundleContent {
  readonly manifestBytes: Buffer;
  /** Raw signatures by key id. */
  readonly signatures: ReadonlyMap<string, Buffer>;
  /** The files of the manifest, in its order. */
  readonly files: readonly ManifestFile[];
  /** Opens the bytes of a file that is stored in its own right. They are checked against the manifest on their way. */
  open(file: ManifestFile): Promise<Readable>;
  /** Stamped on every entry, so that the archive says nothing about when it was packed. */
  readonly date: Date;
}

/** What archiver hands on to tar, of which its type declarations know only a part. */
type TarEntryData = Omit<EntryData, 'type' | 'stats'> & {
  readonly type?: 'link';
  readonly linkname?: string;
  readonly stats?: { readonly size: number };
};

/**
 * Writes a `.tar.gz` bundle to `out`: the same content gives the same bytes. One source file is open at a time, and
 * nothing but manifest and signatures is held whole in memory.
 *
 * @returns size and digest of what was written.
 * @throws what `open` throws, `E_DIGEST` when a source is not what the manifest says, and errors of `out`.
 */
export async function packTarGz(
  content: BundleContent,
  out: Writable,
  signal?: AbortSignal,
): Promise<Digest> {
  const archive = new TarArchive({});
  const tar = detachable(archive);
  const meter = new Metering();
  const written = pipeline(gzip(tar), meter, out, signal === undefined ? {} : { signal });
  // It is awaited at the end; until then its rejection is not unhandled.
  written.catch(() => undefined);
  try {
    for (const entry of entriesOf(content)) {
      await append(archive, await entry(), { date: content.date, tar, written });
    }
    // finalize() may never settle after an error; `written` always does.
    archive.finalize().catch(() => undefined);
    await written;
    return meter.digest();
  } catch (error) {
    tar.destroy(error instanceof Error ? error : new Error(String(error)));
    await written.catch(() => undefined);
    throw error;
  }
}

/**
 * What an archive writes, in a stream that may be destroyed. The archive itself may not: tar-stream below it answers with
 * exceptions that nobody can catch. Cut off from its output it stands still and is collected.
 */
function detachable(archive: TarArchive): PassThrough {
  const tar = new PassThrough({ highWaterMark: 1024 * 1024 });
  const fail = (error: Error): void => {
    tar.destroy(error);
  };
  archive.on('error', fail);
  // A warning means that archiver leaves something out and goes on.
  archive.on('warning', fail);
  archive.pipe(tar);
  return tar;
}

interface TarItem {
  readonly source: Readable | Buffer;
  readonly data: TarEntryData;
  /** What a stream must turn out to be. */
  readonly expected?: ManifestFile;
}

function* entriesOf(content: BundleContent): Generator<() => Promise<TarItem>> {
  yield async () => ({ source: content.manifestBytes, data: { name: manifestName } });
  for (const [keyId, signature] of [...content.signatures].sort(([a], [b]) => (a < b ? -1 : 1))) {
    yield async () => ({ source: signature, data: { name: signatureName(keyId) } });
  }
  for (const file of content.files) yield () => payloadItem(file, content);
}

async function payloadItem(file: ManifestFile, content: BundleContent): Promise<TarItem> {
  const name = file.path;
  if (file.sameAs !== undefined)
    return { source: Buffer.alloc(0), data: { name, type: 'link', linkname: file.sameAs } };
  return { source: await content.open(file), data: { name, stats: { size: file.size } }, expected: file };
}

interface AppendOptions {
  readonly date: Date;
  /** What the archive writes; destroyed to make everything fail. */
  readonly tar: PassThrough;
  /** Rejects when the archive can no longer be written. */
  readonly written: Promise<void>;
}

/** Adds one entry and waits until it is through, so that at most one source is open. */
async function append(
  archive: TarArchive,
  item: TarItem,
  { date, tar, written }: AppendOptions,
): Promise<void> {
  const added = once(archive, 'entry');
  added.catch(() => undefined);
  const source = proven(item, tar);
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
function proven({ source, expected }: TarItem, tar: PassThrough): Readable | Buffer {
  if (expected === undefined || Buffer.isBuffer(source)) return source;
  const verifying = new Verifying(expected);
  connect(source, verifying, (error) => {
    if (error) tar.destroy(error);
  });
  return verifying;
}
