import {
  copyFile,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isPlugferryError, joinParts, splitBundle, type PartDamage } from '../../src/index.js';
import { cli, errorCode, finished, start, type CliRun } from '../helpers/cli.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { noise } from '../helpers/wasm.js';

const mib = 1024 * 1024;
const block = 256 * 1024;

/** Bytes that stand for a bundle: parts do not care what they carry. */
const someBytes = noise('bundle', mib);
const bytesOf = (size: number): Buffer =>
  Buffer.concat(
    Array.from({ length: Math.ceil(size / mib) }, (_, at) => Buffer.concat([Buffer.from([at]), someBytes])),
  ).subarray(0, size);

interface Split {
  readonly directory: string;
  readonly bundle: Buffer;
  readonly parts: string[];
  part(number: number): string;
}

/** A bundle in parts, and nothing else left of it in the directory. */
async function splitInto(data: number, parity: string, partMib = 2): Promise<Split> {
  const directory = await tempDir();
  // The last part is shorter than the others, and not whole blocks.
  const bundle = bytesOf((data - 1) * (partMib * mib - block) + 300_001);
  await writeFile(join(directory, 'b.tar.gz'), bundle);
  const run = await cli(['split', 'b.tar.gz', '--split-size', `${partMib}M`, '--parity', parity, '--json'], {
    cwd: directory,
  });
  expect(run).toMatchObject({ code: 0 });
  const { parts } = JSON.parse(run.stdout) as { parts: { file: string; kind: string }[] };
  expect(parts.filter(({ kind }) => kind === 'data')).toHaveLength(data);
  await rm(join(directory, 'b.tar.gz'));
  return {
    directory,
    bundle,
    parts: parts.map(({ file }) => file),
    part: (number) => join(directory, `b.tar.gz.part${String(number).padStart(3, '0')}`),
  };
}

const joined = ({ directory }: Split, ...parts: string[]): Promise<CliRun> =>
  cli(['join', ...(parts.length === 0 ? ['.'] : parts), '-o', 'out.tar.gz', '--json'], { cwd: directory });

async function expectJoined(split: Split, ...parts: string[]): Promise<PartDamage[]> {
  const run = await joined(split, ...parts);
  expect(run).toMatchObject({ code: 0 });
  expect((await readFile(join(split.directory, 'out.tar.gz'))).equals(split.bundle)).toBe(true);
  return (JSON.parse(run.stdout) as { repaired: PartDamage[] }).repaired;
}

/** What a refused join says is wrong; there is no output, nor any trace of one. */
async function expectRefused(
  split: Split,
  ...parts: string[]
): Promise<{ message: string; parts: PartDamage[] }> {
  const before = await readdir(split.directory);
  const run = await joined(split, ...parts);
  expect([run.code, errorCode(run)]).toEqual([3, 'E_PARTS']);
  expect(await readdir(split.directory)).toEqual(before);
  const { error } = JSON.parse(run.stdout) as {
    error: { message: string; details: { parts: PartDamage[] } };
  };
  return { message: error.message, parts: error.details.parts };
}

async function overwrite(path: string, at: number, length: number): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(Buffer.alloc(length, 0xa5), 0, length, at);
  await file.close();
}

test('parts under any name, in any order, are the bundle again; each says what it is', async () => {
  const split = await splitInto(4, '0%');
  for (const part of split.parts)
    expect((await stat(join(split.directory, part))).size).toBeLessThanOrEqual(2 * mib);
  const head = (await readFile(split.part(2))).subarray(0, 512).toString('latin1');
  for (const line of ['part 2', 'data 4', 'parity 0', `bundle-size ${split.bundle.length}`])
    expect(head.split('\n')).toContain(line);
  await mkdir(join(split.directory, 'disc'));
  await rename(split.part(1), join(split.directory, 'disc/zuletzt'));
  await rename(split.part(4), join(split.directory, 'a'));
  await writeFile(join(split.directory, 'disc/readme.txt'), 'no part');
  // Twice the same part is no matter.
  await copyFile(split.part(3), join(split.directory, 'copy'));
  expect(await expectJoined(split, 'a', 'b.tar.gz.part003', 'copy', 'disc', 'b.tar.gz.part002')).toEqual([]);
});

test('the payload of the parts can be cut out with stock tools', async () => {
  const split = await splitInto(3, '40%');
  const sizes = await Promise.all(
    [1, 2, 3].map(async (part) => {
      const bytes = await readFile(split.part(part));
      const size = Number(/^size (\d+)$/m.exec(bytes.subarray(0, 512).toString('latin1'))?.[1]);
      return bytes.subarray(512, 512 + size);
    }),
  );
  expect(Buffer.concat(sizes).equals(split.bundle)).toBe(true);
});

test('the same bundle split again gives the same parts, so that a lost one can be sent again', async () => {
  const split = await splitInto(3, '50%');
  const before = await treeOf(split.directory);
  await writeFile(join(split.directory, 'b.tar.gz'), split.bundle);
  const again = ['split', 'b.tar.gz', '--split-size', '2M', '--parity', '50'];
  expect(await cli([...again, '--force'], { cwd: split.directory })).toMatchObject({ code: 0 });
  await rm(join(split.directory, 'b.tar.gz'));
  expect(await treeOf(split.directory)).toEqual(before);
});

