import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { PlugferryError } from '../errors.js';
import { Verifying, type Digest, type Expected } from '../io/digest.js';
import { blobPath } from './layout.js';
import type { FileSystem } from '../io/file-system.js';
import { eachOf, linkOrCopy, lstatIfThere } from './disk.js';
import type { OpenVolume } from './open.js';
import { ensureSpace } from './space.js';

/** The content store of a volume during one change: what it holds, and what came in but is not part of it yet. */
export class BlobStore {
  readonly #volume: OpenVolume;
  /** Staged files by SHA-256. */
  readonly #received = new Map<string, string>();
  /** Blobs whose bytes were read and found right during this change. */
  readonly #proven = new Set<string>();
  /** Bytes that the tree to be adopted will bring. */
  readonly #adoptable: ReadonlySet<string>;

  constructor(volume: OpenVolume, adoptable: ReadonlySet<string>) {
    this.#volume = volume;
    this.#adoptable = adoptable;
  }

  get #files(): FileSystem {
    return this.#volume.layout.files;
  }

  /** Bytes that came in during this change. */
  get received(): ReadonlySet<string> {
    return new Set(this.#received.keys());
  }

  async prepare(files: readonly Digest[]): Promise<ReadonlySet<string>> {
    const missing = new Map<string, number>();
    for (const file of files) if (!(await this.holds(file))) missing.set(file.sha256, file.size);
    const bytes = [...missing.values()].reduce((sum, size) => sum + size, 0);
    // In the worst case each file has a directory and a link of its own.
    const need = this.#volume.features.hardLinks
      ? { bytes, inodes: missing.size + 3 * files.length }
      : {
          bytes: bytes + files.reduce((sum, { size }) => sum + size, 0),
          inodes: missing.size + 4 * files.length,
        };
    await ensureSpace(this.#volume.layout, need);
    return new Set(missing.keys());
  }

  /** Whether these bytes need not be brought: read and found right, so that damage is repaired and not passed on. */
  async holds(file: Digest): Promise<boolean> {
    const { sha256 } = file;
    if (this.#received.has(sha256) || this.#proven.has(sha256) || this.#adoptable.has(sha256)) return true;
    if (!(await this.looksRight(file))) return false;
    const { signal } = this.#volume.options;
    if ((await this.#files.sha256(this.#pathOf(sha256), { signal })) !== sha256) return false;
    this.#proven.add(sha256);
    return true;
  }

  async receive(expected: Expected, bytes: Readable): Promise<void> {
    const { signal } = this.#volume.options;
    const known = await this.holds(expected).catch((error: unknown) => {
      bytes.destroy();
      throw error;
    });
    const take = known
      ? drain
      : (verified: AsyncIterable<Uint8Array>) => this.#stage(expected.sha256, verified);
    await pipeline(bytes, new Verifying(expected), take, ...(signal === undefined ? [] : [{ signal }]));
  }

  async #stage(sha256: string, verified: AsyncIterable<Uint8Array>): Promise<void> {
    const directory = join(this.#volume.run, 'incoming');
    await this.#files.mkdir(directory, { recursive: true, mode: 0o700 });
    const path = join(directory, sha256);
    await this.#files.writeNew(path, verified);
    this.#received.set(sha256, path);
  }

  /** Reads everything that came in once more, now from the disk, and makes it part of the store. */
  async commit(): Promise<void> {
    if (this.#received.size === 0) return;
    const { options, layout } = this.#volume;
    await eachOf(this.#received, async ([sha256, path]) => {
      options.signal?.throwIfAborted();
      if ((await this.#files.sha256(path, options)) !== sha256) throw notAsWritten(path);
      await this.#files.rename(path, this.#pathOf(sha256));
      this.#proven.add(sha256);
    });
    await this.#files.syncDirectory(layout.blobs);
    await this.#files.syncDirectory(join(this.#volume.run, 'incoming'));
  }

  /** Adds files that lie elsewhere on the volume and were read during this change. */
  async adopt(files: Iterable<{ readonly file: Digest; readonly path: string }>): Promise<void> {
    const paths = new Map([...files].map((entry) => [entry.file.sha256, entry]));
    await eachOf(paths.values(), async ({ file, path }) => {
      if (await this.looksRight(file)) return;
      const draft = join(this.#volume.run, randomUUID());
      await this.#linkOrCopy({ from: path, to: draft, sha256: file.sha256 });
      await this.#files.rename(draft, this.#pathOf(file.sha256));
    });
    await this.#files.syncDirectory(this.#volume.layout.blobs);
  }

  /** Makes the file at `to` out of the store. Its directory is not synced. */
  async place(file: Digest, to: string): Promise<void> {
    if (!(await this.looksRight(file))) throw notStored(this.#pathOf(file.sha256));
    await this.#linkOrCopy({ from: this.#pathOf(file.sha256), to, sha256: file.sha256 });
  }

  /** Whether the store lists these bytes with the right size; whether they are right is not looked at. */
  async looksRight({ sha256, size }: Digest): Promise<boolean> {
    const stats = await lstatIfThere(this.#files, this.#pathOf(sha256));
    return stats?.isFile() === true && stats.size === size;
  }

  async #linkOrCopy({ from, to, sha256 }: { from: string; to: string; sha256: string }): Promise<void> {
    if ((await linkOrCopy({ ...this.#volume.features, files: this.#files }, from, to)) === 'link') return;
    if ((await this.#files.sha256(to, this.#volume.options)) !== sha256) throw notAsWritten(to);
  }

  #pathOf(sha256: string): string {
    return blobPath(this.#volume.layout, sha256);
  }
}

async function drain(verified: AsyncIterable<Uint8Array>): Promise<void> {
  const chunks = verified[Symbol.asyncIterator]();
  while ((await chunks.next()).done !== true);
}

function notAsWritten(path: string): PlugferryError {
  return new PlugferryError('E_IO', `${path}: reads back other bytes than were written`, {
    hint: 'The medium of the volume is not reliable. Check the system log and the disk.',
    details: { file: path },
  });
}

function notStored(path: string): PlugferryError {
  return new PlugferryError('E_RELEASE', `${path} is missing or damaged, and the next release needs it`, {
    hint: 'Run "plugferry verify" on the volume, then import the bundle that brought these bytes once more.',
    details: { file: path },
  });
}
