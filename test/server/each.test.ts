import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { each } from '../../src/server/each.js';

test('results keep the order, and no more run at once than allowed', async () => {
  let running = 0;
  let most = 0;
  const results = await each([30, 1, 20, 2, 10], 2, async (ms) => {
    most = Math.max(most, (running += 1));
    await sleep(ms);
    running -= 1;
    return ms * 2;
  });
  expect(results).toEqual([60, 2, 40, 4, 20]);
  expect(most).toBe(2);
});

test('after an error nothing new begins, and what runs is waited for', async () => {
  const began: number[] = [];
  const ended: number[] = [];
  const work = each([1, 2, 3, 4, 5], 2, async (item) => {
    began.push(item);
    if (item === 1) throw new Error('no');
    await sleep(20);
    ended.push(item);
  });
  await expect(work).rejects.toThrow('no');
  expect(began).toEqual([1, 2]);
  expect(ended).toEqual([2]);
});

test('nothing to do', async () => {
  expect(await each([], 4, async () => 1)).toEqual([]);
});
