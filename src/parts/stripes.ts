import type { Coder } from './coder.js';
import { blockCount, blockLength, type Shape } from './shape.js';

/** Bytes of stripes that may be in memory at once. */
const memory = 64 * 1024 * 1024;

/** How many stripes to work on at once: enough to keep all threads busy, where that many fit in memory. */
export const stripesAtOnce = ({ data, block }: Shape, { threads }: Coder): number =>
  Math.max(1, Math.min(threads + 1, Math.floor(memory / (data * block))));

/** How many stripes a set has: a stripe is one block of every part. */
export const stripeCount = (shape: Shape): number => blockCount(shape, 0);

/** Bytes that take part in a stripe: the last block of shorter parts counts as if zeros followed. */
export const stripeLength = (shape: Shape, stripe: number): number => blockLength(shape, 0, stripe);

/** Runs `work` for every stripe, a few at once; what was begun last may end first. The first error ends it. */
export async function forEachStripe(
  count: number,
  atOnce: number,
  work: (stripe: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const runner = async (): Promise<void> => {
    while (next < count) {
      const stripe = next;
      next += 1;
      try {
        await work(stripe);
      } catch (error) {
        next = count;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: atOnce }, runner));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
