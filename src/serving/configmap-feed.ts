import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { Trust } from '../verification/authenticate.js';
import { damaged } from '../configmap/blob.js';
import { readBlob, readRelease, type ReadPiece } from '../configmap/contents.js';
import { contentMark, openMount } from '../configmap/mount.js';
import { differenceFrom, digestOf } from '../stream/digest.js';
import { ioError } from '../files/file-errors.js';
import { PrivateDirectory } from '../files/temp-directory.js';
import { proveRelease } from '../verification/verified-release.js';
import { filesOf } from '../release/release.js';
import type { Release } from '../schema/release.js';
import type { ShardIndex } from '../schema/shardIndex.js';
import { makeIndex, type PluginIndex } from '../server/plugin-index.js';
import { storedTree } from '../server/stored-tree.js';

export interface MountOptions {
  /** Where the index ConfigMap and its shards are mounted. */
  readonly directory: string;
  /** Whom to believe, asked anew for each release: a mounted trust store changes, too. */
  readonly trust: () => Promise<Trust>;
  /**
   * Serve also a release of which the index says that its importer took only some plugins of a bundle. Nobody signs that: who may write
   * the index may then leave out any. @default false
   */
  readonly allowSelection?: boolean;
  /** Where the unpacked files of the releases go. @default the temporary directory of this machine */
  readonly scratch?: string;
}

/** So often may kubelet take away what is being read before that is an error of its own. */
const maxTries = 10;

/**
 * Releases out of mounted ConfigMaps, each proved before anything of it is served. The mount itself is not served from: kubelet
 * takes files away as it likes, and nobody else checks them again.
 */
export class MountedReleases {
  readonly #options: MountOptions;
  readonly #files: PrivateDirectory;
  /** Proved files by SHA-256: those of the release that is served, and of the one before, which answers may still be under way from. */
  readonly #paths = new Map<string, string>();
  #served: ReadonlySet<string> = new Set();
  #kept: ReadonlySet<string> = new Set();

  constructor(options: MountOptions) {
    this.#options = options;
    this.#files = new PrivateDirectory(options.scratch ?? tmpdir());
  }

  /** What changes whenever the mount does. */
  mark(): Promise<string> {
    return contentMark(this.#options.directory);
  }

  /**
   * Proves the current release and makes an index of it, all or nothing.
   *
   * @throws PlugferryError of the trust and integrity kinds, `E_NOT_FOUND`, `E_NO_SPACE`, `E_IO`.
   */
  async load(signal: AbortSignal): Promise<PluginIndex> {
    for (let tries = 1; ; tries += 1) {
      const mark = await this.mark();
      try {
        return await this.#load(signal);
      } catch (error) {
        signal.throwIfAborted();
        await this.#forget();
        if (tries === maxTries || (await this.mark()) === mark) throw error;
      }
    }
  }

  async #load(signal: AbortSignal): Promise<PluginIndex> {
    const { index, read } = await openMount(this.#options.directory);
    const entry = index.releases.find(({ id }) => id === index.current);
    if (entry === undefined) throw damaged('index.json', 'without its current release');
    const release = await readRelease(index, entry, read);
    const { allowSelection = false } = this.#options;
    const proof = { trust: await this.#options.trust(), allowSelection, clock: new Date() };
    const leftOut = await proveRelease({ release, entry, index, read }, proof);
    const needed = new Set([...filesOf(release.plugins)].map(({ file }) => file.sha256));
    await this.#unpack(release, { index, read }, signal);
    const tree = await storedTree(release, this.#paths, signal);
    const notes = leftOut.map((plugin) => `${plugin} is signed and not served: its importer left it out`);
    const made = makeIndex({ ...tree, notes: [...tree.notes, ...notes] });
    this.#kept = new Set([...needed, ...this.#served]);
    this.#served = needed;
    await this.#forget();
    return made;
  }

  isPassing(): boolean {
    return false;
  }

  /** Removes everything that was unpacked. */
  close(): Promise<void> {
    return this.#files.remove();
  }

  async #unpack(
    release: Release,
    { index, read }: { readonly index: ShardIndex; readonly read: ReadPiece },
    signal: AbortSignal,
  ): Promise<void> {
    for (const { path, file } of filesOf(release.plugins)) {
      signal.throwIfAborted();
      if (this.#paths.has(file.sha256)) continue;
      const bytes = await readBlob(index, file.sha256, read);
      const difference = differenceFrom({ path, ...file }, digestOf(bytes));
      if (difference !== null) throw damaged(path, 'not what was signed', difference);
      const stored = await this.#files.create();
      try {
        await stored.handle.writeFile(bytes);
      } catch (error) {
        await rm(stored.path, { force: true });
        throw ioError(error, stored.path);
      } finally {
        await stored.handle.close();
      }
      this.#paths.set(file.sha256, stored.path);
    }
  }

  async #forget(): Promise<void> {
    for (const [sha256, path] of this.#paths) {
      if (this.#kept.has(sha256)) continue;
      this.#paths.delete(sha256);
      await rm(path, { force: true });
    }
  }
}
