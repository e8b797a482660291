import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { isPlugferryError } from '../../src/errors.js';
import { exportBundle, importBundle, listPlugins } from '../../src/index.js';
import { localFileSystem } from '../../src/files/local-file-system.js';
import { indexOf } from '../../src/server/index-of.js';
import { scanTree } from '../../src/volume/scan.js';
import { randomFrom } from '../helpers/mutation.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { tinyModule } from '../helpers/wasm.js';

/** `name@version` to SHA-256, or the code of the refusal. */
type Verdict = Readonly<Record<string, string>> | string;

const signal = new AbortController().signal;

async function verdict(read: () => Promise<Readonly<Record<string, string>>>): Promise<Verdict> {
  try {
    return await read();
  } catch (error) {
    if (isPlugferryError(error)) return error.code;
    throw error;
  }
}

const byList = (root: string): Promise<Verdict> =>
  verdict(async () => {
    const { plugins } = await listPlugins({ location: root });
    return Object.fromEntries(
      plugins.flatMap(({ name, version, sha256 }) =>
        sha256 === undefined ? [] : [[`${name}@${version}`, sha256]],
      ),
    );
  });

const byServe = (root: string): Promise<Verdict> =>
  verdict(async () => {
    const { plugins } = await indexOf(root, signal);
    return Object.fromEntries(
      plugins.map(({ id, files }) => [
        `${id.name}@${id.version}`,
        files.get('plugin.wasm')?.digest.sha256 ?? '',
      ]),
    );
  });

const byAdoption = (root: string): Promise<Verdict> =>
  verdict(async () => {
    const { plugins } = await scanTree(localFileSystem, join(root, 'plugins'));
    return Object.fromEntries(
      plugins.map(({ name, version, files }) => [
        `${name}@${version}`,
        files.find((file) => file.name === 'plugin.wasm')?.sha256 ?? '',
      ]),
    );
  });

const names = [
  'jwt',
  'waf',
  'jwt2',
  'index.json',
  'snapshot-inventory.json',
  'plugins',
  'JWT',
  'lost+found',
  '.git',
  'con',
];
const versions = ['1.0.0', 'latest', 'Latest', '2.0.0', '..3', 'a b', '.tmp'];

/** Where links of a level may lead, from the directory in which they stand. */
const linksOf = (root: string) => ({
  name: [
    'jwt',
    'waf',
    'jwt2',
    'jwt/1.0.0',
    '.',
    '..',
    'nowhere',
    'loop',
    '../../outside/evil',
    '/etc',
    '/etc',
    join(root, 'plugins/jwt'),
  ],
  version: [
    '1.0.0',
    'latest',
    '../waf/1.0.0',
    '../jwt2/latest',
    '..',
    '.',
    'nowhere',
    '../../../outside/evil/1.0.0',
    '/etc/hostname',
  ],
  file: [
    '../1.0.0/plugin.wasm',
    '../../waf/1.0.0/plugin.wasm',
    'other.wasm',
    'nowhere',
    'plugin.wasm',
    '/etc/hostname',
  ],
});

