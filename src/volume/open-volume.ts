import type { Exposure } from '../files/writable-by-others.js';
import type { State } from '../schema/state.js';
import type { AuditEntry } from './audit.js';
import type { VolumeLayout } from './layout.js';
import type { Lock } from './lock.js';
import type { Features } from './probe.js';
import type { FileProofs } from './proofs.js';
import type { Releases } from './recover.js';
import type { Tree } from './tree.js';
import type { VolumeOptions } from './volume.js';

/** A volume under our lock, with nothing left over from earlier runs. */
export interface OpenVolume {
  readonly layout: VolumeLayout;
  readonly options: VolumeOptions;
  readonly lock: Lock;
  readonly features: Features;
  /** Our own directory in staging. */
  readonly run: string;
  /** Grows; whoever is not of this folder gets a copy when all is done. */
  readonly warnings: string[];
  /** What others may write, and the operator vouches for. */
  readonly vouched: readonly Exposure[];
  readonly releases: Releases;
  /** SHA-256 of files that were read during this run, by what {@link FileProofs} tells a file by. */
  readonly proofs: FileProofs;
  /** Lines that the audit log did not take yet, oldest first. */
  readonly unaudited: AuditEntry[];
  /** Serial of the newest change whose line the audit log has. */
  audited: number;
  tree: Tree;
  state: State;
}
