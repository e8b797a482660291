import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runHelper } from '../../src/process/helper-program.js';
import { tempDir } from '../helpers/temp.js';

const shell = (script: string, more: object = {}) =>
  runHelper({
    program: '/bin/sh',
    args: ['-c', script],
    environment: { PATH: process.env['PATH'] },
    maxOutput: 1000,
    ...more,
  });

/** `ps` knows no such process, or only one that nobody has waited for. */
const isGone = (pid: string): boolean => {
  try {
    return execFileSync('ps', ['-o', 'stat=', '-p', pid], { encoding: 'utf8' }).startsWith('Z');
  } catch {
    return true;
  }
};

test('an agent that a helper leaves behind holds nobody up, and stays', async () => {
  const pid = join(await tempDir(), 'pid');
  const { output, failure } = await shell(`sleep 1000 & echo $! > ${pid}; echo token`);
  expect([output.toString(), failure]).toEqual(['token\n', undefined]);
  const agent = (await readFile(pid, 'utf8')).trim();
  expect(isGone(agent)).toBe(false);
  process.kill(Number(agent));
});

test.each([
  ['its limit', { patienceMs: 700 }, 'gave no answer within 0.7 seconds'],
  ['too much output', { maxOutput: 10 }, 'printed more than 10 bytes'],
])('%s ends a helper with all that it started', async (_what, more, failure) => {
  const pid = join(await tempDir(), 'pid');
  const end = await shell(`sleep 1000 & echo $! > ${pid}; echo 0123456789abc; sleep 1000`, {
    maxOutput: 1000,
    ...more,
  });
  expect(end.failure).toBe(failure);
  const child = (await readFile(pid, 'utf8')).trim();
  await expect.poll(() => isGone(child)).toBe(true);
});

test('an abort ends it with all that it started, and is thrown', async () => {
  const pid = join(await tempDir(), 'pid');
  const controller = new AbortController();
  const run = shell(`sleep 1000 & echo $! > ${pid}; sleep 1000`, { signal: controller.signal });
  const caught = run.catch((error: unknown) => error);
  await expect.poll(() => readFile(pid, 'utf8').catch(() => '')).not.toBe('');
  controller.abort(new Error('stop'));
  expect(await caught).toEqual(new Error('stop'));
  const child = (await readFile(pid, 'utf8')).trim();
  await expect.poll(() => isGone(child)).toBe(true);
});

test('a helper knows only the environment that it is given', async () => {
  const { output } = await shell('env', { environment: { PATH: '/bin:/usr/bin', ONLY: 'this' } });
  expect(output.toString()).toContain('ONLY=this');
  expect(output.toString()).not.toContain('HOME=');
});

test('a helper that is not there, fails, or does not read its input, says so', async () => {
  const none = await runHelper({ program: '/nowhere', args: [], environment: {}, maxOutput: 1 });
  expect(none.failure).toBe('could not be run: ENOENT');
  const failed = await shell('echo no >&2; exit 3', { input: Buffer.alloc(1_000_000) });
  expect([failed.failure, failed.said]).toEqual(['ended with exit code 3', 'no']);
});
