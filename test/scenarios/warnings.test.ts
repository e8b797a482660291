import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { exportBundle } from '../../src/index.js';
import { cli, finished, start, type CliOptions } from '../helpers/cli.js';
import { freePort } from '../helpers/http.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';

const skip = '--insecure-skip-signature';

async function bundle(dir: string, sequence: number, plugins: Readonly<Record<string, string>>) {
  const output = join(dir, `${sequence}.tar.gz`);
  await exportBundle({ source: await tinyTree(join(dir, `tree-${sequence}`), plugins), output, sequence });
  return output;
}

/** What a run with `--json` says in `warnings`, and that each of it is said to people, too. */
async function warningsOf(args: readonly string[], options: CliOptions = {}): Promise<readonly string[]> {
  const run = await cli([...args, '--json'], options);
  expect(run.code, run.stderr + run.stdout).toBe(0);
  const { warnings } = JSON.parse(run.stdout) as { warnings: readonly string[] };
  for (const warning of warnings) expect(run.stderr).toContain(warning);
  return warnings;
}

/** A module that makes every line of the audit log fail. */
async function brokenAudit(dir: string): Promise<CliOptions> {
  const path = join(dir, 'broken-audit.mjs');
  const faults = pathToFileURL(join(import.meta.dirname, '../helpers/faults.mjs')).href;
  await writeFile(
    path,
    `import { watchFileSystem } from '${faults}';
    await watchFileSystem(({ name, args }) => {
      if (name === 'open' && String(args[0]).endsWith('audit.jsonl') && (args[1] & 0o2000) !== 0)
        throw Object.assign(new Error('EIO: i/o error, open'), { code: 'EIO', errno: -5, path: args[0] });
    });`,
  );
  return { node: ['--import', path] };
}

test('what an adoption leaves behind is said by the import that adopts', async () => {
  const dir = await tempDir();
  const root = join(dir, 'volume');
  await tinyTree(root, { 'waf@1.0.0': 'a' });
  await mkdir(join(root, 'plugins/waf/NOT A VERSION'));
  await writeFile(join(root, 'plugins/README.md'), 'x');
  const warnings = await warningsOf([
    'import',
    await bundle(dir, 1, { 'cors@1.0.0': 'c' }),
    '--to',
    root,
    skip,
  ]);
  expect(warnings).toEqual([
    'plugins/README.md is no plugin: kept in the adopted release, not in later ones',
    'plugins/waf/NOT A VERSION is no plugin: kept in the adopted release, not in later ones',
  ]);
});

test('a file that was damaged and is repaired is said by the import that repairs it', async () => {
  const dir = await tempDir();
  const root = join(dir, 'volume');
  const file = await bundle(dir, 1, { 'waf@1.0.0': 'a' });
  await warningsOf(['import', file, '--to', root, skip]);
  const module = join(root, 'plugins/waf/1.0.0/plugin.wasm');
  await writeFile(module, (await readFile(module)).fill(7, 100));
  await utimes(module, new Date(), new Date(Date.now() + 1000));
  const warnings = await warningsOf(['import', file, '--to', root, skip]);
  expect(warnings).toEqual([
    expect.stringMatching(
      /^release [0-9a-f]{12}: plugins\/waf\/1.0.0\/plugin.wasm was damaged and is repaired$/,
    ),
  ]);
});

test('a line that the audit log did not take is said by each command that wanted to write it', async () => {
  const dir = await tempDir();
  const root = join(dir, 'volume');
  const broken = await brokenAudit(dir);
  const said = [expect.stringContaining('audit.jsonl: the line about this change could not be written yet')];
  const one = await bundle(dir, 1, { 'waf@1.0.0': 'a' });
  expect(await warningsOf(['import', one, '--to', root, skip], broken)).toEqual(said);
  const two = await bundle(dir, 2, { 'cors@1.0.0': 'c' });
  const again = await warningsOf(['import', two, '--to', root, skip], broken);
  expect(again.length).toBeGreaterThan(0);
  for (const args of [
    ['alias', root, 'waf', '1.0.1=1.0.0'],
    ['rollback', root],
    ['prune', root, '--keep', '1'],
  ]) {
    const warnings = await warningsOf(args, broken);
    expect(warnings, args[0]).toContainEqual(said[0]);
  }
  expect(await warningsOf(['rollback', root])).toEqual([]);
});

test('a damaged release is said by a dry run of prune, too', async () => {
  const dir = await tempDir();
  const root = join(dir, 'volume');
  await warningsOf(['import', await bundle(dir, 1, { 'waf@1.0.0': 'a' }), '--to', root, skip]);
  const listed = JSON.parse((await cli(['list', root, '--json'])).stdout) as { release: string };
  await warningsOf(['import', await bundle(dir, 2, { 'cors@1.0.0': 'c' }), '--to', root, skip]);
  await writeFile(join(root, '.plugferry/releases', listed.release, 'release.json'), '{}\n');
  const said = [expect.stringMatching(/^damaged release: .*release.json/)];
  expect(await warningsOf(['prune', root, '--dry-run'])).toEqual(said);
  expect(await warningsOf(['prune', root])).toEqual(said);
});

test('what an import before serving warned of is in the JSON of serve', async () => {
  const dir = await tempDir();
  const root = join(dir, 'volume');
  await tinyTree(root, { 'waf@1.0.0': 'a' });
  await writeFile(join(root, 'plugins/README.md'), 'x');
  const file = await bundle(dir, 1, { 'cors@1.0.0': 'c' });
  const port = await freePort();
  const args = ['serve', '--import', file, '--volume', root, skip, '--port', String(port), '--json'];
  const child = start(args);
  const end = finished(child);
  await expect.poll(() => child.printed.stderr).toContain('serving 2 plugins');
  child.kill('SIGINT');
  const { stdout, stderr } = await end;
  const warning = 'plugins/README.md is no plugin: kept in the adopted release, not in later ones';
  expect(stderr).toContain(warning);
  expect(JSON.parse(stdout)).toMatchObject({
    stopped: true,
    imported: { outcome: 'published', warnings: [warning] },
  });
});

test('a release of ConfigMaps that cannot be read is said by import and by prune', async () => {
  const dir = await tempDir();
  const yaml = join(dir, 'deploy');
  await mkdir(yaml);
  const target = ['--to', 'configmap:edge/plugins', '--yaml', yaml, skip];
  await warningsOf(['import', await bundle(dir, 1, { 'waf@1.0.0': 'a' }), ...target]);
  const shards = (await readdir(yaml)).filter((name) => name.startsWith('plugins-'));
  expect(shards.length).toBeGreaterThan(0);
  const two = await bundle(dir, 2, { 'cors@1.0.0': 'c' });
  await warningsOf(['import', two, ...target, '--mode', 'replace']);
  for (const name of shards) await rm(join(yaml, name));
  const said = expect.stringMatching(/^damaged release: /);
  expect(await warningsOf(['prune', 'configmap:edge/plugins', '--yaml', yaml, '--dry-run'])).toEqual([said]);
  expect(await warningsOf(['import', await bundle(dir, 3, { 'jwt@1.0.0': 'd' }), ...target])).toEqual([said]);
});
