import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { hasOpenssl, makeCertificates } from '../helpers/certificates.js';
import { cli, errorCode, finished, start, type CliRun } from '../helpers/cli.js';
import {
  descriptor,
  hasRegistry,
  manifestOf,
  moduleLayer,
  ociLayer,
  ociManifest,
  push,
  startRegistry,
  type PushedLayer,
} from '../helpers/registry.js';
import { secret } from '../helpers/secrets.js';
import { rawTar, type RawEntry } from '../helpers/tar.js';
import { tempDir } from '../helpers/temp.js';
import { tinyModule } from '../helpers/wasm.js';
import { startWeb, type Handler, type Web } from '../helpers/web.js';

const wasm = tinyModule('a', 300_000);
const raw: PushedLayer = { mediaType: moduleLayer, bytes: wasm };
const tar = (...entries: readonly RawEntry[]): Buffer => gzipSync(rawTar(entries));

/** A registry with one artifact of one layer, which `hand` hands out. */
const withLayer = (layer: PushedLayer, hand?: Handler): Promise<Web> =>
  startWeb((request, response) => {
    const path = request.url ?? '';
    if (path.endsWith('/manifests/1.0.0'))
      response.writeHead(200, { 'content-type': ociManifest }).end(manifestOf([layer]).manifest);
    else if (!path.endsWith(`/blobs/${descriptor(layer).digest}`)) response.writeHead(404).end();
    else if (hand === undefined) response.writeHead(200).end(layer.bytes);
    else hand(request, response);
  });

/** An export of its own; where it fails, nothing may be left. */
async function exported(
  url: string,
  { args = ['--plain-http'], env = {} }: { args?: readonly string[]; env?: Record<string, string> } = {},
): Promise<CliRun & { readonly error: string | undefined }> {
  const directory = await tempDir();
  const reference = `oci://${url.replace(/^https?:\/\//, '')}/plugins/waf:1.0.0`;
  const run = await cli(['export', reference, '-o', 'out.tar.gz', '--json', ...args], {
    cwd: directory,
    env: { HOME: directory, ...env },
  });
  expect(await readdir(directory)).toEqual(run.code === 0 ? ['out.tar.gz'] : []);
  return { ...run, error: errorCode(run) };
}

describe('a layer that is', () => {
  const packed = (bytes: Buffer): PushedLayer => ({ mediaType: ociLayer, bytes });

  test.each<[string, Buffer, string, string]>([
    [
      'cut in the middle',
      tar({ name: 'plugin.wasm', body: wasm }).subarray(0, 100_000),
      'E_SOURCE',
      'damaged',
    ],
    [
      'cut before it was compressed',
      gzipSync(rawTar([{ name: 'plugin.wasm', body: wasm }]).subarray(0, 9000)),
      'E_SOURCE',
      'damaged',
    ],
    ['no archive', Buffer.from('<html>please log in</html>'), 'E_SOURCE', 'no tar archive'],
    [
      'a link to a file of ours',
      tar({ name: 'plugin.wasm', type: '2', linkName: '/etc/passwd' }),
      'E_SOURCE',
      'as a link',
    ],
    [
      'a hard link to nothing',
      tar({ name: 'plugin.wasm', type: '1', linkName: 'x.wasm' }),
      'E_SOURCE',
      'as a link',
    ],
    [
      'a hard link that leads outside',
      tar({ name: 'plugin.wasm', type: '1', linkName: '../x.wasm' }),
      'E_SOURCE',
      'leads outside',
    ],
    ['without a module', tar({ name: 'README.md', body: wasm }), 'E_SOURCE', 'holds no module'],
    ['nothing at all', Buffer.alloc(0), 'E_SOURCE', 'plugins/waf'],
  ])('%s is refused', async (...[, bytes, code, says]) => {
    const run = await exported((await withLayer(packed(bytes))).url);
    expect([run.error, run.stderr]).toEqual([code, expect.stringContaining(says)]);
  });

  test('small and unpacks to more than a module has is refused', async () => {
    const bomb = tar({ name: 'plugin.wasm', body: Buffer.alloc(257 * 1024 * 1024) });
    const run = await exported((await withLayer(packed(bomb))).url);
    expect([run.error, run.stderr]).toEqual([
      'E_LIMIT',
      expect.stringContaining('"plugin.wasm" has 269484032 bytes'),
    ]);
  });
});

