import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { prune } from '../../src/volume/prune.js';
import { readVolume } from '../../src/volume/read.js';
import { rollback } from '../../src/volume/rollback.js';
import { expectClean, floorOf, servedBy } from './invariants.js';
import { send, type Errand } from './process.js';
import { actor, importInto, type Plugins } from './scene.js';
import { scratchDir } from './scratch.js';

const hour = 3_600_000;
/** Volumes that are swept at the same time, each taking every n-th step. */
const lanes = 3;

/** Runs the errand with a kill -9 just before its change number `step`. False when it survived, for lack of such a step. */
async function killedAt(step: number, errand: Errand): Promise<boolean> {
  const { signal, code, output } = await send(errand, { kill: step }).ended;
  if (signal !== 'SIGKILL') expect([code, output]).toEqual([0, '']);
  return signal === 'SIGKILL';
}

/** Calls `round` with a volume directory for every step, until it says that the run survived. Returns how many there were. */
async function sweep(round: (step: number, root: string) => Promise<boolean>): Promise<number> {
  const top = await scratchDir();
  const ends = await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      const root = join(top, String(lane));
      await mkdir(root);
      let step = lane;
      while (await round(step, root)) step += lanes;
      return step;
    }),
  );
  return Math.min(...ends);
}

const versionOf = (step: number): Plugins => ({ 'waf@1.0.0': `module ${step}` });
const arrivalOf = (step: number) => ({
  plugins: versionOf(step),
  sequence: step + 2,
  mode: 'replace' as const,
  allowOverwrite: true,
});

test('killed at any step, an import leaves the old or the new release, and the next run finishes it', async () => {
  const before = new Map<string, Plugins | undefined>();
  const steps = await sweep(async (step, root) => {
    const old = before.get(root);
    const killed = await killedAt(step, { verb: 'import', root, arrival: arrivalOf(step) });
    const found = await servedBy(root);
    expect([old, versionOf(step)]).toContainEqual(found);
    // New files over an old floor would let an older bundle in again.
    if (found?.['waf@1.0.0'] === `module ${step}`) expect(await floorOf(root)).toBe(step + 2);
    await importInto(root, arrivalOf(step));
    expect(await servedBy(root)).toEqual(versionOf(step));
    expect((await readVolume(root)).state.sets).toMatchObject([{ sequence: step + 2 }]);
    await expectClean(root);
    before.set(root, versionOf(step));
    return killed;
  });
  expect(steps).toBeGreaterThan(60);
});

test('killed at any step, a rollback leaves the old or the new release, and the next change works', async () => {
  const steps = await sweep(async (step, root) => {
    await importInto(root, arrivalOf(step));
    const { plugins } = await importInto(root, arrivalOf(step + 1000)).then(({ release }) => release);
    const killed = await killedAt(step, { verb: 'rollback', root });
    const served = await servedBy(root);
    expect([versionOf(step), versionOf(step + 1000)]).toContainEqual(served);
    // Whether the rollback is to be done once more is the operator's call: going by what is current, or by name.
    const { releases } = await readVolume(root);
    const target = releases.find(
      (release) => release.plugins[0]?.files[1]?.sha256 !== plugins[0]?.files[1]?.sha256,
    );
    await rollback(root, { to: target!.id }, { actor });
    expect(await servedBy(root)).toEqual(versionOf(step));
    expect((await readVolume(root)).state.sets).toMatchObject([{ sequence: step + 1002 }]);
    await expectClean(root);
    await prune(root, { keep: 1 }, { actor, clock: () => new Date(Date.now() + 2 * hour) });
    return killed;
  });
  expect(steps).toBeGreaterThan(35);
});

test('killed at any step, a prune leaves only complete releases, and the next one finishes', async () => {
  const later = Date.now() + 2 * hour;
  const steps = await sweep(async (step, root) => {
    await importInto(root, arrivalOf(step));
    await importInto(root, arrivalOf(step + 1000));
    const killed = await killedAt(step, { verb: 'prune', root, keep: 1, now: later });
    expect(await servedBy(root)).toEqual(versionOf(step + 1000));
    await prune(root, { keep: 1 }, { actor, clock: () => new Date(later) });
    expect((await readVolume(root)).releases).toHaveLength(1);
    await expectClean(root);
    return killed;
  });
  expect(steps).toBeGreaterThan(35);
});
