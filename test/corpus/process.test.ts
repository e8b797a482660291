import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { exitCodes } from '../../src/cli/exit-codes.js';
import { put } from '../helpers/bundle.js';
import { cli, errorCode, type CliRun } from '../helpers/cli.js';
import { codeOf, CorpusLab, memoryBudget, type CorpusCase } from '../helpers/corpus.js';
import { treeOf } from '../helpers/temp.js';
import { cases as gzipCases } from './gzip-cases.js';
import { cases as manifestCases } from './manifest-cases.js';
import { cases as tarCases } from './tar-cases.js';

/** One row of each code, and those that go for memory or for the terminal. */
const representatives = [
  'T16 absolute',
  'T13 reordered; signature behind the first file',
  'T40 1 MiB zero tail',
  'G04 truncated',
  'G06 gzip bomb in the manifest slot',
  'G06 gzip bomb where the manifest announces something small',
  'M19 nesting: 10^6 levels, and as deep as pays',
  'M21 manifest of 5 MiB',
  'M24 sha256 right, md5 wrong',
  'M27 plugin.wasm that is gzip, tar, empty, of another version',
  'M28 ESC and CR LF in metadata.txt',
  'M28 ESC and CR LF in the name of an entry',
];

const rows: readonly CorpusCase[] = [...tarCases, ...gzipCases, ...manifestCases];
const rowOf = (name: string): CorpusCase => {
  const row = rows.find(({ id, title }) => `${id} ${title}` === name);
  if (row === undefined) throw new Error(`no row ${name}`);
  return row;
};

/** Says at the end, on a line of its own, how much memory the process ever used, in KiB. */
const telling = [
  '--import',
  'data:text/javascript,process.on("exit",()=>process.stderr.write(`memory ${process.resourceUsage().maxRSS}\\n`))',
];
const memoryOf = ({ stderr }: CliRun): number => Number(/^memory (\d+)$/m.exec(stderr)?.[1]) * 1024;

/** Line feeds, and characters that are seen. Nothing else is in these cases but what was put there to do harm. */
const isPlainText = (text: string): boolean => /^[\n\x20-\x7e]*$/.test(text);

describe('the program, in a process of its own', () => {
  const corpus = new CorpusLab();

  test.each(representatives)('%s', async (name) => {
    const { lab, publicKey } = corpus;
    await expectRefusedBy(name, (bundle) => [
      'import',
      bundle,
      '--to',
      lab.volume,
      '--public-key',
      publicKey,
    ]);
  });

  test.each(['G06 gzip bomb where the manifest announces something small', 'M24 sha256 right, md5 wrong'])(
    '%s, verified only',
    async (name) => {
      await expectRefusedBy(name, (bundle) => ['verify', bundle, '--public-key', corpus.publicKey]);
    },
  );

  /** Runs a command on the last way to build a case, in a directory where relative names of an archive would land. */
  async function expectRefusedBy(name: string, args: (bundle: string) => readonly string[]): Promise<void> {
    const row = rowOf(name);
    const code = codeOf(row);
    const bundle = await put(corpus.lab.inbox, 'hostile.tar.gz', row.build(corpus.lab).at(-1)!);
    const cwd = await mkdtemp(join(tmpdir(), 'plugferry-corpus-cwd-'));
    // With --json an error is on stdout as data, and on stderr for people.
    const run = await cli([...args(bundle), '--json'], { cwd, node: telling, env: { TMPDIR: cwd } });
    expect([run.code, run.signal, errorCode(run)]).toEqual([exitCodes[code], null, code]);
    expect(run.stderr).toContain(`${code}: `);
    expect([isPlainText(run.stdout), isPlainText(run.stderr)]).toEqual([true, true]);
    expect(memoryOf(run)).toBeLessThan(memoryBudget);
    expect(await readdir(cwd)).toEqual([]);
    await rm(cwd, { recursive: true });
    await corpus.expectUntouched();
  }

  test('a refused bundle does not become the first release of a new volume either', async () => {
    const { lab, publicKey } = corpus;
    const bundle = await put(lab.inbox, 'hostile.tar.gz', rowOf('T10 extra entry').build(lab).at(-1)!);
    const volume = join(lab.inbox, 'new');
    await mkdir(volume);
    const run = await cli(['import', bundle, '--to', volume, '--public-key', publicKey]);
    expect(run.code).toBe(exitCodes.E_CONTAINER);
    const tree = await treeOf(volume);
    expect([...tree.keys()].filter((path) => !path.startsWith('.plugferry'))).toEqual([]);
    expect(await readdir(join(volume, '.plugferry/staging'))).toEqual([]);
    await rm(volume, { recursive: true });
  });
});
