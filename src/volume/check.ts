import { join, relative } from 'node:path';
import { systemCode } from '../errors.js';
import type { FileSystem } from '../files/file-system.js';
import { Tally, progressOf, type Progress, type ProgressObserver } from '../stream/progress.js';
import { compareText, formatPluginId } from '../plugin/plugin.js';
import { filesOf } from '../release/release.js';
import type { Release } from '../schema/release.js';
import { exists, lstatIfThere, orIfMissing } from './disk.js';
import { exposedIn } from './exposed.js';
import { volumeFailure } from './failure.js';
import {
  blobPath,
  ownPlaces,
  releaseDirectory,
  releaseFile,
  releasePlugins,
  type VolumeLayout,
} from './layout.js';
import { readParts } from './read.js';
import type { ReadVolume } from './read-volume.js';
import { lostLink } from './sound.js';

/** One thing that is not as it was made. */
export interface Finding {
  /**
   * `changed`: other bytes. `missing`: not there, or not a regular file. `extra`: nobody listed it. `unreadable`: release.json
   * or the link to the current release is damaged. `exposed`: others than the owner of the volume could change it.
   */
  readonly kind: 'changed' | 'missing' | 'extra' | 'unreadable' | 'exposed';
  /** Below the volume; absolute for the volume itself and what is above it. */
  readonly path: string;
  readonly release?: string;
  /** name@version, when it is a file of a plugin. */
  readonly plugin?: string;
  readonly expected?: string;
  readonly found?: string;
}

export interface VolumeCheck {
  readonly root: string;
  /** True for a plain tree: there is nothing to compare it with. */
  readonly plain: boolean;
  /** Id of the current release. */
  readonly release: string | undefined;
  readonly releases: number;
  /** Distinct files that were read. */
  readonly files: number;
  readonly bytes: number;
  /** Ascending by path; empty when all is as it was made. */
  readonly findings: readonly Finding[];
}

export interface CheckOptions {
  readonly signal?: AbortSignal | undefined;
  /** Where the volume lies. @default this machine's disk */
  readonly files?: FileSystem | undefined;
  readonly onProgress?: ProgressObserver | undefined;
  /** Directories on the way to the volume, or its root, that the operator vouches for although others may write them. */
  readonly safeDirectories?: readonly string[] | undefined;
}

/** How to get rid of a finding. */
export const checkHint =
  'Import the bundle that brought a damaged file once more: it is put right in place. If that finds nothing to do, remove ' +
  'the damaged file below .plugferry/blobs first. What is exposed wants chown to the owner of the volume and chmod go-w.';

/**
 * Reads every byte of every release and compares it with what was recorded when it was proved. Writes nothing, takes no
 * lock.
 *
 * @throws PlugferryError `E_NOT_FOUND`, `E_RELEASE` when the state is damaged, `E_IO`.
 */
export async function checkVolume(
  root: string,
  { signal, files, onProgress, safeDirectories }: CheckOptions = {},
): Promise<VolumeCheck> {
  const volume = await readParts(root, files);
  try {
    const progress = progressOf(onProgress, 'verify');
    return await new Check(volume, { signal, progress, safe: safeDirectories }).run();
  } catch (error) {
    throw volumeFailure(error, root);
  }
}

