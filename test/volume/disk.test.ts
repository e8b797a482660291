import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { eachOf } from '../../src/volume/disk.js';

test('works on a few items at a time, and on all of them', async () => {
  const done: number[] = [];
  let [running, most] = [0, 0];
  await eachOf(
    Array.from({ length: 30 }, (_, index) => index),
    async (item) => {
      running += 1;
      most = Math.max(most, running);
      await sleep(1);
      running -= 1;
      done.push(item);
    },
  );
  expect(done).toHaveLength(30);
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThanOrEqual(8);
});

test('after a failure nothing is begun, and what is under way is waited for', async () => {
  let [begun, running] = [0, 0];
  const work = eachOf(
    Array.from({ length: 30 }, (_, index) => index),
    async (item) => {
      begun += 1;
      running += 1;
      await sleep(item === 0 ? 1 : 20);
      running -= 1;
      if (item === 0) throw new Error('the first');
    },
  );
  await expect(work).rejects.toThrow('the first');
  expect([begun, running]).toEqual([8, 0]);
});
