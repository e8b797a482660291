import { readdir } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { sha256Of } from '../../src/stream/digest.js';
import { cli, errorCode } from '../helpers/cli.js';
import {
  descriptor,
  dockerConfig,
  hasRegistry,
  manifestOf,
  moduleLayer,
  ociLayer,
  ociManifest,
  push,
  robotLogin,
  startRegistry,
  type PushedLayer,
} from '../helpers/registry.js';
import { rawTar, type RawEntry } from '../helpers/tar.js';
import { tempDir } from '../helpers/temp.js';
import { tinyModule } from '../helpers/wasm.js';
import { startWeb, type Handler } from '../helpers/web.js';

// What plugin-server's pull_plugins.py passes over in silence while an image of it is built; here each is told.

const module = tinyModule('m');
const other = tinyModule('other');
const layer = (...entries: readonly RawEntry[]): PushedLayer => ({
  mediaType: ociLayer,
  bytes: gzipSync(rawTar(entries)),
});

/** Exports; a failure leaves nothing behind. */
async function exported(reference: string, args: readonly string[] = []) {
  const directory = await tempDir();
  const run = await cli(['export', reference, '-o', 'set.tar.gz', '--plain-http', '--json', ...args], {
    cwd: directory,
    env: { HOME: directory },
  });
  expect(await readdir(directory)).toEqual(run.code === 0 ? ['set.tar.gz'] : []);
  return { ...run, error: errorCode(run) };
}

describe.skipIf(!hasRegistry)('an artifact', () => {
  const pushed = async (layers: readonly PushedLayer[]): Promise<string> => {
    const registry = await startRegistry();
    await push(registry, ['plugins/waf', '1.0.0'], [layers]);
    return `oci://${registry.host}/plugins/waf:1.0.0`;
  };

  test('3: of two archives with the module in the first is a plugin, with metadata', async () => {
    const readme = layer({ name: 'README.md', body: Buffer.from('x') });
    const run = await exported(await pushed([layer({ name: 'plugin.wasm', body: module }), readme]));
    expect([run.code, run.error]).toEqual([0, undefined]);
    expect(run.stdout).toContain('"waf"');
  });

  test('3: of two archives with a module each is refused: gateway and plugin-server differ', async () => {
    const layers = [layer({ name: 'plugin.wasm', body: module }), layer({ name: 'a.wasm', body: other })];
    const run = await exported(await pushed(layers));
    expect([run.code, run.error]).toEqual([3, 'E_SOURCE']);
    expect(run.stderr).toContain('different modules');
  });

  test('4: with another .wasm before plugin.wasm is refused: plugin-server takes the first, the gateway plugin.wasm', async () => {
    const run = await exported(
      await pushed([layer({ name: 'aaa.wasm', body: other }, { name: 'plugin.wasm', body: module })]),
    );
    expect([run.code, run.error]).toEqual([3, 'E_SOURCE']);
    expect(run.stderr).toContain('the gateway would load "plugin.wasm"');
    expect(run.stderr).toContain('plugin-server would serve "aaa.wasm"');
  });

  test('5: whose module layer is a web page is refused', async () => {
    const page = { mediaType: moduleLayer, bytes: Buffer.from('<!DOCTYPE html><html>not found</html>') };
    const run = await exported(await pushed([page]));
    expect([run.code, run.error]).toEqual([5, 'E_WASM']);
  });

  test.each(['../../../evil/plugin.wasm', '/etc/plugin.wasm', 'a/../../plugin.wasm'])(
    '6: with a member "%s" is refused, and writes nothing outside',
    async (name) => {
      const run = await exported(
        await pushed([layer({ name, body: module }, { name: 'plugin.wasm', body: module })]),
      );
      expect([run.code, run.error]).toEqual([3, 'E_SOURCE']);
      expect(run.stderr).toContain('leads outside');
    },
  );

  test.each([
    ['a symbolic link', { name: 'plugin.wasm', type: '2', linkName: '/etc/passwd' }],
    ['a hard link', { name: 'plugin.wasm', type: '1', linkName: 'other' }],
  ])('6: whose plugin.wasm is %s is refused', async (_what, entry) => {
    const run = await exported(await pushed([layer(entry)]));
    expect([run.code, run.error]).toEqual([3, 'E_SOURCE']);
    expect(run.stderr).toContain('as a link');
  });

  test('8: that is named by its digest is never another one', async () => {
    const registry = await startRegistry();
    const first = await push(
      registry,
      ['plugins/waf', '1.0.0'],
      [[{ mediaType: moduleLayer, bytes: module }]],
    );
    await push(registry, ['plugins/waf', '1.0.0'], [[{ mediaType: moduleLayer, bytes: other }]]);
    const run = await exported(`oci://${registry.host}/plugins/waf:1.0.0@${first}`);
    expect(run.code).toBe(0);
    expect(run.stdout).toContain(sha256Of(module));
  });
});

