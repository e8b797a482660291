import type { FileSystem } from '../io/file-system.js';
import type { Actor } from '../release/change.js';

export interface VolumeOptions {
  readonly actor: Actor;
  readonly signal?: AbortSignal;
  /** What keeps the volume. @default the file system of this machine */
  readonly files?: FileSystem;
  /** @default the clock of this machine */
  readonly clock?: () => Date;
}