describe('a registry that is not well', () => {
  test.each([503, 500, 429])('is asked again after status %d', async (status) => {
    let times = 0;
    const web = await withLayer(raw, (_request, response) => {
      times += 1;
      if (times < 3) response.writeHead(status).end();
      else response.writeHead(200).end(wasm);
    });
    expect((await exported(web.url)).code).toBe(0);
    expect(times).toBe(3);
  });

  test('is asked no more when it says no', async () => {
    let times = 0;
    const web = await withLayer(raw, (_request, response) => {
      times += 1;
      response.writeHead(403).end();
    });
    expect((await exported(web.url)).error).toMatch(/^E_(?:LOGIN|NETWORK)$/);
    expect(times).toBe(1);
  });

  test.skipIf(!hasRegistry)('and is killed in the middle of a layer', async () => {
    const registry = await startRegistry();
    const large = { mediaType: moduleLayer, bytes: tinyModule('large', 40_000_000) };
    await push(registry, ['plugins/waf', '1.0.0'], [[large]]);
    let killed = false;
    const front = await startWeb((request, response) => {
      void relay(`http://${registry.host}${request.url ?? ''}`, response, (sent) => {
        if (sent < 1_000_000) return;
        registry.stop();
        killed = true;
      });
    });
    const directory = await tempDir();
    const reference = `oci://${front.url.replace('http://', '')}/plugins/waf:1.0.0`;
    const run = await finished(
      start(['export', reference, '--plain-http', '-o', 'out.tar.gz', '--json'], { cwd: directory }),
    );
    expect([killed, run.code, errorCode(run)]).toEqual([true, 8, 'E_NETWORK']);
    expect(await readdir(directory)).toEqual([]);
  });
});

/** Hands on what a registry answers; where that breaks off, so does this. */
async function relay(url: string, response: ServerResponse, told: (sent: number) => void): Promise<void> {
  try {
    const answer = await fetch(url, { headers: { accept: ociManifest } });
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    let sent = 0;
    for await (const piece of answer.body ?? []) {
      response.write(piece);
      sent += (piece as Uint8Array).length;
      told(sent);
    }
    response.end();
  } catch {
    response.destroy();
  }
}

describe('a registry over https', () => {
  test.skipIf(!hasRegistry || !hasOpenssl)(
    'is believed by the authority of --ca-file, and by no other',
    async () => {
      const registry = await startRegistry();
      await push(registry, ['plugins/waf', '1.0.0'], [[raw]]);
      const { authority, stranger, server, serverKey } = await makeCertificates(await tempDir());
      const identity = { cert: await readFile(server), key: await readFile(serverKey) };
      const front = createServer(identity, (request, response) => {
        void relay(`http://${registry.host}${request.url ?? ''}`, response, () => undefined);
      });
      await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
      onTestFinished(() => {
        front.close();
        front.closeAllConnections();
      });
      const url = `https://127.0.0.1:${(front.address() as AddressInfo).port}`;
      expect((await exported(url, { args: ['--ca-file', authority] })).code).toBe(0);
      for (const args of [[], ['--ca-file', stranger]]) {
        const run = await exported(url, { args });
        expect([run.error, run.stderr]).toEqual([
          'E_NETWORK',
          expect.stringContaining('the certificate is not accepted'),
        ]);
      }
    },
  );
});

describe('logins', () => {
  const password = secret('a_password_in_a_broken_file');
  const base64 = Buffer.from(password).toString('base64');

  test.each([
    ['no JSON', `{"auths": ${password}`],
    ['a list', `["${password}"]`],
    ['a login without a user', `{"auths":{"HOST":{"auth":"${base64}"}}}`],
    ['no login', '{"auths":{"HOST":null}}'],
    ['an identity token', `{"auths":{"HOST":{"auth":"","identitytoken":"${password}"}}}`],
    ['a helper that leads elsewhere', `{"credsStore":"../../${password}/x y"}`],
  ])('are refused without repeating them from a file that is %s', async (_what, text) => {
    const web = await startWeb((_request, response) => {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    });
    const directory = await tempDir();
    const host = web.url.replace('http://', '');
    await writeFile(join(directory, 'config.json'), text.replace('HOST', host));
    expect((await exported(web.url, { env: { DOCKER_CONFIG: directory } })).error).toBe('E_LOGIN');
  });

  test('are not looked for where no registry asks', async () => {
    const directory = await tempDir();
    await mkdir(join(directory, 'config.json'));
    const run = await exported((await withLayer(raw)).url, { env: { DOCKER_CONFIG: directory } });
    expect(run.code).toBe(0);
  });

  test('for web servers are sent to no registry', async () => {
    const web = await withLayer(raw);
    const env = { PLUGFERRY_HTTP_TOKEN: 'a_token_for_web_servers' };
    expect((await exported(web.url, { env })).code).toBe(0);
    expect(web.headers.map(({ authorization }) => authorization)).toEqual([undefined, undefined]);
  });
});
