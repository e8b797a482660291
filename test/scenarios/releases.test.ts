import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cli, errorCode, type CliRun } from '../helpers/cli.js';
import { testKey } from '../helpers/keys.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';

/** A volume that took in two bundles, and a function that runs the binary beside it. */
async function upgraded() {
  const directory = await tempDir();
  const key = await testKey('dev');
  await key.writeTo(directory);
  const run = (...args: string[]): Promise<CliRun> => cli(args, { cwd: directory });
  const carry = async (sequence: string, plugins: Record<string, string>): Promise<void> => {
    const source = join(directory, `tree-${sequence}`);
    await tinyTree(source, plugins);
    const signing = ['--signing-key', 'dev.key', '--allow-plain-key', '--sequence', sequence];
    expect(await run('export', source, '-o', `${sequence}.tar.gz`, ...signing)).toMatchObject({ code: 0 });
    expect(
      await run('import', `${sequence}.tar.gz`, '--to', 'volume', '--public-key', 'dev.pub'),
    ).toMatchObject({ code: 0 });
  };
  await carry('1', { 'waf@1.0.0': 'a', 'key-auth@1.0.0': 'b' });
  const first = await treeOf(join(directory, 'volume/plugins/'));
  await carry('2', { 'waf@2.0.0': 'c' });
  const second = await treeOf(join(directory, 'volume/plugins/'));
  const served = (): Promise<Map<string, string>> => treeOf(join(directory, 'volume/plugins/'));
  return { directory, key, run, first, second, served };
}

const json = ({ stdout }: CliRun): Record<string, unknown> => JSON.parse(stdout) as Record<string, unknown>;

describe('releases', () => {
  test('an upgrade is undone and done again, and the history tells of it', async () => {
    const { run, first, second, served } = await upgraded();
    expect(first).not.toEqual(second);
    expect(await run('rollback', 'volume')).toMatchObject({ code: 0 });
    expect(await served()).toEqual(first);
    const { lines } = json(await run('history', 'volume', '--json')) as {
      lines: { action: string; release: string; current: boolean }[];
    };
    expect(lines.map(({ action }) => action)).toEqual(['rollback', 'import', 'import']);
    expect(lines.map(({ current }) => current)).toEqual([true, false, false]);
    const newest = lines[1]!.release;
    expect(await run('rollback', 'volume', '--to', newest.slice(0, 8))).toMatchObject({ code: 0 });
    expect(await served()).toEqual(second);
    const human = await run('history', 'volume');
    expect(human.stdout).toContain(newest.slice(0, 12));
  });

  test('a rollback does not let an old bundle in again', async () => {
    const { run } = await upgraded();
    await run('rollback', 'volume');
    const refused = await run('import', '1.tar.gz', '--to', 'volume', '--public-key', 'dev.pub', '--json');
    expect([refused.code, errorCode(refused)]).toEqual([6, 'E_ROLLBACK']);
  });

  test('rollback to what is not there, and before the first release, says what there is', async () => {
    const { run, second, served } = await upgraded();
    const unknown = await run('rollback', 'volume', '--to', 'ffffffff', '--json');
    expect([unknown.code, errorCode(unknown)]).toEqual([2, 'E_NOT_FOUND']);
    expect(await served()).toEqual(second);
    await run('rollback', 'volume');
    expect(errorCode(await run('rollback', 'volume', '--json'))).toBe('E_NOT_FOUND');
  });

  test('an alias answers for a version that was never published, and a rollback takes it back', async () => {
    const { run, second, served } = await upgraded();
    expect(await run('alias', 'volume', 'key-auth', '2.0.0=1.0.0')).toMatchObject({ code: 0 });
    const after = await served();
    expect(after.get('key-auth/2.0.0/plugin.wasm')).toBe(second.get('key-auth/1.0.0/plugin.wasm'));
    expect(errorCode(await run('alias', 'volume', 'waf', '1.0.0=2.0.0', '--json'))).toBe('E_CONFLICT');
    expect(errorCode(await run('alias', 'volume', 'waf', '3.0.0=9.9.9', '--json'))).toBe('E_NOT_FOUND');
    expect(errorCode(await run('alias', 'volume', 'waf', '3.0.0', '--json'))).toBe('E_USAGE');
    expect(await run('rollback', 'volume')).toMatchObject({ code: 0 });
    expect(await served()).toEqual(second);
  });

  test('prune says what would go, and leaves what was in use within the hour', async () => {
    const { run, second, served } = await upgraded();
    const planned = json(await run('prune', 'volume', '--keep', '1', '--dry-run', '--json'));
    expect(planned).toMatchObject({
      dryRun: true,
      releases: [{ fate: 'current' }, { fate: 'in use within the hour' }],
    });
    expect(await run('prune', 'volume', '--keep', '1')).toMatchObject({ code: 0 });
    expect(await served()).toEqual(second);
    expect(await run('rollback', 'volume')).toMatchObject({ code: 0 });
    expect(errorCode(await run('prune', 'volume', '--keep', '0', '--json'))).toBe('E_USAGE');
  });

  test('the receipt names bundle, keys and times; the audit log has a line for each change', async () => {
    const { directory, key, run } = await upgraded();
    const receipt = json(await run('receipt', 'volume'));
    expect(receipt).toMatchObject({
      type: 'plugferry.receipt/v1',
      current: true,
      release: { origin: { bundle: { sequence: 2 }, signers: [{ keyId: key.keyId }] } },
    });
    const log = (await readFile(join(directory, 'volume/.plugferry/audit.jsonl'), 'utf8')).trim().split('\n');
    expect(log.map((line) => (JSON.parse(line) as { action: string }).action)).toEqual(['import', 'import']);
  });

  test('verify reads a volume again and names what drifted', async () => {
    const { directory, run } = await upgraded();
    expect((await run('verify', 'volume')).stdout).toContain('INTACT');
    const module = join(directory, 'volume/plugins/key-auth/1.0.0/plugin.wasm');
    const bytes = await readFile(module);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    await writeFile(module, bytes);
    const damaged = await run('verify', 'volume', '--json');
    expect(damaged.code).toBe(3);
    const { findings } = json(damaged) as { findings: { kind: string; plugin?: string }[] };
    expect(findings).toContainEqual(expect.objectContaining({ kind: 'changed', plugin: 'key-auth@1.0.0' }));
    const human = await run('verify', 'volume');
    expect(human.stdout).toMatch(/^DAMAGED: .*key-auth@1\.0\.0/s);
  });

  test.each([
    ['history', []],
    ['rollback', []],
    ['prune', []],
    ['receipt', []],
    ['alias', ['waf', '2=1']],
  ])('%s on a directory that is not there', async (verb, more) => {
    const run = await cli([verb, '/nonexistent/volume', ...more, '--json']);
    expect([run.code, errorCode(run)]).toEqual([2, 'E_NOT_FOUND']);
  });
});
