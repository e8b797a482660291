import type { Readable } from 'node:stream';
import type { Digest, Expected } from '../stream/digest.js';
import type { Origin, Release, ReleasePlugin } from '../schema/release.js';
import type { SeenBundle, State } from '../schema/state.js';

/** Who changes a volume: what the lock and the audit log name. */
export interface Actor {
  readonly user: string;
  readonly host: string;
  /** The id of the calling process; the lock tells by it whether its holder is still there. */
  readonly pid: number;
  /** Name and version of the program. */
  readonly tool: string;
}

/** An actor as a history names it. */
export const nameOf = ({ user, host }: Actor): string =>
  `${user}@${host}`.replace(/[^\x20-\x7e]/g, '?').slice(0, 1024);

/** The exact bytes that proved a bundle, kept with the releases it brought. */
export interface Evidence {
  readonly manifest: Uint8Array;
  /** Raw signatures by key id (64 hex characters). */
  readonly signatures: ReadonlyMap<string, Uint8Array>;
}

/** What {@link ReleaseChange.publish} makes current. */
export interface NextRelease {
  /** Everything that the release holds, as {@link mergePlugins} yields it. */
  readonly plugins: readonly ReleasePlugin[];
  readonly origin: Origin;
  /** Needed for an import: its manifest is the one that `origin.bundle` names. */
  readonly evidence?: Evidence;
  /** A verified bundle raises the anti-rollback floor of its set. Leave it out for one that nobody verified. */
  readonly seen?: SeenBundle;
}

export interface Published {
  readonly release: Release;
  /** Id of the release that was current before. */
  readonly previous: string | undefined;
  /** `unchanged`: what is current already holds exactly this, so nothing was switched. */
  readonly outcome: 'published' | 'unchanged';
  /**
   * What a person should know: what was found when the place was opened, and what happened on the way. Contains untrusted names
   * in escaped form.
   */
  readonly warnings: readonly string[];
}

/** One locked, recovered and checked volume, ready for one change. */
export interface ReleaseChange {
  /** What is current now: a release, or the plain tree that the first publication will adopt. */
  readonly current: Release | undefined;
  /** True when `current` is a plain tree that is not adopted yet. */
  readonly plain: boolean;
  /** What this volume has seen, for the anti-rollback rules: stable while the lock is held. */
  readonly state: State;
  /** What was found when the place was opened. {@link Published} has it again, with all that came after it. */
  readonly warnings: readonly string[];

  /**
   * Checks that there is room for these files and says which of their bytes (by SHA-256) are still to be brought. Bytes that
   * are already stored are read again first, so that a damaged copy is brought anew.
   *
   * @throws PlugferryError `E_NO_SPACE` naming need and have.
   */
  prepare(files: readonly Digest[]): Promise<ReadonlySet<string>>;

  /**
   * Takes the bytes of one file into private staging, comparing them on the way. Nothing of it is visible to readers before
   * {@link publish}. Bytes that are already there are compared and dropped.
   *
   * @throws PlugferryError `E_DIGEST` when they are not the expected ones.
   */
  receive(expected: Expected, bytes: Readable): Promise<void>;

  /**
   * Makes a release of bytes that were received, or are already stored, and switches to it in one step.
   *
   * @throws PlugferryError `E_LOCKED` when the lock was lost, `E_NO_SPACE` or `E_IO` with the old release still current.
   */
  publish(next: NextRelease): Promise<Published>;
}
