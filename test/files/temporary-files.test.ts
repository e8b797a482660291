import { randomBytes } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { exportBundle } from '../../src/index.js';
import { fileWriter } from '../../src/files/file-writer.js';
import { PrivateDirectory } from '../../src/files/temp-directory.js';
import { pipeline } from 'node:stream/promises';
import { cli } from '../helpers/cli.js';
import { testKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { canMount, mounted } from '../volume/mount.js';

test('what a source brings is bounded, however many files it comes in and however they are written', async () => {
  const top = await tempDir();
  const copies = new PrivateDirectory(top, { of: 'oci://somewhere/a', limit: 100 });
  const refused = {
    code: 'E_LIMIT',
    message: expect.stringContaining('oci://somewhere/a brings more than 100'),
  };
  const one = await copies.create();
  onTestFinished(() => one.handle.close());
  await one.handle.writeFile(Buffer.alloc(60));
  const two = await copies.create();
  onTestFinished(() => two.handle.close());
  await expect(two.handle.write(Buffer.alloc(41), 0, 41, 0)).rejects.toMatchObject(refused);
  await expect(two.handle.writev([Buffer.alloc(20), Buffer.alloc(21)], 0)).rejects.toMatchObject(refused);
  await expect(pipeline([Buffer.alloc(30), Buffer.alloc(30)], fileWriter(two.handle))).rejects.toMatchObject(
    refused,
  );
  // The same bytes again, and what is gone, count once and not at all.
  const three = await copies.create();
  onTestFinished(() => three.handle.close());
  await rm(two.path);
  for (let time = 0; time < 5; time += 1) await three.handle.write(Buffer.alloc(20), 0, 20, 0);
  await rm(one.path);
  await three.handle.write(Buffer.alloc(60), 0, 60, 20);
  await expect(three.handle.write(Buffer.alloc(21), 0, 21, 80)).rejects.toMatchObject(refused);
  await copies.remove();
  expect(await readdir(top)).toEqual([]);
});

test.skipIf(!canMount)(
  'where the temporary directory is full, the error names it and what to set, and nothing stays there',
  async () => {
    const top = await tempDir();
    const small = await mounted('size=512k');
    const signer = await testKey('dev');
    await signer.writeTo(top);
    await tinyTree(top, { 'waf@1.0.0': randomBytes(2 * 1024 * 1024).toString('base64') });
    const output = join(top, 'set.zip');
    await exportBundle({ source: join(top, 'plugins'), output, signer, sequence: 1 });
    const server = createServer((_, response) => {
      response.writeHead(200, { 'Content-Length': 4 * 1024 * 1024 });
      response.write(Buffer.concat([Buffer.from('0061736d01000000', 'hex'), Buffer.alloc(2 * 1024 * 1024)]));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/waf-1.0.0.wasm`;
    const signing = ['--signing-key', 'dev.key', '--allow-plain-key', '-o', join(small, 'out.tar.gz')];
    for (const args of [
      ['verify', 'set.zip', '--public-key', 'dev.pub'],
      ['export', 'set.zip', ...signing, '--public-key', 'dev.pub'],
      ['export', url, '--as', `${url}=waf@1.0.0`, ...signing],
    ]) {
      const run = await cli(args, { cwd: top, env: { TMPDIR: small } });
      expect([run.code, run.stderr], run.stderr).toEqual([7, expect.stringContaining('E_NO_SPACE')]);
      expect(run.stderr).toContain(`${small}: no space left for temporary files`);
      expect(run.stderr).toContain('TMPDIR');
      expect(await readdir(small)).toEqual([]);
    }
    expect((await readdir(top)).toSorted()).toEqual(['dev.key', 'dev.pub', 'plugins', 'set.zip']);
  },
);
