import type { State } from '../schema/state.js';
import type { VolumeLayout } from './layout.js';
import type { Releases } from './recover.js';
import type { Tree } from './tree.js';

/** What was read of a volume, for the rest of this folder. */
export interface ReadVolume {
  readonly layout: VolumeLayout;
  readonly tree: Tree;
  readonly releases: Releases;
  readonly state: State;
  /** Something was imported into it, however little is left of that. */
  readonly isUsed: boolean;
}