/** Bytes of the files of releases: those that are alike are there once. */
function bytesOf(releases: Iterable<Release>): number {
  const sizes = new Map<string, number>();
  for (const { plugins } of releases)
    for (const { file } of filesOf(plugins)) sizes.set(file.sha256, file.size);
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

class Check {
  readonly #volume: ReadVolume;
  readonly #layout: VolumeLayout;
  readonly #safe: readonly string[] | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #findings: Finding[] = [];
  /** Hard links are read once. */
  readonly #hashes = new Map<string, string>();
  readonly #tally: Tally;
  #bytes = 0;

  constructor(
    volume: ReadVolume,
    {
      signal,
      progress,
      safe,
    }: {
      readonly signal: AbortSignal | undefined;
      readonly progress: Progress | undefined;
      readonly safe: readonly string[] | undefined;
    },
  ) {
    this.#safe = safe;
    this.#tally = new Tally(progress, bytesOf(volume.releases.complete.values()));
    this.#volume = volume;
    this.#layout = volume.layout;
    this.#signal = signal;
  }

  async run(): Promise<VolumeCheck> {
    const { tree, releases } = this.#volume;
    for (const release of releases.complete.values()) await this.#checkRelease(release);
    for (const [id, { message }] of releases.damaged) {
      this.#note({ kind: 'unreadable', path: releaseFile(this.#layout, id), release: id, found: message });
    }
    await this.#checkBlobs();
    await this.#checkExposed();
    const lost = await lostLink(this.#volume);
    if (lost !== undefined) this.#note({ kind: 'unreadable', path: this.#layout.link, found: lost });
    const current = tree.kind === 'release' ? tree.id : undefined;
    if (current !== undefined && !releases.complete.has(current) && !releases.damaged.has(current)) {
      this.#note({
        kind: 'unreadable',
        path: this.#layout.link,
        release: current,
        found: 'points to nothing',
      });
    }
    return {
      root: this.#layout.root,
      plain: tree.kind === 'plain' || tree.kind === 'foreign',
      release: current,
      releases: releases.complete.size,
      files: this.#hashes.size,
      bytes: this.#bytes,
      findings: this.#findings.toSorted((a, b) => compareText(a.path, b.path)),
    };
  }

  #note(finding: Finding): void {
    this.#findings.push({ ...finding, path: this.#named(finding.path) });
  }

  #named(path: string): string {
    const below = relative(this.#layout.root, path);
    return below === '' || below === '..' || below.startsWith('../') ? path : below;
  }

  async #checkExposed(): Promise<void> {
    const listed = new Set<string>();
    for await (const { path, found } of exposedIn(this.#layout, this.#safe)) {
      listed.add(path);
      // What is missing because a link stands there, or was not listed, is known already.
      const known = this.#findings.some((finding) => finding.path === this.#named(path));
      if (!known) this.#note({ kind: 'exposed', path, found });
    }
    // These have no other mode than we gave them, whoever is in the group.
    for (const path of ownPlaces(this.#layout)) {
      const mode = (await lstatIfThere(this.#layout.files, path))?.mode ?? 0;
      if ((mode & 0o022) === 0 || listed.has(path) || (await this.#layout.files.isReadOnly(path))) continue;
      this.#note({
        kind: 'exposed',
        path,
        found: `mode ${(mode & 0o7777).toString(8)} lets others write it`,
      });
    }
  }

  async #checkRelease(release: Release): Promise<void> {
    const directory = releaseDirectory(this.#layout, release.id);
    const before = this.#findings.length;
    for (const { path, file, plugin } of filesOf(release.plugins)) {
      const place = { path: join(directory, path), release: release.id, plugin: formatPluginId(plugin) };
      await this.#checkFile(place, file.sha256);
    }
    await this.#checkEvidence(release);
    if (release.origin.kind !== 'adopted') await this.#checkExtras(release);
    // Pruned while we read: nothing of it is a finding.
    if (!(await exists(this.#layout.files, directory))) this.#findings.length = before;
  }

  async #checkFile(place: Pick<Finding, 'path' | 'release' | 'plugin'>, expected: string): Promise<void> {
    const found = await this.#hashOf(place.path);
    if (found === undefined) this.#note({ kind: 'missing', ...place, expected });
    else if (found !== expected) this.#note({ kind: 'changed', ...place, expected, found });
  }

  async #checkEvidence(release: Release): Promise<void> {
    const directory = join(releaseDirectory(this.#layout, release.id), 'evidence');
    if ((await lstatIfThere(this.#layout.files, directory))?.isSymbolicLink() === true) {
      this.#note({ kind: 'missing', path: directory, release: release.id, found: 'a symbolic link' });
      return;
    }
    for (const manifestSha256 of await orIfMissing(this.#layout.files.readdir(directory), [])) {
      const path = join(directory, manifestSha256, 'manifest.json');
      await this.#checkFile({ path, release: release.id }, manifestSha256);
    }
  }

  async #checkExtras(release: Release): Promise<void> {
    const top = releasePlugins(this.#layout, release.id);
    const listed = new Set([...filesOf(release.plugins)].map(({ path }) => path));
    for await (const path of filesBelow(this.#layout.files, top)) {
      if (listed.has(`plugins/${relative(top, path)}`)) continue;
      this.#note({ kind: 'extra', path, release: release.id });
    }
  }

  async #checkBlobs(): Promise<void> {
    for (const name of await orIfMissing(this.#layout.files.readdir(this.#layout.blobs), [])) {
      await this.#checkFile({ path: blobPath(this.#layout, name) }, name);
    }
  }

  /** Undefined when there is no regular file. */
  async #hashOf(path: string): Promise<string | undefined> {
    this.#signal?.throwIfAborted();
    try {
      const stats = await this.#layout.files.lstat(path);
      if (!stats.isFile()) return undefined;
      const inode = stats.identity ?? path;
      const known = this.#hashes.get(inode);
      if (known !== undefined) return known;
      const hash = await this.#layout.files.sha256(path, { signal: this.#signal });
      this.#hashes.set(inode, hash);
      this.#bytes += stats.size;
      this.#tally.add(stats.size);
      return hash;
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(systemCode(error) ?? '')) return undefined;
      throw error;
    }
  }
}

/** Everything below a directory that is no directory itself. */
async function* filesBelow(files: FileSystem, top: string): AsyncGenerator<string> {
  for (const entry of await orIfMissing(files.entries(top), [])) {
    const path = join(top, entry.name);
    if (entry.isDirectory()) yield* filesBelow(files, path);
    else yield path;
  }
}