describe('ten parts with 20 % parity', () => {
  test('any one deleted, and any 1 MiB of another overwritten, is repaired', async () => {
    const split = await splitInto(10, '20%');
    expect(split.parts).toHaveLength(12);
    const saved = join(split.directory, 'saved');
    for (let deleted = 1; deleted <= 12; deleted += 1) {
      const other = (deleted % 12) + 1;
      const { size } = await stat(split.part(other));
      const length = Math.min(mib, size);
      // From the very first byte, across some blocks, or up to the very last.
      const at = [0, Math.floor((size - length) / 2), size - length][deleted % 3]!;
      await rename(split.part(deleted), join(split.directory, 'gone'));
      await copyFile(split.part(other), saved);
      await overwrite(split.part(other), at, length);
      const repaired = await expectJoined(
        split,
        ...(await readdir(split.directory)).filter((name) => name.startsWith('b.')),
      );
      expect(repaired.map(({ part }) => part).filter((part) => part === deleted)).toEqual(
        deleted > 10 ? [] : [deleted],
      );
      await rm(join(split.directory, 'out.tar.gz'));
      await rename(join(split.directory, 'gone'), split.part(deleted));
      await rename(saved, split.part(other));
    }
  });

  test('as many bad spots as there is parity for in each stripe are repaired, in every part at once', async () => {
    const split = await splitInto(10, '20%');
    for (let part = 1; part <= 9; part += 2)
      await overwrite(split.part(part), 512 + Math.floor(part / 2) * block, 2 * block);
    expect((await expectJoined(split)).map(({ part }) => part)).toEqual([1, 3, 5, 7, 9]);
  });

  test('three lost are too many, and are named with everything else that is wrong', async () => {
    const split = await splitInto(10, '20%');
    await rm(split.part(2));
    await rm(split.part(7));
    await overwrite(split.part(9), 512 + block + 5, 10);
    const { message, parts } = await expectRefused(split);
    const whole = 2 * mib - block;
    expect(parts.map(({ part, kind }) => [part, kind])).toEqual([
      [2, 'missing'],
      [7, 'missing'],
      [9, 'damaged'],
    ]);
    expect(parts[0]?.inBundle).toEqual([{ first: whole, last: 2 * whole - 1 }]);
    expect(parts[2]?.inFile).toEqual([{ first: 512 + block, last: 512 + 2 * block - 1 }]);
    expect(message).toContain(`part 7 of 12 is missing (bytes ${6 * whole}-${7 * whole - 1} of the bundle)`);
    expect(message).toContain('b.tar.gz.part009');
  });
});

describe('without parity', () => {
  test('a missing part and a damaged one are both named, with the bytes, before anything is joined', async () => {
    const split = await splitInto(5, '0%');
    await rm(split.part(2));
    await overwrite(split.part(4), 512, 1);
    const { parts } = await expectRefused(split);
    expect(parts.map(({ part, kind, of }) => [part, kind, of])).toEqual([
      [2, 'missing', 5],
      [4, 'damaged', 5],
    ]);
  });

  test('a part cut off by an interrupted copy is damaged from there on', async () => {
    const split = await splitInto(3, '0%');
    await truncate(split.part(2), 512 + block + 7);
    const { parts } = await expectRefused(split);
    expect(parts[0]).toMatchObject({
      part: 2,
      kind: 'damaged',
      inFile: [{ first: 512 + block, last: 511 + 2 * mib - block }],
    });
  });

  test.each([
    ['the first header', 0, 512],
    ['the last header', -512, 512],
    ['the end, with the digests of its blocks', -1000, 1000],
  ])('%s of a part may be gone: another place has it', async (_what, from, length) => {
    const split = await splitInto(4, '0%');
    for (const part of [1, 3]) {
      const { size } = await stat(split.part(part));
      await overwrite(split.part(part), from < 0 ? size + from : from, length);
    }
    expect(await expectJoined(split, ...split.parts)).toEqual([]);
  });

  test('two damaged copies of a part make a whole one', async () => {
    const split = await splitInto(2, '0%');
    await copyFile(split.part(1), join(split.directory, 'copy'));
    await overwrite(split.part(1), 600, 10);
    await overwrite(join(split.directory, 'copy'), 512 + 2 * block, 10);
    expect(await expectJoined(split)).toEqual([]);
  });
});

