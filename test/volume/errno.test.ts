import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { prune } from '../../src/volume/prune.js';
import { arrivalOf, codes, failingAt, later, versionOf } from './errno.js';
import { expectClean, servedBy } from './invariants.js';
import { importInto, plainTree, type Plugins } from './scene.js';
import { scratchDir } from './scratch.js';

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
