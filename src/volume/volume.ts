import type { FileSystem } from '../files/file-system.js';
import type { Actor } from '../release/change.js';

export interface VolumeOptions {
  readonly actor: Actor;
  readonly signal?: AbortSignal;
  /** What keeps the volume. @default the file system of this machine */
  readonly files?: FileSystem;
  /** Directories on the way to the volume, or its root, that the operator vouches for although others may write them. */
  readonly safeDirectories?: readonly string[];
  /** @default the clock of this machine */
  readonly clock?: () => Date;
}

export const nowOf = (options: VolumeOptions): Date => options.clock?.() ?? new Date();
