import { expect, test } from 'vitest';
import { collectGarbage, measured } from '../helpers/bounds.js';

const mebibyte = 1024 * 1024;

// Where the system cannot forget a peak (only Linux can), a second one of the same height is not seen.
test.runIf(process.platform === 'linux')('memory is measured at its peak, each time anew', async () => {
  for (const size of [100, 60, 60]) {
    collectGarbage();
    const { taken } = await measured(async () => Promise.resolve(Buffer.alloc(size * mebibyte, 1).length));
    expect(taken.memory).toBeGreaterThan((size / 2) * mebibyte);
  }
  collectGarbage();
  const { taken } = await measured(async () => Promise.resolve());
  expect(taken.memory).toBeLessThan(20 * mebibyte);
});

test('time is that of the processor', async () => {
  const { taken } = await measured(async () => {
    const start = process.cpuUsage();
    while (process.cpuUsage(start).user < 50_000);
    return Promise.resolve();
  });
  expect(taken.processor).toBeGreaterThan(0.05);
});
