import type { PlugferryError } from '../errors.js';

/** One rule, and what came of it for one bundle. */
export interface Check {
  /** The rule in a word or two: `signature`, `role qa`, `expiry`. Stable, for scripts. */
  readonly check: string;
  /** `ignored`: present, but counts for nothing. */
  readonly result: 'passed' | 'failed' | 'ignored' | 'skipped';
  /** What was found, and for a failure what was needed. May hold untrusted text. */
  readonly detail: string;
}

/** A {@link Check} with the error that it means. */
export interface Ruling extends Check {
  readonly error?: PlugferryError;
}

export const passed = (check: string, detail: string): Ruling => ({ check, result: 'passed', detail });

export const failed = (check: string, error: PlugferryError): Ruling => ({
  check,
  result: 'failed',
  detail: error.message,
  error,
});
