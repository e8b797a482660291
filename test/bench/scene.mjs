/** What benches that carry one large file share. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

export const megabytes = 500;

/** Bytes that do not compress. */
export function makeFile(path) {
  const cipher = createCipheriv('aes-256-ctr', Buffer.alloc(32, 'bench'), Buffer.alloc(16));
  const file = openSync(path, 'w');
  for (let done = 0; done < megabytes; done += 1) writeSync(file, cipher.update(Buffer.alloc(1_000_000)));
  closeSync(file);
}

/**
 * Before each turn: everything is written that an earlier one left to write, and the memory that files of this one will need has just
 * been used. On a virtual machine, memory that was free for a while has gone back to the host; getting it again would be what is timed.
 */
export function prepare(directory) {
  execFileSync('sync');
  const path = join(directory, 'warm');
  const file = openSync(path, 'w');
  const zeros = Buffer.alloc(1_000_000);
  for (let done = 0; done < 4 * megabytes; done += 1) writeSync(file, zeros);
  closeSync(file);
  rmSync(path);
}

/** Runs a command, prepared as above; its output, and seconds. */
export function timed(program, args, options) {
  prepare(options.cwd);
  const began = performance.now();
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', ...options });
  const seconds = (performance.now() - began) / 1000;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}: ${stderr}`);
  return { stdout, stderr, seconds };
}

/** How long one step of plugferry took, as `--progress json` tells it. */
export const secondsOf = (step, stderr) =>
  stderr
    .split('\n')
    .filter((line) => line.includes(`"${step}"`))
    .map((line) => JSON.parse(line).seconds)
    .at(-1);

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Runs two ways in turns; prints the medians, and how much of their rate ours has. */
export function compare(title, { runs, theirs, ours }) {
  const pairs = Array.from({ length: runs }, () => [theirs(), ours()]);
  const [their, our] = [0, 1].map((side) => median(pairs.map((pair) => pair[side])));
  const ratio = median(pairs.map(([one, other]) => one / other));
  console.log(
    `${title.padEnd(56)} ${their.toFixed(2)} s  plugferry ${our.toFixed(2)} s  ratio ${ratio.toFixed(2)}`,
  );
}

export const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
