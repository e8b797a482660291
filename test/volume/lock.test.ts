import { mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import type { FileSystem } from '../../src/files/file-system.js';
import { acquireLock, sweepDrafts } from '../../src/volume/lock.js';
import { layoutOf, type VolumeLayout } from '../../src/volume/layout.js';
import { describeOwner, type Owner } from '../../src/volume/owner.js';
import { tempDir } from '../helpers/temp.js';
import { actor } from './scene.js';

async function emptyVolume(): Promise<VolumeLayout> {
  const layout = layoutOf(await tempDir());
  await mkdir(layout.control);
  return layout;
}

const acquire = (layout: VolumeLayout) => acquireLock(layout, actor, new Date());

/** A lock that somebody else left or holds. */
async function plant(layout: VolumeLayout, changes: Partial<Owner>, silence = 0): Promise<void> {
  const owner = { ...(await describeOwner(actor, 'f'.repeat(32), new Date())), ...changes };
  await mkdir(layout.lock);
  await writeFile(join(layout.lock, 'owner.json'), JSON.stringify(owner));
  await writeFile(join(layout.lock, 'heartbeat'), '');
  const then = new Date(Date.now() - silence);
  await utimes(join(layout.lock, 'heartbeat'), then, then);
}

const leftovers = async ({ control }: VolumeLayout): Promise<string[]> => await readdir(control);

test('a lock names its holder, keeps others out and goes without a trace', async () => {
  const layout = await emptyVolume();
  const lock = await acquire(layout);
  expect(JSON.parse(await readFile(join(layout.lock, 'owner.json'), 'utf8'))).toMatchObject(actor);
  await expect(acquire(layout)).rejects.toMatchObject({
    code: 'E_LOCKED',
    message: expect.stringMatching(/ada@bench \(process \d+\), since 20/),
    hint: expect.stringContaining('10 minutes'),
  });
  await lock.assertHeld();
  await lock.release();
  expect(await leftovers(layout)).toEqual([]);
});

test('of many who ask at once, one gets the lock', async () => {
  const layout = await emptyVolume();
  const asked = await Promise.allSettled(Array.from({ length: 20 }, () => acquire(layout)));
  expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

test('of many who find a dead lock at once, one gets it', async () => {
  for (let round = 0; round < 10; round += 1) {
    const layout = await emptyVolume();
    await plant(layout, { pid: 2 ** 22 + 1 });
    const asked = await Promise.allSettled(Array.from({ length: 8 }, () => acquire(layout)));
    const held = asked.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const still = await Promise.allSettled(held.map((lock) => lock.assertHeld()));
    expect(still.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  }
});

const minute = 60_000;
const otherMachine = { machineId: 'a'.repeat(32), bootId: 'b', host: 'elsewhere' };

test.each<[string, Partial<Owner>, number]>([
  ['a process that is gone', { pid: 2 ** 22 + 1 }, 0],
  ['an earlier process with the same id', { pid: 1, processStart: '123456789' }, 0],
  ['a run of this process that did not clean up', {}, 0],
  ['this machine before it was started anew', { bootId: 'earlier' }, 0],
  ['another machine that is silent for 11 minutes', otherMachine, 11 * minute],
  ['a process that lives but is silent for 11 minutes', { pid: 1, processStart: 'any' }, 11 * minute],
])('the lock of %s is taken over', async (_, owner, silence) => {
  const layout = await emptyVolume();
  await plant(layout, owner, silence);
  const lock = await acquire(layout);
  await lock.assertHeld();
  await lock.release();
  expect(await leftovers(layout)).toEqual([]);
});

test.each<[string, Partial<Owner>]>([
  ['another machine that gave a sign of life', { ...otherMachine, pid: 2 ** 22 + 1 }],
  [
    'another container on this machine, whose processes cannot be seen',
    { pidNamespace: 'pid:[1]', pid: 2 ** 22 + 1 },
  ],
  ['a clone of this machine with another name', { host: 'clone', bootId: 'other' }],
])('the lock of %s is respected', async (_, owner) => {
  const layout = await emptyVolume();
  await plant(layout, owner, 9 * minute);
  await expect(acquire(layout)).rejects.toMatchObject({ code: 'E_LOCKED' });
  expect(await leftovers(layout)).toEqual(['lock']);
});

test.each(['', '{}', 'not JSON', '{"pid":1}'])(
  'a lock whose owner reads %j is respected until its time is over',
  async (text) => {
    const layout = await emptyVolume();
    await plant(layout, {});
    await writeFile(join(layout.lock, 'owner.json'), text);
    await expect(acquire(layout)).rejects.toMatchObject({ code: 'E_LOCKED' });
    const then = new Date(Date.now() - 11 * minute);
    await utimes(join(layout.lock, 'heartbeat'), then, then);
    await (await acquire(layout)).release();
  },
);

test('who lost the lock is told so and does not take the other one away', async () => {
  const layout = await emptyVolume();
  const first = await acquire(layout);
  const then = new Date(Date.now() - 11 * minute);
  await utimes(join(layout.lock, 'heartbeat'), then, then);
  const second = await acquire(layout);
  await expect(first.assertHeld()).rejects.toMatchObject({ code: 'E_LOCKED' });
  await first.release();
  await second.assertHeld();
  await second.release();
});

test('who sweeps while another run fills its draft leaves no lock that nobody holds', async () => {
  const layout = await emptyVolume();
  const other = `${layout.lock}.${'b'.repeat(32)}`;
  const draft = `${layout.lock}.${'a'.repeat(32)}`;
  await mkdir(other);
  await mkdir(draft);
  await writeFile(join(draft, 'owner.json'), '{}');
  const fill = async (): Promise<void> => {
    await writeFile(join(draft, 'heartbeat'), '');
    await rename(draft, layout.lock);
  };
  const filled: Promise<void>[] = [];
  const files: FileSystem = {
    ...layout.files,
    async removeAll(path) {
      if (path.startsWith(draft)) {
        await rm(join(path, 'owner.json'));
        filled.push(fill());
        await Promise.allSettled(filled);
      }
      await layout.files.removeAll(path);
    },
  };
  await sweepDrafts({ ...layout, files });
  await expect(filled[0]).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await leftovers(layout)).toEqual([]);
});

test('a draft that cannot be swept keeps nobody from the work', async () => {
  const layout = await emptyVolume();
  const draft = `${layout.lock}.${'a'.repeat(32)}`;
  await mkdir(draft);
  const removeAll = (): Promise<void> =>
    Promise.reject(Object.assign(new Error('grows'), { code: 'ENOTEMPTY' }));
  await sweepDrafts({ ...layout, files: { ...layout.files, removeAll } });
  expect(await leftovers(layout)).toEqual([`${basename(draft)}.swept`]);
  await sweepDrafts(layout);
  expect(await leftovers(layout)).toEqual([]);
});
