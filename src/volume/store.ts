import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { PlugferryError } from '../errors.js';
import { filesOf } from '../release/release.js';
import type { ReleaseFile } from '../schema/release.js';
import { Verifying, type Digest, type Expected } from '../stream/digest.js';
import { blobPath } from './layout.js';
import type { FileSystem } from '../files/file-system.js';
import { eachOf, exists, linkOrCopy, lstatIfThere } from './disk.js';
import type { OpenVolume } from './open-volume.js';
import { isOurs } from './ownership.js';
import { ensureSpace } from './space.js';

/** The content store of a volume during one change: what it holds, and what came in but is not part of it yet. */
export class BlobStore {
  readonly #volume: OpenVolume;
  /** Staged files by SHA-256. */
  readonly #received = new Map<string, string>();
  /** Whether the store has these bytes, right and out of the reach of others: looked at once. */
  readonly #proofs = new Map<string, Promise<boolean>>();
  /** Blobs that are there since this change. */
  readonly #added = new Set<string>();
  /** Bytes whose blob was replaced by a new file: releases may still hold the old one. */
  readonly #renewed = new Map<string, 'damaged' | 'shared'>();
  /** Files that the tree to be adopted will bring, by SHA-256. */
  readonly #adoptable: ReadonlyMap<string, ReleaseFile>;

  /** @param adoptable the files of the tree to be adopted. */
  constructor(volume: OpenVolume, adoptable: readonly ReleaseFile[] = []) {
    this.#volume = volume;
    this.#adoptable = new Map(adoptable.map((file) => [file.sha256, file]));
  }

  get #files(): FileSystem {
    return this.#volume.layout.files;
  }

  /** Bytes that are in a new file since this change, although a release may hold them in another one. */
  get renewed(): ReadonlyMap<string, 'damaged' | 'shared'> {
    return this.#renewed;
  }

  async prepare(files: readonly Digest[]): Promise<ReadonlySet<string>> {
    const missing = new Map<string, number>();
    for (const file of files) if (!(await this.holds(file))) missing.set(file.sha256, file.size);
    // A tree is adopted file by file, each of which is there twice for a moment.
    const adopting = Math.max(0, ...[...this.#adoptable.values()].map(({ size }) => size));
    const bytes = [...missing.values()].reduce((sum, size) => sum + size, adopting);
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

  /**
   * Whether these bytes need not be brought. What is stored is read, so that damage is repaired and not passed on, and
   * stored anew where others could change it.
   */
  async holds(file: Digest): Promise<boolean> {
    return this.#received.has(file.sha256) || this.#adoptable.has(file.sha256) || this.#isProven(file);
  }

  #isProven(file: Digest): Promise<boolean> {
    const known = this.#proofs.get(file.sha256);
    if (known !== undefined) return known;
    const proof = this.#prove(file);
    this.#proofs.set(file.sha256, proof);
    return proof;
  }

  async #prove({ sha256, size }: Digest): Promise<boolean> {
    const { options, lock, proofs } = this.#volume;
    const path = this.#pathOf(sha256);
    const stats = await lstatIfThere(this.#files, path);
    if (stats?.isFile() !== true || stats.size !== size) return false;
    if ((await proofs.sha256(path, stats, options.signal)) !== sha256) return false;
    if (!isOurs(stats, lock.uid)) {
      await this.#copyIn({ from: path, sha256 });
      this.#renewed.set(sha256, 'shared');
    }
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
      await this.#keep(path, sha256);
      // Releases may list it although the store had lost it.
      this.#renewed.set(sha256, 'damaged');
    });
    await this.#files.syncDirectory(layout.blobs);
    await this.#files.syncDirectory(join(this.#volume.run, 'incoming'));
  }

  /**
   * Adds copies of files that lie elsewhere on the volume, and were read during this change.
   *
   * @throws PlugferryError `E_SOURCE_CHANGED` when one has other bytes by now.
   */
  async adopt(files: Iterable<{ readonly file: Digest; readonly path: string }>): Promise<void> {
    const paths = new Map([...files].map((entry) => [entry.file.sha256, entry]));
    await eachOf(paths.values(), async ({ file, path }) => {
      this.#volume.options.signal?.throwIfAborted();
      if (!(await this.#isProven(file))) await this.#copyIn({ from: path, sha256: file.sha256 });
    });
    await this.#files.syncDirectory(this.#volume.layout.blobs);
  }

  /** Makes the file at `to` out of the store. Its directory is not synced. */
  async place(file: Digest, to: string): Promise<void> {
    const { features, options } = this.#volume;
    const from = this.#pathOf(file.sha256);
    if (!(await this.#isProven(file))) throw notStored(from);
    if ((await linkOrCopy({ ...features, files: this.#files }, from, to)) === 'link') return;
    if ((await this.#files.sha256(to, options)) !== file.sha256) throw notAsWritten(to);
  }

  /**
   * Takes out again what this change put in and no release uses. Best effort: whoever has the lock next sweeps, and while
   * somebody else has it, everything may be in use.
   */
  async discard(): Promise<void> {
    const { lock, layout, releases } = this.#volume;
    const used = new Set<string>();
    for (const { plugins } of releases.complete.values())
      for (const { file } of filesOf(plugins)) used.add(file.sha256);
    try {
      await lock.assertHeld();
      for (const sha256 of this.#added) if (!used.has(sha256)) await this.#files.unlink(this.#pathOf(sha256));
      if (this.#added.size > 0) await this.#files.syncDirectory(layout.blobs);
    } catch {
      // What made the change fail is what the caller must hear of.
    }
  }

  /** A file of our own with the bytes of another one, which are compared behind the copy. */
  async #copyIn({ from, sha256 }: { readonly from: string; readonly sha256: string }): Promise<void> {
    const draft = join(this.#volume.run, randomUUID());
    await this.#files.copy(from, draft);
    if ((await this.#files.sha256(draft, this.#volume.options)) !== sha256) throw changedMeanwhile(from);
    await this.#keep(draft, sha256);
  }

  /** Moves a file that has these bytes into the store. */
  async #keep(path: string, sha256: string): Promise<void> {
    const blob = this.#pathOf(sha256);
    if (await exists(this.#files, blob)) this.#renewed.set(sha256, 'damaged');
    else this.#added.add(sha256);
    await this.#files.rename(path, blob);
    this.#proofs.set(sha256, Promise.resolve(true));
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

function changedMeanwhile(path: string): PlugferryError {
  return new PlugferryError('E_SOURCE_CHANGED', `${path} was changed while it was copied`, {
    hint: 'Stop whoever writes there, then run again.',
    details: { file: path },
  });
}

function notStored(path: string): PlugferryError {
  return new PlugferryError('E_RELEASE', `${path} is missing or damaged, and the next release needs it`, {
    hint: 'Run "plugferry verify" on the volume, then import the bundle that brought these bytes once more.',
    details: { file: path },
  });
}
