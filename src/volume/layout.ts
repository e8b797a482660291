import { dirname, join } from 'node:path';
import type { FileSystem } from '../files/file-system.js';
import { localFileSystem } from '../files/local-file-system.js';
import { enclosed } from './enclosure.js';

/** Where everything of one volume lies. All paths are absolute and on one file system. */
export interface VolumeLayout {
  /** What keeps it: this machine, or a server. Goes through no link below `control`. */
  readonly files: FileSystem;
  /** The directory that is served. */
  readonly root: string;
  /** `plugins`: a relative symlink into the current release, or the directory of a tree that is not adopted yet. */
  readonly link: string;
  /** `.plugferry`: everything that is ours. */
  readonly control: string;
  readonly releases: string;
  /** The content store: one file per SHA-256, which releases hard-link. */
  readonly blobs: string;
  /** Private working space; whatever is in it at the start of a run is a leftover. */
  readonly staging: string;
  readonly lock: string;
  readonly state: string;
  readonly audit: string;
}

export function layoutOf(root: string, files: FileSystem = localFileSystem): VolumeLayout {
  const control = join(root, '.plugferry');
  return {
    files: enclosed(files, control),
    root,
    link: join(root, 'plugins'),
    control,
    releases: join(control, 'releases'),
    blobs: join(control, 'blobs', 'sha256'),
    staging: join(control, 'staging'),
    lock: join(control, 'lock'),
    state: join(control, 'state.json'),
    audit: join(control, 'audit.jsonl'),
  };
}

/** What nobody but the owner of a volume may write, whoever is in which group: it has no other mode than we gave it. */
export const ownPlaces = (layout: VolumeLayout): readonly string[] => {
  const { control, state, audit, releases, blobs, staging, lock } = layout;
  return [control, state, audit, releases, dirname(blobs), blobs, staging, lock];
};

export const releaseDirectory = (layout: VolumeLayout, id: string): string => join(layout.releases, id);
export const releaseFile = (layout: VolumeLayout, id: string): string =>
  join(layout.releases, id, 'release.json');
export const releasePlugins = (layout: VolumeLayout, id: string): string =>
  join(layout.releases, id, 'plugins');
export const blobPath = (layout: VolumeLayout, sha256: string): string => join(layout.blobs, sha256);

/** What `plugins` points to while `id` is current: relative, so that the volume may be mounted anywhere. */
export const linkTarget = (id: string): string => `.plugferry/releases/${id}/plugins`;

/** The reverse of {@link linkTarget}; undefined for a link that Plugferry did not make. */
export const linkedRelease = (target: string): string | undefined =>
  /^\.plugferry\/releases\/([0-9a-f]{64})\/plugins$/.exec(target)?.[1];

export const isSha256 = (text: string): boolean => /^[0-9a-f]{64}$/.test(text);
