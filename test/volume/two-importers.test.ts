import type { ChildProcess } from 'node:child_process';
import { readFile, utimes, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { watchFileSystem } from '../helpers/faults.mjs';
import { expectClean, floorOf, servedBy } from './invariants.js';
import { send } from './process.js';
import { importInto, type Plugins } from './scene.js';
import { scratchDir } from './scratch.js';

const old: Plugins = { 'keep@1.0.0': 'kept' };
const first: Plugins = { 'waf@1.0.0': 'one' };
const second: Plugins = { 'cors@1.0.0': 'two' };

/** True once the child has stopped itself, false once it has ended without. */
async function stopsItself(child: ChildProcess): Promise<boolean> {
  while (child.exitCode === null && child.signalCode === null) {
    const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8').catch(() => '');
    if (stat.slice(stat.lastIndexOf(')') + 2).startsWith('T')) return true;
    await sleep(5);
  }
  return false;
}

/** Makes the lock as old as if its holder had been silent for 11 minutes. False when there is none. */
async function ageLock(root: string): Promise<boolean> {
  const then = new Date(Date.now() - 11 * 60_000);
  return utimes(join(root, '.plugferry/lock/heartbeat'), then, then).then(
    () => true,
    () => false,
  );
}

/** Stops an importer of `first` before its change number `step`, lets `meanwhile` go by, wakes it up and waits for its end. */
async function whileStopped(root: string, step: number, meanwhile: () => Promise<void>) {
  const child = send({ verb: 'import', root, arrival: { plugins: first, sequence: 2 } }, { stop: step });
  const stopped = await stopsItself(child);
  try {
    if (stopped) await meanwhile();
  } finally {
    child.kill('SIGCONT');
  }
  return { ...(await child.ended), stopped };
}

/** Volumes that are swept at the same time, each taking every n-th step. */
const lanes = 3;

test.each([
  ['another bundle', second],
  ['the same bundle', first],
])('an importer that slept past its lease at any step does no harm to one with %s', async (_, plugins) => {
  const losses = await Promise.all(
    Array.from({ length: lanes }, async (_unused, lane) => {
      let losers = 0;
      for (let step = lane; ; step += lanes) {
        const outcome = await overtaken(step, plugins);
        if (outcome === 'never stopped') return losers;
        if (outcome === 'lost') losers += 1;
      }
    }),
  );
  expect(losses.reduce((sum, each) => sum + each)).toBeGreaterThan(30);
});

/** An importer of `first` sleeps past its lease before its change number `step`, and one of `plugins` takes over. */
async function overtaken(step: number, plugins: Plugins): Promise<'lost' | 'done' | 'never stopped'> {
  const root = await scratchDir();
  await importInto(root, { plugins: old });
  const before: (Plugins | undefined)[] = [];
  const { stopped, code, output } = await whileStopped(root, step, async () => {
    before.push(await servedBy(root));
    await ageLock(root);
    await importInto(root, { plugins, sequence: plugins === first ? 2 : 3 });
    expect(await servedBy(root)).toMatchObject(plugins);
  });
  if (!stopped) return 'never stopped';
  if (code !== 0) expect(JSON.parse(output)).toMatchObject({ code: 'E_LOCKED' });
  // Whoever came last: a complete release, and never without what the one that was awake published.
  const whole = [
    { ...old, ...plugins },
    { ...old, ...first, ...plugins },
  ];
  expect(whole).toContainEqual(await servedBy(root));
  if (before[0]?.['waf@1.0.0'] === 'one') {
    expect(await servedBy(root)).toEqual({ ...old, ...first, ...plugins });
  }
  await importInto(root, { plugins: { 'last@1.0.0': 'last' }, sequence: 4 });
  expect(await floorOf(root)).toBe(4);
  await expectClean(root);
  return code === 0 ? 'done' : 'lost';
}

/** The number of the change with which an import puts a new state.json in its place. */
async function stepOfState(): Promise<number> {
  const root = await scratchDir();
  await importInto(root, { plugins: old });
  let found: number | undefined;
  const restore = await watchFileSystem(({ name, args, change }) => {
    if (name === 'rename' && String(args[1]).endsWith('state.json')) found = change;
    return undefined;
  });
  await importInto(root, { plugins: first, sequence: 2 });
  restore();
  return found!;
}

test('a sleeper that wakes up before its last write finds that its staging is gone, and the floor stays', async () => {
  const root = await scratchDir();
  await importInto(root, { plugins: old });
  const { stopped, output } = await whileStopped(root, await stepOfState(), async () => {
    await ageLock(root);
    await importInto(root, { plugins: second, sequence: 9 });
  });
  expect(stopped).toBe(true);
  expect(JSON.parse(output)).toMatchObject({ code: 'E_LOCKED' });
  expect(await servedBy(root)).toEqual({ ...old, ...second });
  expect(await floorOf(root)).toBe(9);
});

test('a floor that was written over by an older state is found again from the releases', async () => {
  const root = await scratchDir();
  await importInto(root, { plugins: old });
  const state = join(root, '.plugferry/state.json');
  const before = await readFile(state);
  await importInto(root, { plugins: second, sequence: 9 });
  await writeFile(state, before);
  await importInto(root, { plugins: first, sequence: 5 });
  expect(await floorOf(root)).toBe(9);
});

test('of two importers at the same time one is told who is at work; run again, both bundles are there', async () => {
  const root = await scratchDir();
  await importInto(root, { plugins: old });
  const runs = [first, second].map(
    (plugins, index) => send({ verb: 'import', root, arrival: { plugins, sequence: index + 2 } }).ended,
  );
  for (const { code, output } of await Promise.all(runs)) {
    if (code !== 0) expect(JSON.parse(output)).toMatchObject({ code: 'E_LOCKED' });
  }
  await importInto(root, { plugins: first, sequence: 2 });
  await importInto(root, { plugins: second, sequence: 3 });
  expect(await servedBy(root)).toEqual({ ...old, ...first, ...second });
  await expectClean(root);
});
