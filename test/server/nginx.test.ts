import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { servePlugins, type RunningServer } from '../../src/operations/serve.js';
import { ask, type Ask, type Reply } from '../helpers/http.js';
import { hasNginx, startNginx, type Nginx } from '../helpers/nginx.js';
import { plainTree, samplePlugins } from './trees.js';

/** The same requests to nginx, set up as in the official plugin server, and to us, over the same tree. */
describe.skipIf(!hasNginx)('beside nginx', () => {
  let nginx: Nginx;
  let ours: RunningServer;
  beforeAll(async () => {
    const root = await plainTree();
    await writeFile(join(root, 'plugins/snapshot-inventory.json'), '{"key-auth":{"version":"1.0.0"}}\n');
    nginx = await startNginx(root);
    ours = await servePlugins({ root, host: '127.0.0.1', port: 0 }, AbortSignal.any([]));
    await ours.ready;
  });
  afterAll(async () => {
    await Promise.all([nginx.stop(), ours.close()]);
  });

  const both = async (request: Ask): Promise<{ theirs: Reply; mine: Reply }> => {
    const [theirs, mine] = await Promise.all([ask(nginx.url, request), ask(ours.url, request)]);
    return { theirs, mine };
  };

  const files = [
    ...Object.entries(samplePlugins).flatMap(([id, content]) =>
      Object.keys(content).map((name) => `/plugins/${id}/${name}`),
    ),
    '/plugins/snapshot-inventory.json',
  ];
  const modulePath = '/plugins/key-auth/1.0.0/plugin.wasm';

  /** Headers that say what the body is must be the same, and present in both. */
  const described = ['content-type', 'content-length', 'accept-ranges', 'content-range', 'last-modified'];
  const pick = ({ headers }: Reply, names: readonly string[]) => names.map((name) => [name, headers[name]]);

  test.each(files)('%s: same bytes, same status, same description', async (path) => {
    for (const method of ['GET', 'HEAD']) {
      const { theirs, mine } = await both({ method, path });
      expect(mine.status).toBe(theirs.status);
      expect(mine.body.equals(theirs.body)).toBe(true);
      expect(pick(mine, described)).toEqual(pick(theirs, described));
      expect(theirs.headers).toHaveProperty('etag');
      expect(mine.headers).toHaveProperty('etag');
    }
  });

  test('we send every header that nginx sends, but its name', async () => {
    const { theirs, mine } = await both({ path: modulePath });
    const names = Object.keys(theirs.headers).filter((name) => name !== 'server');
    expect(Object.keys(mine.headers)).toEqual(expect.arrayContaining(names));
    const more = Object.keys(mine.headers).filter((name) => !names.includes(name));
    expect(more.sort()).toEqual(['cache-control', 'repr-digest', 'x-content-type-options']);
  });

  test.each([
    'bytes=0-0',
    'bytes=0-99',
    'bytes=100-',
    'bytes=-100',
    'bytes=-300001',
    'bytes=299999-400000',
    'bytes=300000-',
    'bytes=300000-300001',
    'bytes=-0',
    'bytes=-',
    'bytes=9-5',
    'bytes=a-b',
    'bytes=99999999999999999999-',
    'items=0-5',
    '0-5',
  ])('Range: %s', async (range) => {
    const { theirs, mine } = await both({ path: modulePath, headers: { range } });
    expect(mine.status).toBe(theirs.status);
    expect(mine.headers['content-range']).toBe(theirs.headers['content-range']);
    // The body of an error is everyone's own.
    if (mine.status < 400) expect(mine.body.equals(theirs.body)).toBe(true);
  });

  test('several ranges: nginx answers in parts, we with the whole', async () => {
    const { theirs, mine } = await both({ path: modulePath, headers: { range: 'bytes=0-9,20-29' } });
    expect([theirs.status, mine.status]).toEqual([206, 200]);
    expect(mine.body).toHaveLength(300_000);
  });

  test('Range with HEAD: nginx answers 206, RFC 9110 knows it for GET only', async () => {
    const { theirs, mine } = await both({
      method: 'HEAD',
      path: modulePath,
      headers: { range: 'bytes=0-9' },
    });
    expect([theirs.status, mine.status]).toEqual([206, 200]);
  });

  test('conditional requests, each with the tag and date of its own server', async () => {
    const { theirs, mine } = await both({ path: modulePath });
    const conditions: readonly ((reply: Reply) => Record<string, string>)[] = [
      ({ headers }) => ({ 'if-none-match': String(headers.etag) }),
      ({ headers }) => ({ 'if-none-match': `"other", ${headers.etag}` }),
      ({ headers }) => ({ 'if-none-match': `W/${headers.etag}` }),
      () => ({ 'if-none-match': '*' }),
      () => ({ 'if-none-match': '"other"' }),
      ({ headers }) => ({ 'if-match': String(headers.etag) }),
      ({ headers }) => ({ 'if-match': `W/${headers.etag}` }),
      () => ({ 'if-match': '"other"' }),
      () => ({ 'if-match': '*' }),
      ({ headers }) => ({ 'if-modified-since': String(headers['last-modified']) }),
      () => ({ 'if-modified-since': 'Thu, 01 Jan 2015 00:00:00 GMT' }),
      () => ({ 'if-modified-since': 'Thu, 01 Jan 2037 00:00:00 GMT' }),
      ({ headers }) => ({ 'if-unmodified-since': String(headers['last-modified']) }),
      () => ({ 'if-unmodified-since': 'Thu, 01 Jan 2015 00:00:00 GMT' }),
      () => ({ 'if-unmodified-since': 'Thu, 01 Jan 2037 00:00:00 GMT' }),
      ({ headers }) => ({ range: 'bytes=0-9', 'if-range': String(headers.etag) }),
      () => ({ range: 'bytes=0-9', 'if-range': '"other"' }),
      ({ headers }) => ({ range: 'bytes=0-9', 'if-none-match': String(headers.etag) }),
    ];
    for (const condition of conditions) {
      const theirStatus = (await ask(nginx.url, { path: modulePath, headers: condition(theirs) })).status;
      const myStatus = (await ask(ours.url, { path: modulePath, headers: condition(mine) })).status;
      expect([condition(mine), myStatus]).toEqual([condition(mine), theirStatus]);
    }
  });

  test.each([
    '/none',
    '/plugins/none/',
    '/plugins/key-auth/3.0.0/plugin.wasm',
    '/plugins/key-auth/1.0.0/other.wasm',
    '/plugins/key-auth/2.0.0/metadata.txt',
    '/plugins/key-auth/1.0.0/plugin.wasm/',
    '/Plugins/',
  ])('%s: 404 in both', async (path) => {
    for (const method of ['GET', 'HEAD']) {
      const { theirs, mine } = await both({ method, path });
      expect([theirs.status, mine.status]).toEqual([404, 404]);
    }
  });

  test.each(['/plugins', '/plugins/key-auth', '/plugins/key-auth/1.0.0'])(
    '%s: both lead to the slash',
    async (path) => {
      const { theirs, mine } = await both({ path });
      expect([theirs.status, mine.status]).toEqual([301, 301]);
      const target = (reply: Reply) => new URL(String(reply.headers.location), `http://x${path}`).pathname;
      expect(target(mine)).toBe(target(theirs));
    },
  );

  test.each(['/', '/plugins/', '/plugins/key-auth/', '/plugins/key-auth/1.0.0/'])(
    '%s: whatever nginx lists, we list',
    async (path) => {
      const { theirs, mine } = await both({ path });
      expect([theirs.status, mine.status]).toEqual([200, 200]);
      const hrefs = (reply: Reply) =>
        [...reply.body.toString().matchAll(/href="([^"]+)"/g)].map(([, href]) => href);
      // Above the root there is nothing, although nginx links to it.
      const listed = hrefs(theirs).filter((href) => path !== '/' || href !== '../');
      expect(listed.length).toBeGreaterThan(0);
      expect(hrefs(mine)).toEqual(expect.arrayContaining(listed));
    },
  );

  test.each(['POST', 'DELETE', 'PUT'])('%s: 405 in both', async (method) => {
    const { theirs, mine } = await both({ method, path: modulePath });
    expect([theirs.status, mine.status]).toEqual([405, 405]);
  });
});