/** A tree of some names and versions, each a directory, a link, a file or nothing right. */
async function generated(root: string, random: (limit: number) => number): Promise<void> {
  const pick = <T>(items: readonly T[]): T => items[random(items.length)]!;
  const put = async (path: string, make: () => Promise<unknown>): Promise<void> => {
    await mkdir(dirname(path), { recursive: true }).catch(() => undefined);
    await make().catch(() => undefined);
  };
  const links = linksOf(root);
  await tinyTree(join(root, '../outside'), {});
  await put(join(root, '../outside/evil/1.0.0/plugin.wasm'), () =>
    writeFile(join(root, '../outside/evil/1.0.0/plugin.wasm'), tinyModule('evil', 600)),
  );
  await tinyTree(root, { 'jwt@1.0.0': 'one' });
  // Trees that are right in all but one thing are as frequent as those in which all is wrong.
  const wildness = 1 + random(8);
  for (let left = 2 + random(8); left > 0; left -= 1) {
    const isWild = random(8) < wildness;
    const name = isWild ? pick(names) : pick(['jwt', 'waf', 'jwt2']);
    const version = isWild ? pick(versions) : pick(['1.0.0', 'latest', '2.0.0']);
    const directory = join(root, 'plugins', name, version);
    const file = join(directory, 'plugin.wasm');
    const shape = random(isWild ? 10 : 6);
    if (shape < 2) await put(file, () => writeFile(file, tinyModule(String(random(4)), 600)));
    else if (shape === 2)
      await put(join(root, 'plugins', name), () =>
        symlink(isWild ? pick(links.name) : 'jwt', join(root, 'plugins', name)),
      );
    else if (shape < 5)
      await put(directory, () => symlink(isWild ? pick(links.version) : '1.0.0', directory));
    else if (shape === 5)
      await put(file, () => symlink(isWild ? pick(links.file) : '../1.0.0/plugin.wasm', file));
    else if (shape === 6) await put(directory, () => writeFile(directory, 'x'));
    else if (shape === 7) await put(join(file, 'x'), () => writeFile(join(file, 'x'), 'x'));
    else if (shape === 8)
      await put(join(directory, 'other.wasm'), () =>
        writeFile(join(directory, 'other.wasm'), tinyModule('other', 600)),
      );
    else await put(join(root, 'plugins', name), () => writeFile(join(root, 'plugins', name), 'x'));
  }
}

test('list, serve and adoption find the same plugins in a tree, or refuse it', async () => {
  const counts = { answered: 0, refusedByList: 0, refusedByAdoption: 0, linked: 0 };
  for (let seed = 1; seed <= 150; seed += 1) {
    const root = join(await tempDir(), 'tree');
    await generated(root, randomFrom(seed));
    const before = await treeOf(root);
    const served = await byServe(root);
    const [listed, adopted] = [await byList(root), await byAdoption(root)];
    expect(typeof served, `seed ${seed}`).toBe('object');
    if (typeof listed === 'string') {
      expect(listed, `seed ${seed}`).toBe('E_SOURCE');
      counts.refusedByList += 1;
    } else expect(listed, `seed ${seed}, list`).toEqual(served);
    if (typeof adopted === 'string') {
      expect(adopted, `seed ${seed}`).toBe('E_RELEASE');
      expect([...before.values()].join('\n'), `seed ${seed}`).toMatch(/-> .*(outside|etc|\.\.)/);
      counts.refusedByAdoption += 1;
    } else expect(adopted, `seed ${seed}, adoption`).toEqual(served);
    if (typeof listed !== 'string' && typeof adopted !== 'string') counts.answered += 1;
    if ([...before.values()].some((content) => content.startsWith('-> '))) counts.linked += 1;
    expect(await treeOf(root)).toEqual(before);
  }
  // Else this would compare nothing.
  expect(counts.answered).toBeGreaterThan(30);
  expect(counts.linked).toBeGreaterThan(50);
  expect(counts.refusedByList).toBeGreaterThan(10);
  expect(counts.refusedByAdoption).toBeGreaterThan(5);
}, 600_000);

test('an import into a tree takes down nothing that was served, or changes nothing', async () => {
  const dir = await tempDir();
  const output = join(dir, 'new.tar.gz');
  await exportBundle({
    source: await tinyTree(join(dir, 'new'), { 'cors@1.0.0': 'c' }),
    output,
    sequence: 1,
  });
  for (let seed = 1; seed <= 30; seed += 1) {
    const root = join(dir, String(seed), 'tree');
    await generated(root, randomFrom(seed));
    const before = await treeOf(root);
    const served = (await byServe(root)) as Readonly<Record<string, string>>;
    try {
      await importBundle({ bundle: output, to: root, trust: { insecureSkipSignature: true } });
    } catch (error) {
      if (!isPlugferryError(error)) throw error;
      expect(error.code, `seed ${seed}`).toBe('E_RELEASE');
      const left = [...(await treeOf(root))].filter(([path]) => !path.startsWith('.plugferry'));
      expect(left, `seed ${seed}`).toEqual([...before]);
      continue;
    }
    for (const found of [await byServe(root), await byList(root)])
      expect(found, `seed ${seed}`).toMatchObject(served);
  }
}, 600_000);
