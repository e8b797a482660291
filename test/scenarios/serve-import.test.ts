import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { exportBundle } from '../../src/index.js';
import { cli, errorCode } from '../helpers/cli.js';
import { get } from '../helpers/http.js';
import { testKey, type TestKey } from '../helpers/keys.js';
import { startServe } from '../helpers/server.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { tinyModule } from '../helpers/wasm.js';

let directory: string;
let bundle: string;
let volume: string;
let pub: string;
let dev: TestKey;
beforeEach(async () => {
  directory = await tempDir();
  bundle = join(directory, 'edge.tar.gz');
  volume = join(directory, 'volume');
  dev = await testKey('dev');
  ({ pub } = await dev.writeTo(directory));
  const source = await tinyTree(directory, { 'waf@1.0.0': 'a' });
  await exportBundle({ source, output: bundle, signer: dev, sequence: 1 });
});

/** Starts with an import, asks for the one plugin, and stops. */
async function expectServed(place: string): Promise<void> {
  const server = await startServe('--import', [
    place,
    '--volume',
    volume,
    '--public-key',
    pub,
    '--port',
    '0',
  ]);
  const reply = await get(server.url, '/plugins/waf/1.0.0/plugin.wasm');
  expect(reply.body.equals(tinyModule('a', 2000))).toBe(true);
  expect(await server.stop()).toMatchObject({ code: 0 });
}

test('a bundle is imported and served; the second time it is there already', async () => {
  await expectServed(bundle);
  const releases = await readdir(join(volume, '.plugferry/releases'));
  await expectServed(bundle);
  expect(await readdir(join(volume, '.plugferry/releases'))).toEqual(releases);
});

test('from a web server, too', async () => {
  const bytes = await readFile(bundle);
  const server = createServer((_request, response) => response.end(bytes));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  await expectServed(`http://127.0.0.1:${(server.address() as AddressInfo).port}/edge.tar.gz`);
});

test('what nobody vouches for is not served, nor what was there before in its place', async () => {
  await expectServed(bundle);
  const { pub: stranger } = await (await testKey('stranger')).writeTo(directory);
  const served = await treeOf(join(volume, 'plugins/'));
  for (const trust of [['--public-key', stranger], []]) {
    const args = ['serve', '--import', bundle, '--volume', volume, '--port', '0', ...trust, '--json'];
    const run = await cli(args);
    expect(run.code).toBe(4);
    expect(run.stderr).not.toContain('http://');
  }
  expect(await treeOf(join(volume, 'plugins/'))).toEqual(served);
});

test('a place to import into is needed, and one place only', async () => {
  for (const args of [
    ['--import', bundle],
    ['--import', bundle, '--from-configmaps', directory],
    [volume, '--volume', volume],
    [volume, '--import', bundle],
    [],
  ]) {
    const run = await cli(['serve', ...args, '--port', '0', '--public-key', pub, '--json']);
    expect([args.join(' '), run.code, errorCode(run)]).toEqual([args.join(' '), 2, 'E_USAGE']);
  }
});
