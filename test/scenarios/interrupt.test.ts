import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { cli, finished, start } from '../helpers/cli.js';
import { testKey } from '../helpers/keys.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { realTree, tinyTree } from '../helpers/tree.js';

/** Starts the binary and sends the signal as soon as stderr has said `after`, and a moment more. */
async function interrupted(args: readonly string[], cwd: string, { after, signal, moment }: Blow) {
  const child = start(args, { cwd });
  const end = finished(child);
  await new Promise<void>((resolve) => {
    child.stderr?.on('data', (text: string) => {
      if (text.includes(after)) resolve();
    });
  });
  await sleep(moment);
  child.kill(signal);
  return end;
}

interface Blow {
  readonly after: string;
  readonly signal: NodeJS.Signals;
  /** Milliseconds. */
  readonly moment: number;
}

const ends = { SIGINT: [130, 'E_INTERRUPTED'], SIGTERM: [143, 'E_TERMINATED'] } as const;

describe.each(['SIGINT', 'SIGTERM'] as const)('%s', (signal) => {
  const [code, name] = ends[signal];

  test.each([
    ['while it reads', 'reading lightningcss', 5],
    ['while it writes', 'writing', 300],
  ])('during export %s leaves no file', async (_when, after, moment) => {
    const directory = await tempDir();
    await realTree(directory);
    const run = await interrupted(['export', 'plugins', '-o', 'set.tar.gz'], directory, {
      after,
      signal,
      moment,
    });
    expect([run.code, run.signal]).toEqual([code, null]);
    expect(run.stderr).toContain(name);
    expect(await readdir(directory)).toEqual(['plugins']);
  });

  test('during import leaves the release that was current, and nothing else', async () => {
    const directory = await tempDir();
    await (await testKey('dev')).writeTo(directory);
    const to = ['--to', 'volume', '--public-key', 'dev.pub'];
    const signing = ['--signing-key', 'dev.key', '--allow-plain-key'];
    await tinyTree(directory, { 'waf@1.0.0': 'a' });
    await cli(['export', 'plugins', '-o', 'one.tar.gz', ...signing, '--sequence', '1'], { cwd: directory });
    expect(await cli(['import', 'one.tar.gz', ...to], { cwd: directory })).toMatchObject({ code: 0 });
    await realTree(directory);
    await cli(['export', 'plugins', '-o', 'two.tar.gz', ...signing, '--sequence', '2'], { cwd: directory });
    const volume = join(directory, 'volume');
    const served = await treeOf(join(volume, 'plugins/'));
    const blow = { after: 'unpacking lightningcss', signal, moment: 20 };
    const run = await interrupted(['import', 'two.tar.gz', ...to], directory, blow);
    expect([run.code, run.signal]).toEqual([code, null]);
    expect(await treeOf(join(volume, 'plugins/'))).toEqual(served);
    expect(await readdir(join(volume, '.plugferry/staging'))).toEqual([]);
    expect(await readdir(join(volume, '.plugferry/releases'))).toHaveLength(1);
    expect(await readdir(join(volume, '.plugferry'))).not.toContain('lock');
    expect(await cli(['import', 'two.tar.gz', ...to], { cwd: directory })).toMatchObject({ code: 0 });
  });
});

test('two exports to one output: the file is complete, and whoever lost says so', async () => {
  const directory = await tempDir();
  await realTree(directory);
  const args = ['export', 'plugins', '-o', 'set.tar.gz', '--force'];
  const runs = await Promise.all([cli(args, { cwd: directory }), cli(args, { cwd: directory })]);
  expect(runs.filter(({ code }) => code === 0).length).toBeGreaterThan(0);
  for (const { code, stderr } of runs.filter((run) => run.code !== 0))
    expect([code, stderr]).toEqual([6, expect.stringContaining('E_CONFLICT')]);
  expect((await readdir(directory)).sort()).toEqual(['plugins', 'set.tar.gz']);
  expect(await cli(['verify', 'set.tar.gz', '--insecure-skip-signature'], { cwd: directory })).toMatchObject({
    code: 0,
  });
});
