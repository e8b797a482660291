import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cli, errorCode, type CliRun } from '../helpers/cli.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { serving, startWeb } from '../helpers/web.js';
import { tinyModule } from '../helpers/wasm.js';

/**
 * What the scripts that make plugin servers pass over without a word, and what Plugferry says instead. In each case the command
 * fails, names what is wrong, and leaves no bundle behind.
 */
const failing = async (directory: string, args: readonly string[]): Promise<CliRun> => {
  const run = await cli(['export', ...args, '-o', 'out.tar.gz', '--json'], { cwd: directory });
  expect(run.code).not.toBe(0);
  expect((await readdir(directory)).filter((name) => /^out|^\.plugferry/.test(name))).toEqual([]);
  return run;
};

async function withFiles(files: Readonly<Record<string, string | Buffer>>): Promise<string> {
  const directory = await tempDir();
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), content);
  }
  return directory;
}

const modules = () =>
  startWeb(
    serving({
      '/waf-1.0.0.wasm': tinyModule('waf'),
      '/page-1.0.0.wasm': (_request, response) => {
        response.writeHead(200, { 'content-type': 'application/wasm' }).end('<html>please log in</html>');
      },
    }),
  );

describe('what goes wrong in silence elsewhere', () => {
  test('1: a download that failed leaves its place empty', async () => {
    const directory = await tempDir();
    const root = await tinyTree(directory, { 'waf@1.0.0': 'a', 'opa@1.0.0': 'b' });
    await rm(join(root, 'opa/1.0.0/plugin.wasm'));
    const run = await failing(directory, ['.']);
    expect(errorCode(run)).toBe('E_SOURCE');
    expect(run.stderr).toContain('opa/1.0.0/plugin.wasm: there is nothing');
  });

  test('1: a plugin of a list cannot be fetched', async () => {
    const web = await modules();
    const directory = await withFiles({
      'plugins.properties': `waf=${web.url}/waf-1.0.0.wasm\nopa=${web.url}/opa-1.0.0.wasm\n`,
    });
    const run = await failing(directory, ['plugins.properties']);
    expect(errorCode(run)).toBe('E_SOURCE');
    expect(run.stderr).toContain(`plugins.properties:2: ${web.url}/opa-1.0.0.wasm: there is nothing`);
  });

  test('2: one line without "=" makes the whole list empty', async () => {
    const web = await modules();
    const directory = await withFiles({ 'plugins.properties': `waf=${web.url}/waf-1.0.0.wasm\nopa\n` });
    const run = await failing(directory, ['plugins.properties']);
    expect(errorCode(run)).toBe('E_SOURCE');
    expect(run.stderr).toContain('plugins.properties:2: nothing is said of "opa"');
    expect(web.asked).toEqual([]);
  });

  test('5: a page is taken for a module', async () => {
    const web = await modules();
    const directory = await withFiles({ 'plugins.properties': `page=${web.url}/page-1.0.0.wasm\n` });
    const run = await failing(directory, ['plugins.properties']);
    expect(errorCode(run)).toBe('E_WASM');
    expect(run.stderr).toContain('page/1.0.0/plugin.wasm');
  });

  test('7: of two lines for one plugin the last one wins', async () => {
    const web = await modules();
    const line = `waf=${web.url}/waf-1.0.0.wasm\n`;
    const directory = await withFiles({ 'plugins.properties': `${line}# ...\n${line}` });
    const run = await failing(directory, ['plugins.properties']);
    expect(errorCode(run)).toBe('E_SOURCE');
    expect(run.stderr).toContain('plugins.properties:3: "waf" is there already in line 1');
    expect(web.asked).toEqual([]);
  });

  test('9: a metadata.txt that is wrong, or cannot be read, is passed over', async () => {
    const directory = await tempDir();
    const root = await tinyTree(directory, { 'waf@1.0.0': 'a' });
    const metadata = join(root, 'waf/1.0.0/metadata.txt');
    await writeFile(metadata, 'Plugin Name: waf\nSize: 1 bytes\nMD5: 00000000000000000000000000000000\n');
    const wrong = await failing(directory, ['.']);
    expect(errorCode(wrong)).toBe('E_METADATA');
    expect(wrong.stderr).toContain('waf/1.0.0/metadata.txt');
    await rm(metadata);
    await mkdir(metadata);
    const unreadable = await failing(directory, ['.']);
    expect(errorCode(unreadable)).toMatch(/^E_/);
    expect(unreadable.stderr).toContain('waf/1.0.0/metadata.txt');
  });
});
