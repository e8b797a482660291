import { expect, test } from 'vitest';
import { prune } from '../../src/volume/prune.js';
import { readVolume } from '../../src/volume/read.js';
import { rollback } from '../../src/volume/rollback.js';
import { arrivalOf, codes, failingAt, later, versionOf } from './errno.js';
import { expectClean, servedBy } from './invariants.js';
import { actor, importInto } from './scene.js';
import { scratchDir } from './scratch.js';

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