describe('parts that do not belong together', () => {
  test('a stale part of an older set is named, never merged, though it is the one that is wanted', async () => {
    const split = await splitInto(3, '50%');
    const stale = await splitInto(2, '0%');
    await copyFile(stale.part(2), split.part(2));
    const { message } = await expectRefused(split);
    expect(message).toContain('not of one set');
    expect(message).toContain('b.tar.gz.part002');
  });

  test('a block from another place with its part intact otherwise is damage, not data', async () => {
    const split = await splitInto(3, '0%');
    const bytes = await readFile(split.part(1));
    bytes.copy(bytes, 512 + block, 512, 512 + block);
    await writeFile(split.part(1), bytes);
    const { parts } = await expectRefused(split);
    expect(parts).toMatchObject([{ part: 1, kind: 'damaged' }]);
  });

  test('a header that claims to be of the set is not believed', async () => {
    const split = await splitInto(3, '0%');
    const { headerBytes, parseHeader } = await import('../../src/parts/header.js');
    const bytes = await readFile(split.part(2));
    const header = parseHeader(bytes.subarray(0, 512), 'x')!;
    headerBytes({ ...header, digest: '0'.repeat(64) }).copy(bytes);
    await writeFile(split.part(2), bytes);
    expect((await expectRefused(split)).message).toContain('b.tar.gz.part002');
  });

  test.each([
    ['no part', 'hello'],
    ['a part of a later version', 'plugferry.part/v2\n'.padEnd(600, 'x')],
    ['a name with a line feed and an escape', ''],
  ])('%s is said', async (what, content) => {
    const directory = await tempDir();
    const name = what.startsWith('a name') ? 'evil\n\u001b[2Jname' : 'file';
    await writeFile(join(directory, name), content);
    const run = await cli(['join', name, '-o', 'out', '--json'], { cwd: directory });
    expect([run.code, errorCode(run)]).toEqual(
      what.includes('version') ? [5, 'E_FORMAT_VERSION'] : [3, 'E_PARTS'],
    );
    expect(run.stderr).not.toMatch(/[\x00-\x09\x0b-\x1f]/);
    expect(await readdir(directory)).toEqual([name]);
  });

  test('an empty directory, a missing file', async () => {
    const directory = await tempDir();
    expect(errorCode(await cli(['join', '.', '-o', 'out', '--json'], { cwd: directory }))).toBe('E_PARTS');
    expect(errorCode(await cli(['join', 'none', '-o', 'out', '--json'], { cwd: directory }))).toBe(
      'E_NOT_FOUND',
    );
  });
});

describe('split', () => {
  test.each([
    ['0', 'E_USAGE'],
    ['1023K', 'E_USAGE'],
    ['floppy', 'E_USAGE'],
    ['-5M', 'E_USAGE'],
  ])('--split-size %s: %s', async (size, code) => {
    const directory = await tempDir();
    await writeFile(join(directory, 'b'), 'x');
    const run = await cli(['split', 'b', `--split-size=${size}`, '--json'], { cwd: directory });
    expect([run.code, errorCode(run)]).toEqual([2, code]);
    expect(await readdir(directory)).toEqual(['b']);
  });

  test('replaces nothing without --force, and leaves nothing when it must stop', async () => {
    const directory = await tempDir();
    await writeFile(join(directory, 'b'), bytesOf(5 * mib));
    await writeFile(join(directory, 'b.part003'), 'precious');
    const run = await cli(['split', 'b', '--split-size', '1M', '--json'], { cwd: directory });
    expect([run.code, errorCode(run)]).toEqual([6, 'E_EXISTS']);
    expect((await readdir(directory)).sort()).toEqual(['b', 'b.part003']);
    expect(await readFile(join(directory, 'b.part003'), 'utf8')).toBe('precious');
  });

  test('Ctrl-C leaves no part behind', async () => {
    const directory = await tempDir();
    await writeFile(join(directory, 'b'), bytesOf(60 * mib));
    const child = start(['split', 'b', '--split-size', '2M', '--parity', '50%'], { cwd: directory });
    const end = finished(child);
    await expect.poll(() => readdir(directory).then((names) => names.length)).toBeGreaterThan(3);
    child.kill('SIGINT');
    expect(await end).toMatchObject({ code: 130 });
    expect(await readdir(directory)).toEqual(['b']);
  });

  test('more than 255 parts are refused, and an empty file', async () => {
    const directory = await tempDir();
    await writeFile(join(directory, 'b'), Buffer.alloc(0));
    const refusal = async (parity: number, partFile: number): Promise<unknown> =>
      splitBundle({ bundle: join(directory, 'b'), partFile, parity }).catch((error: unknown) =>
        isPlugferryError(error) ? error.code : error,
      );
    expect(await refusal(0, mib)).toBe('E_CONTAINER');
    await writeFile(join(directory, 'b'), Buffer.alloc(140 * 768 * 1024));
    expect(await refusal(100, mib)).toBe('E_LIMIT');
    expect(await readdir(directory)).toEqual(['b']);
  });

  test('a bundle of one part, with parity, loses the part and comes back', async () => {
    const directory = await tempDir();
    const bundle = bytesOf(5000);
    await writeFile(join(directory, 'b'), bundle);
    const { parts } = await splitBundle({ bundle: join(directory, 'b'), partFile: mib, parity: 1 });
    expect(parts.map(({ kind }) => kind)).toEqual(['data', 'parity']);
    const result = await joinParts({ parts: [parts[1]!.file], output: join(directory, 'out') });
    expect(result.repaired).toMatchObject([
      { part: 1, kind: 'missing', inBundle: [{ first: 0, last: 4999 }] },
    ]);
    expect((await readFile(join(directory, 'out'))).equals(bundle)).toBe(true);
  });
});
