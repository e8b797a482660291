import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cli, errorCode, type CliRun } from '../helpers/cli.js';
import { testKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';

/** A directory with a tree, the keys dev and qa, and edge.tar.gz with its signed digest. */
async function scene() {
  const directory = await tempDir();
  await tinyTree(directory, { 'waf@1.0.0': 'a' });
  await (await testKey('dev')).writeTo(directory);
  await (await testKey('qa')).writeTo(directory);
  const run = (line: string): Promise<CliRun> => cli(line.split(' '), { cwd: directory });
  const exported = await run(`export plugins -o edge.tar.gz --sign-file ${by('dev')}`);
  expect(exported).toMatchObject({ code: 0 });
  const files = async (under = '.'): Promise<string[]> =>
    (await readdir(join(directory, under))).filter((name) => name.includes('.tar.gz')).sort();
  /** What README says to do without Plugferry. */
  const check = (key: string, name = 'edge.tar.gz', cwd = directory): void => {
    const args = ['dgst', '-sha256', '-verify', join(directory, `${key}.pub`)];
    execFileSync('openssl', [...args, '-signature', `${name}.sha256.sig`, `${name}.sha256`], { cwd });
    expect(execFileSync('sha256sum', ['-c', `${name}.sha256`], { cwd, encoding: 'utf8' })).toBe(
      `${name}: OK\n`,
    );
  };
  return { directory, run, files, check };
}

const by = (key: string): string => `--signing-key ${key}.key --allow-plain-key`;
const all = (name: string): string[] => [name, `${name}.sha256`, `${name}.sha256.sig`];

test('export, sign and convert write a signed digest that stock tools check; a countersigner signs its own', async () => {
  const { run, files, check } = await scene();
  expect(await files()).toEqual(all('edge.tar.gz'));
  check('dev');
  expect(await run(`sign edge.tar.gz ${by('qa')} --public-key dev.pub`)).toMatchObject({ code: 0 });
  check('qa');
  const verified = await run('verify edge.tar.gz --public-key qa.pub --json');
  expect((JSON.parse(verified.stdout) as { checks: unknown[] }).checks).toContainEqual(
    expect.objectContaining({ check: 'digest file', result: 'passed' }),
  );
  expect(await run(`convert edge.tar.gz -o edge.zip --sign-file ${by('qa')}`)).toMatchObject({ code: 0 });
  check('qa', 'edge.zip');
});

test('a bundle never stands beside the digest of another', async () => {
  const { directory, run, files } = await scene();
  await rm(join(directory, 'edge.tar.gz'));
  for (const line of [
    `export plugins -o edge.tar.gz ${by('dev')}`,
    `export plugins -o edge.tar.gz --split-size 1M`,
  ]) {
    const refused = await run(`${line} --json`);
    expect([refused.code, errorCode(refused)]).toEqual([6, 'E_EXISTS']);
  }
  expect(await files()).toEqual(all('edge.tar.gz').slice(1));
  expect(await run(`export plugins -o edge.tar.gz --force ${by('dev')}`)).toMatchObject({ code: 0 });
  expect(await files()).toEqual(['edge.tar.gz']);
});

test('verify refuses a bundle that is not the one of the digest beside it', async () => {
  const { directory, run } = await scene();
  await writeFile(join(directory, 'edge.tar.gz.sha256'), `${'0'.repeat(64)}  edge.tar.gz\n`);
  const refused = await run('verify edge.tar.gz --public-key dev.pub --json');
  expect([refused.code, errorCode(refused)]).toEqual([3, 'E_DIGEST']);
});

test('split and join carry the digest along, and join refuses another', async () => {
  const { directory, run, files, check } = await scene();
  await mkdir(join(directory, 'usb'));
  await mkdir(join(directory, 'in'));
  expect(await run('split edge.tar.gz --split-size 1M -o usb')).toMatchObject({ code: 0 });
  expect(await files('usb')).toEqual(['edge.tar.gz.part001', 'edge.tar.gz.sha256', 'edge.tar.gz.sha256.sig']);
  expect(await run('join usb -o in/edge.tar.gz')).toMatchObject({ code: 0 });
  check('dev', 'edge.tar.gz', join(directory, 'in'));
  await rm(join(directory, 'in/edge.tar.gz'));
  await writeFile(join(directory, 'in/edge.tar.gz.sha256'), `${'0'.repeat(64)}  edge.tar.gz\n`);
  const refused = await run('join usb -o in/edge.tar.gz --json');
  expect([refused.code, errorCode(refused)]).toEqual([3, 'E_DIGEST']);
  expect(await files('in')).toEqual(['edge.tar.gz.sha256', 'edge.tar.gz.sha256.sig']);
});

test('--sign-file is refused where there is nobody to sign, nothing to sign, or no place for it', async () => {
  const { directory, run, files } = await scene();
  const before = await files();
  await writeFile(join(directory, 'x.sig'), 'x');
  const edge = await readFile(join(directory, 'edge.tar.gz'));
  for (const line of [
    'export plugins -o new.tar.gz --sign-file',
    `export plugins -o - --sign-file ${by('dev')}`,
    `export plugins -o sftp://a@127.0.0.1:1/x.tar.gz --sign-file ${by('dev')}`,
    'convert edge.tar.gz -o new.tar.gz --sign-file',
    `convert edge.tar.gz -o http://127.0.0.1:1/x.tar.gz --sign-file ${by('dev')}`,
    `sign edge.tar.gz --detached --sign-file ${by('qa')}`,
    'sign edge.tar.gz --sign-file --signature x.sig --signed-by qa.pub',
    'sign edge.tar.gz --signature x.sig --signed-by qa.pub',
  ]) {
    const refused = await run(`${line} --json`);
    expect([line, refused.code, (refused.stdout + refused.stderr).includes('E_USAGE')]).toEqual([
      line,
      2,
      true,
    ]);
  }
  expect(await files()).toEqual(before);
  expect((await readFile(join(directory, 'edge.tar.gz'))).equals(edge)).toBe(true);
});
