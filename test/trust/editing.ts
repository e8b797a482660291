import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { TrustDocument } from '../../src/schema/trust.js';
import { cli, finished, start, type CliRun } from '../helpers/cli.js';
import type { TestKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';
import { oneOfEach, putStore, testKeys } from '../helpers/trust.js';

export type People = Record<'dev' | 'old' | 'qa' | 'root', TestKey>;

export const everybody = (): Promise<People> => testKeys('dev', 'old', 'qa', 'root');

export const faults = pathToFileURL(join(import.meta.dirname, '../helpers/faults.mjs')).href;
export const lock = 'trust.json.lock';
export const digest = 'd'.repeat(64);

/** A trust store with active keys, and the public key file of somebody who is not in it. */
export async function usualStore(people: People): Promise<{ directory: string; store: string; qa: string }> {
  const directory = await tempDir();
  const store = await putStore(join(directory, 'trust'), {
    keys: [
      { key: people.dev, role: 'dev', name: 'dev' },
      { key: people.old, role: 'dev', name: 'old' },
      { key: people.root, role: 'root', name: 'root' },
    ],
    sets: { edge: oneOfEach('dev') },
  });
  const { pub } = await people.qa.writeTo(directory);
  return { directory, store, qa: pub };
}

export const documentIn = async (store: string): Promise<TrustDocument> =>
  JSON.parse(await readFile(join(store, 'trust.json'), 'utf8')) as TrustDocument;

/** Every verb that edits, and whether its change is there. */
export const edits = (
  { store, qa }: { readonly store: string; readonly qa: string },
  people: People,
): readonly (readonly [string[], (document: TrustDocument) => boolean])[] => [
  [['revoke', store, 'dev'], ({ keys }) => keys[people.dev.keyId]?.status === 'revoked'],
  [['add', store, qa, '--name', 'qa', '--role', 'qa'], ({ keys }) => keys[people.qa.keyId] !== undefined],
  [['retire', store, 'old'], ({ keys }) => keys[people.old.keyId]?.status === 'retired'],
  [['set', store, 'lab', '--require', 'dev=1'], ({ sets }) => sets['lab'] !== undefined],
  [['roots', store, '--threshold', '2'], ({ rootThreshold }) => rootThreshold === 2],
  [['revoke-bundle', store, digest], ({ revokedManifests }) => revokedManifests.includes(digest)],
];

export const trust = (line: readonly string[]): Promise<CliRun> => cli(['trust', ...line, '--json']);

/** Nothing but the store, which reads well. */
export async function expectWhole(store: string): Promise<void> {
  expect((await trust(['list', store])).code).toBe(0);
  const { keys } = await documentIn(store);
  expect((await readdir(store)).sort()).toEqual(
    ['trust.json', ...Object.keys(keys).map((keyId) => `${keyId}.pub`)].sort(),
  );
}

/** Runs a command that stops before its change number `step`; `meanwhile` goes by; it goes on. Says whether it stopped. */
export async function stoppedAt(
  step: number,
  line: readonly string[],
  meanwhile: () => Promise<void>,
): Promise<CliRun & { stopped: boolean }> {
  const child = start(['trust', ...line, '--json'], {
    node: ['--import', faults],
    env: { PLUGFERRY_TEST_FAULT: JSON.stringify({ stop: step }) },
  });
  child.stdin?.end();
  const ended = finished(child);
  const stopped = await stopsItself(child.pid ?? 0);
  try {
    if (stopped) await meanwhile();
  } finally {
    child.kill('SIGCONT');
  }
  return { ...(await ended), stopped };
}

/** Waits until a process is stopped (true) or gone. */
async function stopsItself(pid: number): Promise<boolean> {
  for (;;) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    const state = stat.slice(stat.lastIndexOf(')') + 2).charAt(0);
    if (state === 'T') return true;
    if (state === '' || state === 'Z') return false;
    await sleep(5);
  }
}

/** Calls `sweep` with 0, 1, ... in three lanes until each has met a step that is none. */
export async function everyStep(sweep: (step: number) => Promise<boolean>): Promise<number> {
  const lanes = 3;
  const steps = await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      let count = 0;
      for (let step = lane; await sweep(step); step += lanes) count += 1;
      return count;
    }),
  );
  return steps.reduce((sum, each) => sum + each);
}
