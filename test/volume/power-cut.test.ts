import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { prune } from '../../src/volume/prune.js';
import { rollback } from '../../src/volume/rollback.js';
import { expectClean, floorOf, servedBy } from './invariants.js';
import { fingerprint, restoreImage, ShadowDisk, type Image, type PowerCut } from './power-cut.js';
import { actor, importInto, plainTree, type Plugins } from './scene.js';
import { scratchDir } from './scratch.js';

const old: Plugins = { 'waf@1.0.0': 'one', 'cors@1.0.0': 'two' };
const next: Plugins = { ...old, 'key-auth@1.0.0': 'three' };
const other: Plugins = { 'bot-detect@1.0.0': 'four' };
const added = { plugins: { 'key-auth@1.0.0': 'three' }, sequence: 2 };
const later = { actor, clock: () => new Date(Date.now() + 2 * 3_600_000) };

interface Scene {
  readonly prepare: (root: string) => Promise<unknown>;
  readonly act: (root: string) => Promise<unknown>;
  /** What readers may find after the power cut. */
  readonly allowed: readonly (Plugins | undefined)[];
  /** The run after it. */
  readonly again: (root: string) => Promise<unknown>;
  /** What readers find after that run; one of `allowed` if it is left open. */
  readonly finally?: Plugins;
}

const scenes: Record<string, Scene> = {
  import: {
    prepare: (root) => importInto(root, { plugins: old }),
    act: (root) => importInto(root, added),
    allowed: [old, next],
    again: (root) => importInto(root, added),
    finally: next,
  },
  'the first import': {
    prepare: async () => undefined,
    act: (root) => importInto(root, { plugins: old }),
    allowed: [undefined, old],
    again: (root) => importInto(root, { plugins: old }),
    finally: old,
  },
  'an import after which another one is run': {
    prepare: (root) => importInto(root, { plugins: old }),
    act: (root) => importInto(root, added),
    allowed: [old, next, { ...old, ...other }, { ...next, ...other }],
    again: (root) => importInto(root, { plugins: other, sequence: 3 }),
  },
  rollback: {
    prepare: async (root) => {
      await importInto(root, { plugins: old });
      await importInto(root, added);
    },
    act: (root) => rollback(root, {}, { actor }),
    allowed: [old, next],
    again: (root) => importInto(root, added),
    finally: next,
  },
  prune: {
    prepare: async (root) => {
      await importInto(root, { plugins: { 'gone@1.0.0': 'gone' } });
      await importInto(root, { plugins: old, mode: 'replace', sequence: 2 });
    },
    act: (root) => prune(root, { keep: 1 }, later),
    allowed: [old],
    again: (root) => prune(root, { keep: 1 }, later),
    finally: old,
  },
};

async function sweep(
  { prepare, act, allowed, again, finally: end }: Scene,
  cuts: readonly PowerCut[],
): Promise<number> {
  const top = await scratchDir();
  const root = join(top, 'real');
  await mkdir(root);
  await prepare(root);
  const disk = await ShadowDisk.of(root);
  const images = new Map<string, Image>();
  const take = (): void => {
    for (const cut of cuts) {
      const image = disk.image(cut);
      images.set(fingerprint(image), image);
    }
  };
  await disk.follow(() => act(root), take);
  let number = 0;
  for (const image of images.values()) {
    const restarted = join(top, String(number));
    number += 1;
    await mkdir(restarted);
    await restoreImage(image, restarted);
    const found = await servedBy(restarted);
    expect(allowed).toContainEqual(found);
    if (found?.['key-auth@1.0.0'] !== undefined) expect(await floorOf(restarted)).toBe(2);
    await again(restarted);
    expect(end === undefined ? allowed : [end]).toContainEqual(await servedBy(restarted));
    await expectClean(restarted);
  }
  return number;
}

test.each(Object.keys(scenes))(
  'a power cut at any moment of %s: old or new, and running again is all it takes',
  async (name) => {
    expect(await sweep(scenes[name]!, ['lost', 'unwritten'])).toBeGreaterThan(15);
  },
);

test('a power cut or a kill at any moment of an adoption loses nothing', async () => {
  const plain: Scene = {
    prepare: (root) => plainTree(root, old),
    act: (root) => importInto(root, added),
    // `plugins` is gone between the two renames.
    allowed: [undefined, old, next],
    again: (root) => importInto(root, added),
    finally: next,
  };
  const givenUp: Scene = {
    ...plain,
    prepare: async (root) => {
      await plainTree(root, old);
      await mkdir(join(root, '.plugferry'));
    },
    again: async (root) => {
      await prune(root, { keep: 3 }, { actor });
      expect([old, next]).toContainEqual(await servedBy(root));
      await importInto(root, added);
    },
  };
  expect(await sweep(givenUp, ['none'])).toBeGreaterThan(30);
  // A file system that flushes the two directories of a rename at different times would have the tree in both.
  expect(await sweep(plain, ['unwritten', 'none'])).toBeGreaterThan(60);
});

test('whatever a rename publishes is flushed before it, and the directory after it', async () => {
  const root = await scratchDir();
  await importInto(root, { plugins: old });
  const disk = await ShadowDisk.of(root);
  const published: string[] = [];
  await disk.follow(
    () => importInto(root, added),
    ({ name, args }) => {
      if (name !== 'rename') return;
      const target = String(args[1]).slice(root.length + 1);
      if (!/^(plugins|\.plugferry\/(state\.json|releases\/\w{64}|blobs\/sha256\/\w{64}))$/.test(target))
        return;
      published.push(target);
      expect(disk.unflushedBelow(target)).toEqual([]);
    },
  );
  expect(published.map((path) => dirname(path))).toEqual([
    '.plugferry/blobs/sha256',
    '.plugferry/releases',
    '.plugferry',
    '.',
  ]);
  const [survived, all] = [disk.image('lost'), disk.image('none')];
  for (const path of published) expect(survived.get(path)?.node, path).toBe(all.get(path)!.node);
});
