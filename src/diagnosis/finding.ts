import type { PluginId } from '../plugin/plugin.js';
import type { Reference } from './reference.js';

/**
 * What can be wrong. `dangling`: nothing of that name is there; `other-version`: only other versions of it; `elsewhere`: the
 * module is not asked of the plugin server; `no-url`; `sha256`: the pinned digest is not that of the module; `pull-policy`:
 * the gateway will keep old bytes, or fetch the same ones again and again; `fail-open`: when the module cannot be loaded,
 * everybody is let through; `gateway`: the gateway cannot run it; `orphan`: nothing refers to it; `probe`: the gateway would
 * not get it from the running server.
 */
export type FindingKind =
  | 'dangling'
  | 'other-version'
  | 'elsewhere'
  | 'no-url'
  | 'sha256'
  | 'pull-policy'
  | 'fail-open'
  | 'gateway'
  | 'orphan'
  | 'probe';

/** One thing that is wrong. */
export interface Finding {
  readonly kind: FindingKind;
  /** What refers to the plugin, in words; null where nothing does. */
  readonly who: string | null;
  readonly file?: string;
  /** Counted from 1. */
  readonly line?: number;
  /** The plugin that is asked for, if it has a name. */
  readonly plugin?: PluginId;
  /** A sentence without its subject. */
  readonly problem: string;
  /** A command line for a POSIX shell; words in capitals stand for what only the reader knows. */
  readonly mend: string;
}

/** A finding about what refers to a plugin. */
export function findingOn(
  { who, file, line }: Reference,
  finding: Omit<Finding, 'who' | 'file' | 'line'>,
): Finding {
  return {
    who,
    ...(file === undefined ? {} : { file }),
    ...(line === undefined ? {} : { line }),
    ...finding,
  };
}
