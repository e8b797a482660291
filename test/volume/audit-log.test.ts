import { appendFile, mkdir, readdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { exportBundle, volumeReceipt } from '../../src/index.js';
import { cli, type CliRun } from '../helpers/cli.js';
import { testKey, type TestKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { importInto } from './scene.js';

interface Line {
  readonly serial: number;
  readonly action: string;
  readonly result: string;
  readonly release?: string;
  readonly message?: string;
  readonly omitted?: Readonly<Record<string, number>>;
}

const limit = 8 * 1024 * 1024;
let dev: TestKey;
let top: string;
let volume: string;
let pub: string;
beforeAll(async () => {
  dev = await testKey('dev');
});
beforeEach(async () => {
  top = await tempDir();
  volume = join(top, 'volume');
  ({ pub } = await dev.writeTo(top));
});

const control = (...names: string[]): string => join(volume, '.plugferry', ...names);
const linesIn = async (name = 'audit.jsonl'): Promise<Line[]> =>
  (await readFile(control(name), 'utf8'))
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
const logs = async (): Promise<string[]> =>
  (await readdir(control())).filter((name) => name.startsWith('audit')).toSorted();

async function bundle(sequence: number, plugins: Readonly<Record<string, string>>): Promise<string> {
  const source = await tinyTree(join(top, `tree-${sequence}`), plugins);
  const output = join(top, `${sequence}.tar.gz`);
  await exportBundle({ source, output, signer: dev, sequence });
  return output;
}

const imported = (file: string): Promise<CliRun> =>
  cli(['import', file, '--to', volume, '--public-key', pub, '--json']);
const warningsOf = ({ stdout }: CliRun): string[] => (JSON.parse(stdout) as { warnings: string[] }).warnings;

/** Lines of at least so many bytes together. */
function manyLines(bytes: number, line: (index: number) => object): { text: string; count: number } {
  const lines: string[] = [];
  for (let size = 0; size < bytes; size += lines.at(-1)!.length + 1)
    lines.push(JSON.stringify(line(lines.length)));
  return { text: `${lines.join('\n')}\n`, count: lines.length };
}
const refusal = (index: number) => ({
  serial: 1,
  at: '2026-05-01T00:00:00Z',
  action: 'import',
  result: 'refused',
  code: 'E_SIGNATURE_INVALID',
  message: `attempt ${index} ${'x'.repeat(900)}`,
});
const change = (index: number) => ({
  serial: 1,
  at: '2026-05-01T00:00:00Z',
  action: 'prune',
  result: 'done',
  removed: [`${index}`.padStart(64, '0'), 'y'.repeat(900)],
});

test('imports that are refused in a loop do not fill the disk: the log keeps each change and the newest refusals', async () => {
  const one = await bundle(1, { 'waf@1.0.0': 'a' });
  const two = await bundle(2, { 'waf@1.0.0': 'a', 'jwt@1.0.0': 'b' });
  await imported(two);
  const flood = manyLines(limit, refusal);
  await appendFile(control('audit.jsonl'), flood.text);
  expect(await imported(one)).toMatchObject({ code: 6 });
  expect(await logs()).toEqual(['audit.jsonl']);
  expect((await stat(control('audit.jsonl'))).size).toBeLessThan(limit / 2);
  const lines = await linesIn();
  expect(lines[0]).toMatchObject({ action: 'thin', result: 'done' });
  expect(lines[1]).toMatchObject({ action: 'import', result: 'done', serial: 1 });
  const kept = lines.filter(({ message }) => message?.startsWith('attempt') === true);
  expect(kept.at(-1)?.message).toMatch(new RegExp(`^attempt ${flood.count - 1} `));
  expect(kept.length + (lines[0]?.omitted?.['refused'] ?? 0)).toBe(flood.count);
  expect(lines.at(-1)).toMatchObject({ result: 'refused', code: 'E_ROLLBACK', serial: 1 });
  // Another flood adds to the same count, and takes no change away.
  const more = manyLines(limit, refusal);
  await appendFile(control('audit.jsonl'), more.text);
  expect(await imported(one)).toMatchObject({ code: 6 });
  const again = await linesIn();
  expect(again.filter(({ action }) => action === 'thin')).toHaveLength(1);
  expect(again[1]).toEqual(lines[1]);
  const left = again.filter(({ result }) => result === 'refused').length;
  expect(left + (again[0]?.omitted?.['refused'] ?? 0)).toBe(flood.count + more.count + 2);
});

test('a long log of changes is put aside as it is, and both files answer', async () => {
  await imported(await bundle(1, { 'waf@1.0.0': 'a' }));
  await appendFile(control('audit.jsonl'), manyLines(limit, change).text);
  const before = await readFile(control('audit.jsonl'), 'utf8');
  const second = await imported(await bundle(2, { 'jwt@1.0.0': 'b' }));
  expect([second.code, warningsOf(second)]).toEqual([0, []]);
  expect(await logs()).toEqual(['audit.1.jsonl', 'audit.jsonl']);
  expect((await readFile(control('audit.1.jsonl'), 'utf8')) === before).toBe(true);
  expect(await linesIn()).toMatchObject([{ serial: 2, action: 'import', result: 'done' }]);
  const first = (await linesIn('audit.1.jsonl'))[0]?.release ?? '';
  const receipt = JSON.parse((await cli(['receipt', volume, '--release', first])).stdout) as {
    audit: Line[];
  };
  expect(receipt.audit).toMatchObject([{ serial: 1, action: 'import', result: 'done' }]);
  await appendFile(control('audit.jsonl'), manyLines(limit, change).text);
  expect(await imported(await bundle(3, { 'cors@1.0.0': 'c' }))).toMatchObject({ code: 0 });
  expect(await logs()).toEqual(['audit.1.jsonl', 'audit.2.jsonl', 'audit.jsonl']);
  const { stdout } = await cli(['history', volume, '--json']);
  expect((JSON.parse(stdout) as { lines: unknown[] }).lines).toHaveLength(3);
  expect(await cli(['verify', volume])).toMatchObject({ code: 0 });
});

test('a receipt reads a log of more than 64 MiB', async () => {
  await imported(await bundle(1, { 'waf@1.0.0': 'a' }));
  await appendFile(control('audit.jsonl'), manyLines(66 * 1024 * 1024, refusal).text);
  const run = await cli(['receipt', volume]);
  expect(run.code).toBe(0);
  expect((JSON.parse(run.stdout) as { audit: Line[] }).audit).toMatchObject([{ serial: 1, result: 'done' }]);
});

test('a last line that was cut short is said, stays, and the next begins on a line of its own', async () => {
  await importInto(volume, { plugins: { 'waf@1.0.0': 'a' } });
  const torn = '{"serial":1,"at":"2026-05-01T00:0';
  await appendFile(control('audit.jsonl'), torn);
  const said = expect.stringMatching(/audit\.jsonl: .*cut short/);
  const receipt = await cli(['receipt', volume]);
  expect([receipt.code, receipt.stderr]).toEqual([0, said]);
  expect(JSON.parse(receipt.stdout)).toMatchObject({ audit: [{ serial: 1 }], warnings: [said] });
  const second = await importInto(volume, { plugins: { 'jwt@1.0.0': 'b' }, sequence: 2 });
  expect(second.warnings).toEqual([said]);
  const [first, middle, third, ...rest] = (await readFile(control('audit.jsonl'), 'utf8')).split('\n');
  expect([middle, ...rest]).toEqual([torn, '']);
  expect([first, third].map((line) => (JSON.parse(line!) as Line).serial)).toEqual([1, 2]);
  // What is in the middle of the log by now is told where all of it is read.
  expect(await importInto(volume, { plugins: { 'cors@1.0.0': 'c' }, sequence: 3 })).toMatchObject({
    warnings: [],
  });
  expect((await volumeReceipt(volume)).warnings).toEqual([expect.stringContaining('(1 lines)')]);
});

test('a run that ended between putting a log aside and its line: the next one adds no line twice', async () => {
  await importInto(volume, { plugins: { 'waf@1.0.0': 'a' } });
  await importInto(volume, { plugins: { 'jwt@1.0.0': 'b' }, sequence: 2 });
  await rename(control('audit.jsonl'), control('audit.1.jsonl'));
  await importInto(volume, { plugins: { 'cors@1.0.0': 'c' }, sequence: 3 });
  expect((await linesIn()).map(({ serial, result }) => [serial, result])).toEqual([[3, 'done']]);
});

test.each([
  ['a link', (path: string) => symlink(join(top, 'victim'), path)],
  ['a directory', (path: string) => mkdir(path)],
])('%s in the place of a log that was put aside is refused', async (_, make) => {
  await importInto(volume, { plugins: { 'waf@1.0.0': 'a' } });
  await writeFile(join(top, 'victim'), '{}\n');
  await make(control('audit.17.jsonl'));
  const refused = { code: expect.stringMatching(/^E_(RELEASE|IO)$/) };
  await expect(importInto(volume, { plugins: { 'jwt@1.0.0': 'b' } })).rejects.toMatchObject({
    code: 'E_RELEASE',
  });
  await expect(volumeReceipt(volume)).rejects.toMatchObject(refused);
  expect(await readFile(join(top, 'victim'), 'utf8')).toBe('{}\n');
});

test.each(['rename', 'writeNew'] as const)(
  'a log that cannot be put aside (%s fails) takes lines of changes all the same, and the run says so',
  async (method) => {
    const { localFileSystem } = await import('../../src/files/local-file-system.js');
    await importInto(volume, { plugins: { 'waf@1.0.0': 'a' } });
    const lines = manyLines(limit, method === 'rename' ? change : refusal);
    await appendFile(control('audit.jsonl'), lines.text);
    const fail = (): Promise<never> =>
      Promise.reject(Object.assign(new Error('EIO: i/o error'), { code: 'EIO', errno: -5 }));
    const files = {
      ...localFileSystem,
      rename: (from: string, to: string) =>
        method === 'rename' && from.endsWith('audit.jsonl') ? fail() : localFileSystem.rename(from, to),
      writeNew: (path: string, content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>) =>
        method === 'writeNew' && path.endsWith('audit.jsonl')
          ? fail()
          : localFileSystem.writeNew(path, content),
    };
    const published = await importInto(volume, {
      plugins: { 'jwt@1.0.0': 'b' },
      sequence: 2,
      options: { files },
    });
    expect(published.warnings).toEqual([expect.stringMatching(/audit\.jsonl .*could not be.*EIO/)]);
    expect((await linesIn()).at(-1)).toMatchObject({ serial: 2, result: 'done' });
    expect(await logs()).toEqual(['audit.jsonl']);
  },
);
