import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readVolume } from '../../src/volume/read.js';
import { rollback } from '../../src/volume/rollback.js';
import { actor, importInto } from './scene.js';
import { scratchDir } from './scratch.js';

const switches = 1000;

/** Four concurrent loops in a process of their own. */
async function startReader(root: string) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'reader.mjs'), root], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(child.stdout, 'data');
  return async (): Promise<{ rounds: number; failures: string[] }> => {
    child.stdin.end();
    await once(child, 'close');
    return JSON.parse(output.slice(output.indexOf('\n') + 1)) as { rounds: number; failures: string[] };
  };
}

test('eight readers of a volume that is switched a thousand times never see a mixture or nothing', async () => {
  const root = await scratchDir();
  const names = ['cors', 'key-auth', 'waf'];
  const ids: string[] = [];
  for (const [index, mark] of ['old', 'new'].entries()) {
    const plugins = Object.fromEntries(names.map((name) => [`${name}@1.0.0`, `${mark} ${name}`]));
    const { release } = await importInto(root, { plugins, sequence: index + 1, allowOverwrite: true });
    ids.push(release.id);
  }
  const readers = [await startReader(root), await startReader(root)];
  for (let number = 0; number < switches; number += 1) {
    await rollback(root, { to: ids[number % 2]! }, { actor });
  }
  const ends = await Promise.all(readers.map((stop) => stop()));
  for (const { rounds, failures } of ends) {
    expect(failures).toEqual([]);
    expect(rounds).toBeGreaterThan(switches / 4);
  }
  const { state, current } = await readVolume(root);
  expect(current?.id).toBe(ids[1]);
  expect(state.history).toHaveLength(500);
  expect(state.serial).toBe(switches + 2);
}, 900_000);

test('a volume is read while it is switched', async () => {
  const root = await scratchDir();
  const ids: string[] = [];
  for (const mark of ['old', 'new']) {
    const plugins = { 'waf@1.0.0': mark };
    ids.push((await importInto(root, { plugins, allowOverwrite: true })).release.id);
  }
  const over = new AbortController();
  const reader = (async () => {
    const seen = new Set<string | undefined>();
    while (!over.signal.aborted) seen.add((await readVolume(root)).current?.id);
    return seen;
  })();
  for (let number = 0; number < 50; number += 1) await rollback(root, { to: ids[number % 2]! }, { actor });
  over.abort();
  expect([...(await reader)].toSorted()).toEqual(ids.toSorted());
});