describe('a registry that misbehaves', () => {
  const blob: PushedLayer = { mediaType: moduleLayer, bytes: tinyModule('big', 300_000) };
  const { manifest } = manifestOf([blob]);

  /** Serves one artifact; `answer` answers for its blob. */
  const registry = async (answer: Handler, bytes = manifest) => {
    const web = await startWeb((request, response) => {
      const path = request.url ?? '';
      if (path.includes('/blobs/')) answer(request, response);
      else if (path.includes('/manifests/'))
        response.writeHead(200, { 'content-type': ociManifest }).end(bytes);
      else response.writeHead(404).end();
    });
    return { ...web, reference: `oci://${web.url.slice('http://'.length)}/plugins/waf:1.0.0` };
  };

  test('and breaks off once: the rest is fetched, and the whole is proved', async () => {
    let tries = 0;
    const { bytes } = blob;
    const { reference, headers } = await registry((request, response) => {
      tries += 1;
      if (tries === 1) {
        response.writeHead(200, { 'content-length': bytes.length });
        response.write(bytes.subarray(0, 200_000), () => response.destroy());
        return;
      }
      const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      response
        .writeHead(start > 0 ? 206 : 200, {
          'content-length': bytes.length - start,
          ...(start > 0 ? { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {}),
        })
        .end(bytes.subarray(start));
    });
    expect((await exported(reference)).code).toBe(0);
    expect(headers.some(({ range }) => range?.startsWith('bytes=') === true)).toBe(true);
  });

  test.each<[string, Handler, string, string]>([
    [
      'always breaks off',
      (_, response) => {
        response.writeHead(200, { 'content-length': blob.bytes.length });
        response.write(blob.bytes.subarray(0, 1000), () => response.destroy());
      },
      'E_NETWORK',
      'expected',
    ],
    [
      'sends a page for a blob',
      (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>login</html>'),
      'E_SOURCE',
      'web page',
    ],
    [
      'sends other bytes',
      (_, response) => response.end(tinyModule('gib', 300_000)),
      'E_DIGEST',
      'other bytes',
    ],
    ['sends less', (_, response) => response.end(blob.bytes.subarray(0, 100)), 'E_DIGEST', 'other bytes'],
    [
      'never ends',
      (_, response) => {
        response.writeHead(200);
        const more = (): void => {
          if (response.write(Buffer.alloc(65536))) setImmediate(more);
          else response.once('drain', more);
        };
        more();
      },
      'E_LIMIT',
      'expected at most',
    ],
    [
      'announces 10 GB',
      (_, response) => {
        response.writeHead(200, { 'content-length': 10_000_000_000 });
        response.write('x');
      },
      'E_LIMIT',
      '10000000000',
    ],
    ['has no blob', (_, response) => response.writeHead(404).end(), 'E_SOURCE', 'not there'],
  ])('and %s', async (...[, answer, code, says]) => {
    const { reference } = await registry(answer);
    const run = await exported(reference);
    expect(run.error, run.stderr).toBe(code);
    expect(run.stderr).toContain(says);
  });

  test('and sends us to another host: the login stays at home', async () => {
    const store = await startWeb((_, response) => response.end(blob.bytes));
    const web = await startWeb((request, response) => {
      if (request.headers.authorization === undefined)
        response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      else if ((request.url ?? '').includes('/blobs/'))
        response.writeHead(307, { location: `${store.url}/blob` }).end();
      else response.writeHead(200, { 'content-type': ociManifest }).end(manifest);
    });
    const host = web.url.slice('http://'.length);
    const directory = await tempDir();
    const run = await cli(['export', `oci://${host}/plugins/waf:1.0.0`, '-o', 'set.tar.gz', '--plain-http'], {
      cwd: directory,
      env: { DOCKER_CONFIG: await dockerConfig(robotLogin(host)) },
    });
    expect([run.code, run.stderr]).toEqual([0, expect.any(String)]);
    expect(store.headers).toHaveLength(1);
    expect(store.headers[0]).not.toHaveProperty('authorization');
  });

  test('and whose token service is somebody else: the password does not go there', async () => {
    const thief = await startWeb((_, response) => response.end('{"token":"x"}'));
    const evil = thief.url.replace('127.0.0.1', 'localhost');
    const web = await startWeb((_, response) => {
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${evil}/token",service="x"` }).end();
    });
    const host = web.url.slice('http://'.length);
    const directory = await tempDir();
    const run = await cli(
      ['export', `oci://${host}/plugins/waf:1.0.0`, '-o', 'x.tar.gz', '--plain-http', '--json'],
      {
        cwd: directory,
        env: { DOCKER_CONFIG: await dockerConfig(robotLogin(host)) },
      },
    );
    expect(errorCode(run)).toBe('E_LOGIN');
    expect(thief.asked).toEqual([]);
  });

  test.each([
    ['no JSON', Buffer.from('<html>')],
    [
      'a digest that leads elsewhere',
      Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: ociManifest,
          layers: [{ ...descriptor(blob), digest: 'sha256:../../../etc/passwd' }],
        }),
      ),
    ],
    [
      'a size below zero',
      Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: ociManifest,
          layers: [{ ...descriptor(blob), size: -1 }],
        }),
      ),
    ],
    [
      'a module of 3 GB',
      Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: ociManifest,
          layers: [{ ...descriptor(blob), size: 3_000_000_000 }],
        }),
      ),
    ],
    ['the first version', Buffer.from(JSON.stringify({ schemaVersion: 1, fsLayers: [] }))],
  ])('a manifest with %s is refused before anything else is asked for', async (_what, bytes) => {
    const { reference, asked } = await registry((_, response) => response.writeHead(500).end(), bytes);
    expect((await exported(reference)).error).toMatch(/^E_(?:SOURCE|LIMIT)$/);
    expect(asked.filter((path) => path.includes('/blobs/'))).toEqual([]);
  });
});
