/**
 * Reads a volume as web servers do, until its input ends: resolves the link once, then reads every plugin. Prints how many
 * rounds it made and what went wrong in them.
 */
import { readdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const root = process.argv[2];
let over = false;
process.stdin.on('end', () => (over = true)).resume();
let rounds = 0;
const failures = [];

async function read() {
  const top = await realpath(join(root, 'plugins'));
  const seen = new Set();
  for (const name of await readdir(top)) {
    const content = await readFile(join(top, name, '1.0.0/plugin.wasm'), 'utf8');
    seen.add(content.slice(0, content.indexOf(' ')));
  }
  if (seen.size !== 1) failures.push(`torn: ${[...seen].join(' and ')}`);
}

async function loop() {
  while (!over) {
    await read().catch((error) => failures.push(error.message));
    rounds += 1;
    // Four loops of two such processes must leave some of two cores to the one that switches.
    await sleep(2);
  }
}

process.stdout.write('ready\n');
await Promise.all([loop(), loop(), loop(), loop()]);
process.stdout.write(JSON.stringify({ rounds, failures: failures.slice(0, 5) }));
