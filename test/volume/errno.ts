import { afterEach, expect } from 'vitest';
import { isPlugferryError } from '../../src/errors.js';
import { failWith, watchFileSystem } from '../helpers/faults.mjs';
import { actor, type Plugins } from './scene.js';

/** What a full, failing, read-only, overloaded or lost file system says, and the codes of what a change then fails with. */
const full = 'E_NO_SPACE';
export const codes = [
  ['ENOSPC', full],
  ['EDQUOT', full],
  ['EIO', 'E_IO'],
  ['EROFS', 'E_IO'],
  ['EMFILE', 'E_IO'],
  ['EINTR', 'E_IO'],
  ['ESTALE', 'E_IO'],
] as const;
export const later = { actor, clock: () => new Date(Date.now() + 2 * 3_600_000) };

let restore: (() => void) | undefined;
afterEach(() => {
  restore?.();
  restore = undefined;
});

export interface Outcome {
  /** False when the run had no such step. */
  readonly injected: boolean;
  /** The code of the PlugferryError that it ended with; undefined when it succeeded. */
  readonly code: string | undefined;
}

/** Runs `work` with `errno` at its call number `step` to the file system, be it one that changes something or only looks. */
export async function failingAt(step: number, errno: string, work: () => Promise<unknown>): Promise<Outcome> {
  let injected = false;
  restore = await watchFileSystem((call) => {
    if (call.index !== step) return undefined;
    injected = true;
    return failWith(errno, call);
  });
  try {
    await work();
    return { injected, code: undefined };
  } catch (error) {
    if (!isPlugferryError(error)) throw error;
    expect(error.hint, error.message).toBeTruthy();
    return { injected, code: error.code };
  } finally {
    restore();
    restore = undefined;
  }
}

export const versionOf = (round: number | string): Plugins => ({ 'waf@1.0.0': `module ${round}` });
export const arrivalOf = (round: number | string, sequence: number) => ({
  plugins: versionOf(round),
  sequence,
  mode: 'replace' as const,
  allowOverwrite: true,
});
