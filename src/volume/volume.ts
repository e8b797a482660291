import type { Actor } from '../release/change.js';

export interface VolumeOptions {
  readonly actor: Actor;
  readonly signal?: AbortSignal;
  /** @default the clock of this machine */
  readonly clock?: () => Date;
}
