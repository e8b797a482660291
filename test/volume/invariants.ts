import { lstat, readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { checkVolume } from '../../src/volume/check.js';
import type { Plugins } from './scene.js';

/** What a reader that resolves the link once finds: `name@version` to bytes; undefined when there is no `plugins`. */
export async function servedBy(root: string): Promise<Plugins | undefined> {
  const top = await realpath(join(root, 'plugins')).catch(() => undefined);
  if (top === undefined) return undefined;
  const found: Record<string, string> = {};
  for (const name of (await readdir(top)).toSorted()) {
    for (const version of (await readdir(join(top, name))).toSorted()) {
      const directory = join(top, name, version);
      // A release that lacks a file that it should hold is not complete.
      await readFile(join(directory, 'metadata.txt'));
      found[`${name}@${version}`] = await readFile(join(directory, 'plugin.wasm'), 'utf8');
    }
  }
  return found;
}

/** The highest sequence that a volume remembers for the set of `scene.ts`; 0 when it remembers none. */
export async function floorOf(root: string): Promise<number> {
  const text = await readFile(join(root, '.plugferry/state.json'), 'utf8').catch(() => '{"sets":[]}');
  const { sets } = JSON.parse(text) as { sets: { sequence: number }[] };
  return sets[0]?.sequence ?? 0;
}

/** Nothing left over in any corner, nothing that differs from what was recorded, and a readable audit log. */
export async function expectClean(root: string): Promise<void> {
  const control = join(root, '.plugferry');
  expect(await readdir(join(control, 'staging')), 'staging').toEqual([]);
  expect((await readdir(control)).toSorted()).toEqual(
    ['audit.jsonl', 'blobs', 'releases', 'staging', 'state.json'].toSorted(),
  );
  expect((await readdir(root)).toSorted()).toEqual(['.plugferry', 'plugins']);
  expect((await checkVolume(root)).findings).toEqual([]);
  expect((await readdir(join(control, 'blobs/sha256'))).toSorted(), 'blobs').toEqual(
    await usedBlobs(control),
  );
  await expectSerialsOnce(control);
}

async function usedBlobs(control: string): Promise<string[]> {
  const used = new Set<string>();
  for (const id of await readdir(join(control, 'releases'))) {
    const text = await readFile(join(control, 'releases', id, 'release.json'), 'utf8');
    for (const [, sha256] of text.matchAll(/"sha256": "([0-9a-f]{64})"/g)) used.add(sha256!);
    expect((await lstat(join(control, 'releases', id, 'plugins'))).isDirectory()).toBe(true);
  }
  return [...used].toSorted();
}

/** One line a change: each entry of the history is in the audit log, and no more often than once. */
async function expectSerialsOnce(control: string): Promise<void> {
  const { history } = JSON.parse(await readFile(join(control, 'state.json'), 'utf8')) as {
    history: { serial: number; release: string }[];
  };
  const lines = (await readFile(join(control, 'audit.jsonl'), 'utf8')).split('\n').filter(Boolean);
  const changes = lines.flatMap((line) => {
    const { serial, action, result } = JSON.parse(line) as Record<string, unknown>;
    return action !== 'prune' && (result === 'done' || result === 'recovered') ? [{ serial, result }] : [];
  });
  // The newest entry is written before the switch: it counts once the link follows.
  const link = await readlink(join(control, '../plugins'));
  const settled = history.filter(
    ({ release }, index) => index < history.length - 1 || link.includes(release),
  );
  const serials = settled.map(({ serial }) => serial);
  const written = changes.map(({ serial }) => serial);
  expect(serials.filter((serial) => !written.includes(serial))).toEqual([]);
  // A line that the next run made up for may come again from a run that was only asleep.
  const once = new Set(changes.map((change) => JSON.stringify(change)));
  expect(once.size).toBe(changes.length);
}
