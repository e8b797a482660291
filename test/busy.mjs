/**
 * Runs the suite while two other processes burn the processors, again and again, and once in an order drawn by lot: a test that looks
 * at what another process is still doing, or that counts on a pace, fails sooner or later. What is left of the line goes to vitest.
 *
 * npm run test:busy -- --times 3 test/transport
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const words = process.argv.slice(2);
const at = words.indexOf('--times');
const times = at < 0 ? 10 : Number(words.splice(at, 2)[1]);
if (!Number.isSafeInteger(times) || times < 1) throw new Error('--times needs a whole number above 0');

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
const burners = [1, 2].map(() => spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }));
process.on('exit', () => {
  for (const burner of burners) burner.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    process.exit(1);
  });

let failed = 0;
for (let run = 1; run <= times; run += 1) {
  const order = run === times ? ['--sequence.shuffle'] : [];
  const child = spawn(process.execPath, [vitest, 'run', '--reporter=dot', ...order, ...words], {
    stdio: 'inherit',
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) failed += 1;
  process.stderr.write(`run ${run} of ${times}: ${code === 0 ? 'passed' : 'FAILED'}\n`);
}
process.exitCode = failed === 0 ? 0 : 1;
