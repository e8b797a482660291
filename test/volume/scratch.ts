import { access, constants, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/**
 * A new directory that goes when the test has finished; in memory where the system offers that: the sweeps make thousands of
 * flushes, and what they check (the order of calls, not the disk) does not depend on where.
 */
export async function scratchDir(): Promise<string> {
  const memory = '/dev/shm';
  const inMemory = await access(memory, constants.W_OK).then(
    () => true,
    () => false,
  );
  const path = await mkdtemp(join(inMemory ? memory : tmpdir(), 'plugferry-volume-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}
