import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { isPlugferryError } from '../../src/errors.js';
import { prune } from '../../src/volume/prune.js';
import { readVolume } from '../../src/volume/read.js';
import { rollback } from '../../src/volume/rollback.js';
import { failWith, watchFileSystem } from '../helpers/faults.mjs';
import { expectClean, servedBy } from './invariants.js';
import { actor, importInto, plainTree, type Plugins } from './scene.js';
import { scratchDir } from './scratch.js';

/** What a full, failing, read-only, overloaded or lost file system says, and the codes of what a change then fails with. */
const full = 'E_NO_SPACE';
const codes = [
  ['ENOSPC', full],
  ['EDQUOT', full],
  ['EIO', 'E_IO'],
  ['EROFS', 'E_IO'],
  ['EMFILE', 'E_IO'],
  ['EINTR', 'E_IO'],
  ['ESTALE', 'E_IO'],
] as const;
const later = { actor, clock: () => new Date(Date.now() + 2 * 3_600_000) };

let restore: (() => void) | undefined;
afterEach(() => {
  restore?.();
  restore = undefined;
});

interface Outcome {
  /** False when the run had no such step. */
  readonly injected: boolean;
  /** The code of the PlugferryError that it ended with; undefined when it succeeded. */
  readonly code: string | undefined;
}

/** Runs `work` with `errno` at its call number `step` to the file system, be it one that changes something or only looks. */
async function failingAt(step: number, errno: string, work: () => Promise<unknown>): Promise<Outcome> {
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

const versionOf = (round: number | string): Plugins => ({ 'waf@1.0.0': `module ${round}` });
const arrivalOf = (round: number | string, sequence: number) => ({
  plugins: versionOf(round),
  sequence,
  mode: 'replace' as const,
  allowOverwrite: true,
});

/** An import that fails at each step in turn; returns the codes that it failed with. */
async function sweepImport(errno: string): Promise<Set<string | undefined>> {
  const root = await scratchDir();
  await importInto(root, arrivalOf('old', 1));
  let old = versionOf('old');
  const failures = new Set<string | undefined>();
  for (let step = 0, more = true; more; step += 1) {
    const arrival = arrivalOf(step, step + 2);
    const { injected, code } = await failingAt(step, errno, () => importInto(root, arrival));
    more = injected;
    // A change that failed did not happen; one that did not fail, did.
    expect(await servedBy(root)).toEqual(code === undefined ? versionOf(step) : old);
    failures.add(code);
    // Also after a success: a line that the audit log did not take is made up for by the next run.
    await importInto(root, arrival);
    expect(await servedBy(root)).toEqual(versionOf(step));
    old = versionOf(step);
    // With more releases a run looks at more files, and the next step would not be the next call.
    await prune(root, { keep: 1 }, later);
    if (step % 3 === 0 || !more) await expectClean(root);
  }
  return failures;
}

test.each(codes)('%s at any call of an import leaves the old release', async (errno, code) => {
  expect(await sweepImport(errno)).toEqual(new Set([code, undefined]));
});

test.each(codes)('%s at any call of a rollback: it happened or it did not', async (errno, code) => {
  const root = await scratchDir();
  const failures = new Set<string | undefined>();
  for (let step = 0, more = true; more; step += 1) {
    await importInto(root, arrivalOf(step, 2 * step));
    await importInto(root, arrivalOf('bad', 2 * step + 1));
    const back = await failingAt(step, errno, () => rollback(root, {}, { actor }));
    expect(await servedBy(root)).toEqual(versionOf(back.code === undefined ? step : 'bad'));
    failures.add(back.code);
    if (back.code !== undefined) await rollback(root, {}, { actor });
    expect(await servedBy(root)).toEqual(versionOf(step));
    await prune(root, { keep: 1 }, later);
    await expectClean(root);
    more = back.injected;
  }
  expect(failures).toEqual(new Set([code, undefined]));
});

test.each(codes)(
  '%s at any call of a prune: what is kept stays, and the next one finishes',
  async (errno, code) => {
    const root = await scratchDir();
    const failures = new Set<string | undefined>();
    for (let step = 0, more = true; more; step += 1) {
      await importInto(root, arrivalOf(step, 2 * step));
      await importInto(root, arrivalOf('new', 2 * step + 1));
      const pruned = await failingAt(step, errno, () => prune(root, { keep: 1 }, later));
      expect(await servedBy(root)).toEqual(versionOf('new'));
      failures.add(pruned.code);
      await prune(root, { keep: 1 }, later);
      expect((await readVolume(root)).releases).toHaveLength(1);
      await expectClean(root);
      more = pruned.injected;
    }
    expect(failures).toEqual(new Set([code, undefined]));
  },
);

test('EIO at any call of an adoption leaves the plain tree', async () => {
  const top = await scratchDir();
  const old: Plugins = { 'waf@0.9.0': 'one' };
  for (let step = 0, more = true; more; step += 1) {
    const root = join(top, String(step));
    await mkdir(root);
    await plainTree(root, old);
    const arrival = { plugins: versionOf(step) };
    const { injected, code } = await failingAt(step, 'EIO', () => importInto(root, arrival));
    more = injected;
    const next = { ...old, ...versionOf(step) };
    expect(await servedBy(root)).toEqual(code === undefined ? next : old);
    await importInto(root, arrival);
    expect(await servedBy(root)).toEqual(next);
    await expectClean(root);
  }
});
