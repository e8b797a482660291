import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { documentBytes } from '../../src/schema/parse.js';
import { cli, errorCode, type CliRun } from '../helpers/cli.js';
import { oneOfEach } from '../helpers/trust.js';
import {
  digest,
  documentIn,
  edits,
  everybody,
  everyStep,
  expectWhole,
  faults,
  stoppedAt,
  trust,
  usualStore,
  type People,
} from './editing.js';

let people: People;
beforeAll(async () => {
  people = await everybody();
});

describe('while an edit stands still at any of its steps', () => {
  test('another loses nothing, and does not make it lose anything', async () => {
    const steps = await everyStep(async (step) => {
      const { store, qa } = await usualStore(people);
      const others: CliRun[] = [];
      const { stopped, ...run } = await stoppedAt(step, ['revoke', store, 'dev'], async () => {
        others.push(await trust(['add', store, qa, '--name', 'qa', '--role', 'qa']));
      });
      if (!stopped) return false;
      const [revoked, added] = edits({ store, qa }, people).map(([, isDone]) => isDone);
      const after = await documentIn(store);
      for (const [each, isDone] of [
        [run, revoked],
        [others[0], added],
      ] as const) {
        expect([each?.code, isDone?.(after)]).toEqual(each?.code === 0 ? [0, true] : [6, false]);
      }
      await expectWhole(store);
      return true;
    });
    expect(steps).toBeGreaterThan(8);
  });

  test('a store that somebody writes by hand is not overwritten', async () => {
    const codes = new Set<string | undefined>();
    await everyStep(async (step) => {
      const { store } = await usualStore(people);
      const file = join(store, 'trust.json');
      const { stopped, ...run } = await stoppedAt(step, ['revoke', store, 'dev'], async () => {
        const now = await documentIn(store);
        await writeFile(file, documentBytes({ ...now, version: 40, sets: { hand: oneOfEach('dev') } }));
      });
      if (!stopped) return false;
      const { sets, keys } = await documentIn(store);
      expect(Object.keys(sets)).toEqual(['hand']);
      if (run.code === 0) expect(keys[people.dev.keyId]?.status).toBe('revoked');
      else codes.add(errorCode(run));
      expect((await trust(['list', store])).code).toBe(0);
      return true;
    });
    expect([...codes]).toEqual(['E_CONFLICT']);
  });

  test('an edit is not lost to a signed update, nor the update to the edit', async () => {
    await everyStep(async (step) => {
      const { directory, store } = await usualStore(people);
      const next = { ...(await documentIn(store)), version: 9, revokedManifests: [digest] };
      const arrived = join(directory, 'arrived');
      await mkdir(arrived);
      await writeFile(join(arrived, 'trust.json'), documentBytes(next));
      for (const { keyId, publicPem } of [people.dev, people.old, people.root])
        await writeFile(join(arrived, `${keyId}.pub`), publicPem);
      await writeFile(join(arrived, `${people.root.keyId}.sig`), people.root.sign(documentBytes(next)));
      const others: CliRun[] = [];
      const { stopped, ...run } = await stoppedAt(step, ['update', store, arrived], async () => {
        others.push(await trust(['revoke', store, 'old']));
      });
      if (!stopped) return false;
      const after = await documentIn(store);
      const isUpdated = after.revokedManifests.includes(digest);
      const isRevoked = after.keys[people.old.keyId]?.status === 'revoked';
      expect([run.code, isUpdated]).toEqual(run.code === 0 ? [0, true] : [6, false]);
      // An update is what its roots signed, all of it: an edit of before is gone with the store of before.
      if (others[0]?.code === 0) expect(isRevoked || isUpdated).toBe(true);
      else expect([others[0]?.code, isRevoked]).toEqual([6, false]);
      expect((await trust(['list', store])).code).toBe(0);
      return true;
    });
  });
});

test('an edit that is killed at any step leaves a whole store, and no lock that stands in the way', async () => {
  const steps = await everyStep(async (step) => {
    const { store, qa } = await usualStore(people);
    const { signal } = await cli(['trust', 'add', store, qa, '--name', 'qa', '--role', 'qa'], {
      node: ['--import', faults],
      env: { PLUGFERRY_TEST_FAULT: JSON.stringify({ kill: step }) },
    });
    if (signal === null) return false;
    expect((await trust(['list', store])).code).toBe(0);
    expect((await trust(['revoke', store, 'dev'])).code).toBe(0);
    expect((await documentIn(store)).keys[people.dev.keyId]?.status).toBe('revoked');
    await expectWhole(store);
    return true;
  });
  expect(steps).toBeGreaterThan(8);
});
