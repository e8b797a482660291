import { rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import type { Entry, ZipFile } from 'yauzl';
import { isPlugferryError, PlugferryError } from '../errors.js';
import { ioError } from '../files/file-errors.js';
import { fileWriter } from '../files/file-writer.js';
import { PrivateDirectory } from '../files/temp-directory.js';
import { escapeText } from '../stream/text.js';
import { maxModuleBytes } from '../plugin/plugin.js';
import { isModuleName, listingOf, noModules, type FoundModule } from './modules.js';
import type { Source, SourceListing } from './source.js';
import { maxFetchedBytes } from '../plugin/limits.js';

/** Most entries that are looked at. */
const maxEntries = 100_000;

/**
 * A zip as CI systems keep what a build made, with modules anywhere in it. Entries are read one by one and never under their
 * own names: a name only says what the plugin is called.
 *
 * @param scratch directory in which a private one for the modules is made.
 * @throws PlugferryError `E_SOURCE` when it is no zip.
 */
export async function artifactZipSource(path: string, scratch: string): Promise<Source> {
  // Loading it takes time that those who never meet a zip need not wait.
  const { openPromise } = await import('yauzl');
  const zip = await guarded(path, () => openPromise(path, { autoClose: false }));
  const archive = { path, zip, copies: new PrivateDirectory(scratch, { of: path, limit: maxFetchedBytes }) };
  return {
    list: (signal) => guarded(path, () => listEntries(archive, signal)),
    close: async () => {
      zip.close();
      await archive.copies.remove();
    },
  };
}

interface Archive {
  readonly path: string;
  readonly zip: ZipFile;
  readonly copies: PrivateDirectory;
}

async function listEntries(archive: Archive, signal?: AbortSignal): Promise<SourceListing> {
  const modules = new Map<string, FoundModule>();
  let seen = 0;
  for await (const entry of archive.zip.eachEntry()) {
    signal?.throwIfAborted();
    seen += 1;
    if (seen > maxEntries) throw refused(archive.path, `more than ${maxEntries} entries`);
    const { fileName } = entry;
    if (!isModuleName(fileName)) continue;
    if (modules.has(fileName)) throw refused(archive.path, 'the same name twice', { entry: fileName });
    modules.set(fileName, moduleOf(archive, entry));
  }
  if (modules.size === 0)
    throw noModules(archive.path, 'Give the archive that the build of the plugins left.');
  return listingOf([...modules.values()]);
}

function moduleOf(archive: Archive, entry: Entry): FoundModule {
  const { fileName: from } = entry;
  return {
    from,
    fetch: async (signal) => {
      const wasm = await guarded(archive.path, () => extract(archive, entry, signal), signal);
      return {
        wasm,
        metadata: undefined,
        provenance: { kind: 'zip', reference: escapeText(`${basename(archive.path)}: ${from}`) },
        discard: () => rm(wasm, { force: true }),
      };
    },
  };
}

/** The format has the file type of Unix in the upper half of the attributes; a link is a file whose content is a path. */
const isOrdinary = ({ externalFileAttributes, versionMadeBy }: Entry): boolean => {
  const type = (externalFileAttributes >>> 16) & 0o170000;
  return versionMadeBy >>> 8 !== 3 || type === 0 || type === 0o100000;
};

async function extract({ path, zip, copies }: Archive, entry: Entry, signal?: AbortSignal): Promise<string> {
  const { fileName, uncompressedSize } = entry;
  if (!isOrdinary(entry)) throw refused(path, 'an entry that is not a regular file', { entry: fileName });
  if (entry.isEncrypted()) throw refused(path, 'an encrypted entry', { entry: fileName });
  if (!entry.canDecodeFileData())
    throw refused(path, `compression method ${entry.compressionMethod}`, { entry: fileName });
  if (uncompressedSize > maxModuleBytes) throw tooLarge(path, fileName, uncompressedSize);
  const copy = await copies.create();
  try {
    let sum = 0;
    // yauzl ends the stream with an error where the size is not the stated one.
    const body = await zip.openReadStreamPromise(entry);
    const summing = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const chunk of chunks) {
        sum = crc32(chunk, sum);
        yield chunk;
      }
    };
    await pipeline(body, summing, fileWriter(copy.handle), { signal });
    if (sum !== entry.crc32) throw refused(path, 'an entry with a wrong CRC-32', { entry: fileName });
    return copy.path;
  } catch (error) {
    await rm(copy.path, { force: true });
    // A full disk is not the archive's fault.
    throw ioError(error, copy.path);
  } finally {
    await copy.handle.close();
  }
}

/** What yauzl and zlib complain of is the archive's fault. */
async function guarded<T>(path: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    const known = ioError(error, path);
    if (isPlugferryError(known)) throw known;
    throw refused(path, error instanceof Error ? error.message : String(error), { cause: error });
  }
}

interface Fault {
  readonly entry?: string;
  readonly cause?: unknown;
}

function refused(file: string, found: string, { entry, cause }: Fault = {}): PlugferryError {
  const where = entry === undefined ? '' : ` ("${entry}")`;
  return new PlugferryError('E_SOURCE', `${file}: the zip cannot be used: ${found}${where}`, {
    hint: 'Take it again from where it was made, or make it anew with an ordinary zip program.',
    details: { file, found, ...(entry === undefined ? {} : { entry }) },
    cause,
  });
}

const tooLarge = (file: string, entry: string, size: number): PlugferryError =>
  new PlugferryError('E_LIMIT', `${file}: "${entry}" has ${size} bytes, expected at most ${maxModuleBytes}`, {
    hint: 'The gateway cuts a module off at 256 MiB. Strip its debug sections, or build it smaller.',
    details: { file, entry, expected: maxModuleBytes, found: size },
  });
