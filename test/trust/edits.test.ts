import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { documentBytes } from '../../src/schema/parse.js';
import { describeOwner } from '../../src/volume/owner.js';
import { cli, errorCode } from '../helpers/cli.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { oneOfEach } from '../helpers/trust.js';
import {
  digest,
  documentIn,
  edits,
  everybody,
  expectWhole,
  lock,
  stoppedAt,
  trust,
  usualStore,
  type People,
} from './editing.js';

let people: People;
beforeAll(async () => {
  people = await everybody();
});

test('of trust edits at the same time, none that says that it is done is lost', async () => {
  for (let round = 0; round < 3; round += 1) {
    const { store, qa } = await usualStore(people);
    const all = edits({ store, qa }, people);
    const runs = await Promise.all(all.map(([line]) => trust(line)));
    const after = await documentIn(store);
    const done = runs.filter(({ code }) => code === 0);
    expect(done.length).toBeGreaterThan(0);
    for (const [index, run] of runs.entries()) {
      if (run.code === 0) expect(all[index]?.[1](after), all[index]?.[0].join(' ')).toBe(true);
      else expect([run.code, errorCode(run)]).toEqual([6, expect.stringMatching(/^E_(LOCKED|CONFLICT)$/)]);
    }
    expect(after.version).toBe(1 + done.length);
    await expectWhole(store);
  }
});

test('of two who make a store at the same place, one makes it', async () => {
  const store = join(await tempDir(), 'trust');
  const runs = await Promise.all(
    [1, 2, 3].map((threshold) => trust(['init', store, '--root-threshold', String(threshold)])),
  );
  const made = runs.filter(({ code }) => code === 0);
  expect(made).toHaveLength(1);
  for (const run of runs.filter(({ code }) => code !== 0)) {
    expect([run.code, errorCode(run)]).toEqual([6, expect.stringMatching(/^E_(LOCKED|EXISTS)$/)]);
  }
  const { rootThreshold } = JSON.parse(made[0]?.stdout ?? '') as { rootThreshold: number };
  expect((await documentIn(store)).rootThreshold).toBe(rootThreshold);
  await expectWhole(store);
});

test('the lock of a process that runs is respected, and names it; when it is gone it counts for nothing', async () => {
  const { store } = await usualStore(people);
  const holder = spawn('sleep', ['600'], { stdio: 'ignore' });
  await once(holder, 'spawn');
  const actor = { user: 'ada', host: 'bench', pid: holder.pid ?? 0, tool: 'plugferry/test' };
  await mkdir(join(store, lock));
  await writeFile(
    join(store, lock, 'owner.json'),
    JSON.stringify(await describeOwner(actor, 'f'.repeat(32), new Date())),
  );
  await writeFile(join(store, lock, 'heartbeat'), '');
  const before = await treeOf(store);
  const refused = await trust(['revoke', store, 'dev']);
  expect([refused.code, errorCode(refused)]).toEqual([6, 'E_LOCKED']);
  expect(refused.stdout).toContain('ada@bench');
  expect(await treeOf(store)).toEqual(before);
  // Who only reads needs no lock.
  expect((await trust(['list', store])).code).toBe(0);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  expect((await trust(['revoke', store, 'dev'])).code).toBe(0);
  await expectWhole(store);
});

test('where there is no trust store, an edit makes none, nor a lock', async () => {
  const directory = await tempDir();
  const run = await trust(['revoke-bundle', directory, digest]);
  expect([run.code, errorCode(run)]).toEqual([4, 'E_TRUST_MISSING']);
  expect(await readdir(directory)).toEqual([]);
  await rm(directory, { recursive: true });
  const gone = await trust(['revoke-bundle', directory, digest]);
  expect([gone.code, errorCode(gone)]).toEqual([4, 'E_TRUST_MISSING']);
});

test('a trust.json that changed while it was signed gets no signature', async () => {
  const { store, directory } = await usualStore(people);
  const { pub } = await people.root.writeTo(directory);
  const file = join(store, 'trust.json');
  await writeFile(join(directory, 's.sig'), people.root.sign(await readFile(file)));
  const command = `cat "${join(directory, 's.sig')}"; printf '\\n' >> "${file}"`;
  const run = await cli(['sign', file, '--sign-command', command, '--signed-by', pub, '--json']);
  expect(run.code).not.toBe(0);
  expect(['E_SOURCE_CHANGED', 'E_TRUST_STORE']).toContain(errorCode(run));
  expect((await readdir(store)).filter((name) => name.endsWith('.sig'))).toEqual([]);
});

test('an edit gives way to a store that somebody wrote by hand meanwhile', async () => {
  for (let step = 0; ; step += 1) {
    const { store } = await usualStore(people);
    const file = join(store, 'trust.json');
    const now = await documentIn(store);
    const byHand = documentBytes({ ...now, version: 40, sets: { hand: oneOfEach('dev') } });
    const { stopped, ...run } = await stoppedAt(step, ['revoke', store, 'dev'], () =>
      writeFile(file, byHand),
    );
    // At the first steps nothing is read yet, and both changes are there.
    expect(stopped).toBe(true);
    expect(Object.keys((await documentIn(store)).sets)).toEqual(['hand']);
    if (run.code === 0) continue;
    expect([run.code, errorCode(run)]).toEqual([6, 'E_CONFLICT']);
    expect(await readFile(file)).toEqual(byHand);
    return;
  }
});
