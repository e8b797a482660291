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

/** What a full, failing, read-only or overloaded system says. */
const fullCodes = ['ENOSPC', 'EDQUOT', 'EROFS'];
const anyCodes = ['EIO', 'EMFILE', 'ESTALE'];
const later = { actor, clock: () => new Date(Date.now() + 2 * 3_600_000) };

let restore: (() => void) | undefined;
afterEach(() => {
  restore?.();
  restore = undefined;
});

interface Outcome {
  /** Whether there was such a call; one that only looks does not fail for lack of space. */
  readonly injected: 'no' | 'looking' | 'changing';
  /** The code of the PlugferryError that it ended with; undefined when it succeeded. */
  readonly code: string | undefined;
}

/** Runs `work` with `errno` at its call number `step`. */
async function failingAt(step: number, errno: string, work: () => Promise<unknown>): Promise<Outcome> {
  let injected: Outcome['injected'] = 'no';
  restore = await watchFileSystem((call) => {
    if (call.index !== step) return undefined;
    injected = call.change === undefined ? 'looking' : 'changing';
    if (injected === 'looking' && fullCodes.includes(errno)) return undefined;
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

test.each([...fullCodes, ...anyCodes])(
  '%s at any call of an import leaves the old release',
  async (errno) => {
    const root = await scratchDir();
    await importInto(root, arrivalOf('old', 1));
    let old = versionOf('old');
    const failures = new Set<string | undefined>();
    for (let step = 0, more = true; more; step += 1) {
      const arrival = arrivalOf(step, step + 2);
      const { injected, code } = await failingAt(step, errno, () => importInto(root, arrival));
      more = injected !== 'no';
      // A change that failed did not happen; one that did not fail, did.
      expect(await servedBy(root)).toEqual(code === undefined ? versionOf(step) : old);
      failures.add(code);
      if (code !== undefined) await importInto(root, arrival);
      expect(await servedBy(root)).toEqual(versionOf(step));
      old = versionOf(step);
      // With more releases a run makes more calls: the next step would not be the next call.
      await prune(root, { keep: 1 }, later);
      if (injected === 'changing') await expectClean(root);
    }
    const full = errno === 'ENOSPC' || errno === 'EDQUOT';
    expect(failures).toEqual(new Set([full ? 'E_NO_SPACE' : 'E_IO', undefined]));
  },
);

test.each(['ENOSPC', 'EIO'])(
  '%s at any call of a rollback or a prune: it happened or it did not',
  async (errno) => {
    const root = await scratchDir();
    for (let step = 0, more = true; more; step += 1) {
      await importInto(root, arrivalOf(step, 2 * step));
      await importInto(root, arrivalOf('bad', 2 * step + 1));
      const back = await failingAt(step, errno, () => rollback(root, {}, { actor }));
      expect(await servedBy(root)).toEqual(versionOf(back.code === undefined ? step : 'bad'));
      if (back.code !== undefined) await rollback(root, {}, { actor });
      const pruned = await failingAt(step, errno, () => prune(root, { keep: 1 }, later));
      expect(await servedBy(root)).toEqual(versionOf(step));
      await prune(root, { keep: 1 }, later);
      expect((await readVolume(root)).releases).toHaveLength(1);
      await expectClean(root);
      more = back.injected !== 'no' || pruned.injected !== 'no';
    }
  },
);

test.each(['ENOSPC', 'EIO'])('%s at any call of an adoption leaves the plain tree', async (errno) => {
  const top = await scratchDir();
  const old: Plugins = { 'waf@0.9.0': 'one' };
  for (let step = 0, more = true; more; step += 1) {
    const root = join(top, String(step));
    await mkdir(root);
    await plainTree(root, old);
    const arrival = { plugins: versionOf(step) };
    const { injected, code } = await failingAt(step, errno, () => importInto(root, arrival));
    more = injected !== 'no';
    const next = { ...old, ...versionOf(step) };
    expect(await servedBy(root)).toEqual(code === undefined ? next : old);
    // Also after a success: a line that the audit log did not take is made up for by the next run.
    await importInto(root, arrival);
    expect(await servedBy(root)).toEqual(next);
    if (injected === 'changing') await expectClean(root);
  }
});
