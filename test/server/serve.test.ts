import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  appendFile,
  open,
  readdir,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { sha256Of } from '../../src/stream/digest.js';
import { CurrentIndex } from '../../src/server/current-index.js';
import { makeHandler } from '../../src/server/handler.js';
import { indexOf } from '../../src/server/index-of.js';
import { Metrics } from '../../src/server/metrics.js';
import { listen } from '../../src/server/listen.js';
import type { IndexDocument } from '../../src/schema/index.js';
import { ask, dial, get, raw } from '../helpers/http.js';
import { running, start, stopLater } from './running.js';
import { moduleBytes, plainTree, releaseIdOf, samplePlugins, temporaryDirectory, volume } from './trees.js';

const noMetrics = new Metrics(() => ({ index: undefined, isStopping: false }));

const modulePath = '/plugins/key-auth/1.0.0/plugin.wasm';
const moduleFile = (root: string): string => join(root, modulePath);
const sample = samplePlugins['key-auth/1.0.0']!['plugin.wasm'] as Buffer;

/** Files below `root` that this process, and so the server, holds open; Linux only. */
async function openFilesBelow(root: string): Promise<string[]> {
  const descriptors = await readdir('/proc/self/fd').catch(() => []);
  const links = descriptors.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => ''));
  return (await Promise.all(links)).filter((path) => path.startsWith(root));
}

/** What the headers of an answer promise about its whole body holds. */
function expectTruth(reply: { headers: Record<string, unknown>; body: Buffer }): void {
  const { headers, body } = reply;
  expect(headers['content-length']).toBe(String(body.length));
  expect(headers['etag']).toBe(`"${sha256Of(body)}"`);
  expect(headers['repr-digest']).toBe(
    `sha-256=:${createHash('sha256').update(body).digest().toString('base64')}:`,
  );
}

test.each([
  ['a volume', volume],
  ['a plain tree', plainTree],
])('every file of %s goes out whole under its URL', async (_what, make) => {
  const { url } = await running(await make());
  for (const [id, files] of Object.entries(samplePlugins)) {
    for (const [name, content] of Object.entries(files)) {
      const reply = await get(url, `/plugins/${id}/${name}`);
      expect(reply.status).toBe(200);
      expect(reply.body.equals(Buffer.from(content))).toBe(true);
      expectTruth(reply);
      expect(reply.headers).toMatchObject({
        'content-type': name === 'plugin.wasm' ? 'application/wasm' : 'text/plain',
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-cache',
        'accept-ranges': 'bytes',
      });
      expect(reply.headers).not.toHaveProperty('transfer-encoding');
      expect(reply.headers).not.toHaveProperty('server');
    }
  }
});

test('HEAD has the headers of GET and no body', async () => {
  const { url } = await running(await plainTree());
  for (const path of [
    modulePath,
    '/',
    '/plugins/',
    '/plugins/index.json',
    '/none',
    '/plugins/key-auth/1.0.0/plugin',
  ]) {
    const whole = await get(url, path);
    const head = await ask(url, { method: 'HEAD', path });
    expect(head.status).toBe(whole.status);
    expect({ ...head.headers, date: '' }).toEqual({ ...whole.headers, date: '' });
    expect(head.body).toHaveLength(0);
  }
});

test('a range, a 304, a 412 and a 416 over the wire', async () => {
  const { url } = await running(await volume());
  const { headers } = await get(url, modulePath);
  const etag = String(headers.etag);
  const part = await get(url, modulePath, { range: 'bytes=299000-' });
  expect(part.status).toBe(206);
  expect(part.body.equals(sample.subarray(299_000))).toBe(true);
  expect(part.headers).toMatchObject({
    'content-range': 'bytes 299000-299999/300000',
    'content-length': '1000',
    etag,
  });

  const same = await get(url, modulePath, { 'if-none-match': etag });
  expect(same.status).toBe(304);
  expect(same.body).toHaveLength(0);
  expect(same.headers.etag).toBe(etag);
  expect(same.headers).not.toHaveProperty('content-type');

  for (const [ask, status] of [
    [{ 'if-match': '"other"' }, 412],
    [{ range: 'bytes=300000-' }, 416],
  ] as const) {
    const reply = await get(url, modulePath, ask);
    expect(reply.status).toBe(status);
    expect(reply.headers['cache-control']).toBe('no-store');
    for (const name of ['etag', 'last-modified', 'repr-digest'])
      expect(reply.headers).not.toHaveProperty(name);
    expect(reply.headers['content-range']).toBe(status === 416 ? 'bytes */300000' : undefined);
  }
});

test('a query is not part of the path', async () => {
  const { url } = await running(await plainTree());
  expect((await get(url, `${modulePath}?x=/../..`)).body.equals(sample)).toBe(true);
});

test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND'])(
  '%s is not allowed',
  async (method) => {
    const { url } = await running(await plainTree());
    for (const path of [modulePath, '/', '/none']) {
      const reply = await ask(url, { method, path });
      expect(reply.status).toBe(405);
      expect(reply.headers.allow).toBe('GET, HEAD');
    }
  },
);

test('a body that comes with a request is not taken for the next one', async () => {
  const { url } = await running(await plainTree());
  const inner = `GET ${modulePath} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const reply = await raw(
    url,
    `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`,
  );
  expect(reply.match(/HTTP\/1\.1/g)).toHaveLength(1);
  expect(reply).toMatch(/^HTTP\/1\.1 405 .*connection: close/is);
});

test('what is not there is 404 and must not be kept by a cache', async () => {
  const { url } = await running(await plainTree());
  for (const path of [
    '/none',
    '/plugins/key-auth/9.9.9/plugin.wasm',
    '/plugins/key-auth/1.0.0/plugin.wasm/',
  ]) {
    const reply = await get(url, path);
    expect(reply.status).toBe(404);
    expect(reply.headers['cache-control']).toBe('no-store');
    expect(reply.body.toString()).toBe('not found\n');
  }
});

test('a directory without its final slash leads to the one with it', async () => {
  const { url } = await running(await plainTree());
  for (const path of ['/plugins', '/plugins/key-auth', '/plugins/key-auth/2.0.0']) {
    const reply = await get(url, path);
    expect(reply.status).toBe(301);
    const { pathname } = new URL(String(reply.headers.location), `${url}${path}`);
    expect(pathname).toBe(`${path}/`);
    expect((await get(url, pathname)).status).toBe(200);
  }
});

test('an empty volume is healthy, not ready, answers 200 on / and 404 for plugins', async () => {
  const { url, notes } = await running(await temporaryDirectory());
  for (const path of ['/', '/plugins/', '/healthz', '/plugins/index.json']) {
    expect((await get(url, path)).status).toBe(200);
  }
  expect((await get(url, '/readyz')).status).toBe(503);
  expect((await get(url, modulePath)).status).toBe(404);
  expect(notes).toHaveLength(1);
});

test('until everything is read it is alive, not ready, and says when to ask again', async () => {
  const current = new CurrentIndex(AbortSignal.any([]));
  const server = await listen(
    makeHandler({
      current,
      catchUp: () => Promise.resolve(true),
      isStopping: () => false,
      metrics: noMetrics,
      onAnswered: () => undefined,
    }),
    {
      host: '127.0.0.1',
      port: 0,
    },
  );
  stopLater(() => server.close(0));
  for (const path of [modulePath, '/', '/readyz', '/plugins/', '/none']) {
    const reply = await get(server.url, path);
    expect(reply.status).toBe(503);
    expect(reply.headers).toMatchObject({ 'retry-after': '1', 'cache-control': 'no-store' });
  }
  const healthz = await get(server.url, '/healthz');
  expect([healthz.status, healthz.body.toString()]).toEqual([200, 'ok\n']);
  current.replace(await indexOf(await plainTree(), AbortSignal.any([])));
  for (const path of [modulePath, '/', '/readyz']) expect((await get(server.url, path)).status).toBe(200);
});

test('the release is told, and its creation is the date of its files', async () => {
  const server = await running(await volume());
  expect(await server.ready).toEqual({ release: releaseIdOf(samplePlugins), plugins: 3 });
  const { headers } = await get(server.url, modulePath);
  expect(headers['last-modified']).toBe('Sun, 01 Mar 2026 12:00:00 GMT');
});

test('a directory that cannot be served closes the port', async () => {
  const server = await start(join(await temporaryDirectory(), 'none'));
  await expect(server.ready).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
  const outcome = () => dial(server.url).then(String, (error: unknown) => error);
  await expect.poll(outcome).toMatchObject({ code: 'ECONNREFUSED' });
});

test('index.json fits its schema and tells the truth', async () => {
  const schema = JSON.parse(readFileSync('schemas/index.schema.json', 'utf8'));
  const validate = new Ajv2020({ strict: true }).compile(schema);
  for (const root of [await volume(), await plainTree(), await temporaryDirectory()]) {
    const { url } = await running(root);
    const reply = await get(url, '/plugins/index.json');
    expect(reply.headers['content-type']).toBe('application/json');
    expectTruth(reply);
    const document = JSON.parse(reply.body.toString()) as IndexDocument;
    expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
    const files = document.plugins.flatMap((plugin) => plugin.files);
    for (const { path, size, sha256, md5, etag } of files) {
      const { body, headers } = await get(url, path);
      expect([size, sha256, etag]).toEqual([body.length, sha256Of(body), headers.etag]);
      expect(md5).toBe(createHash('md5').update(body).digest('hex'));
    }
  }
});

test('snapshot-inventory.json states the highest version of each plugin and no digest that nobody knows', async () => {
  const wasm = moduleBytes(100, 'x');
  const { url } = await running(
    await plainTree({
      ...samplePlugins,
      'key-auth/10.0.0': { 'plugin.wasm': wasm },
      'key-auth/9.0.0': { 'plugin.wasm': sample },
      'key-auth/latest': { 'plugin.wasm': sample },
    }),
  );
  const reply = await get(url, '/plugins/snapshot-inventory.json');
  expect(JSON.parse(reply.body.toString())).toEqual({
    'ai-proxy': {
      version: '2.0.1',
      wasmSha256: sha256Of(samplePlugins['ai-proxy/2.0.1']!['plugin.wasm'] as Buffer),
    },
    'key-auth': { version: '10.0.0', wasmSha256: sha256Of(wasm) },
  });
});

test('a tree that came with its own snapshot-inventory.json keeps it', async () => {
  const root = await plainTree();
  const own = '{"key-auth":{"version":"1.0.0","digest":"sha256:1","wasmSha256":"2"}}';
  await writeFile(join(root, 'plugins/snapshot-inventory.json'), own);
  const { url, notes } = await running(root);
  const reply = await get(url, '/plugins/snapshot-inventory.json');
  expect(reply.body.toString()).toBe(own);
  expectTruth(reply);
  expect(notes).toEqual([]);
});

test('a module overwritten in place goes out under its new tag, everywhere', async () => {
  const root = await plainTree();
  const { url } = await running(root);
  const before = await get(url, modulePath);
  const next = moduleBytes(sample.length, 'next');
  const { atime, mtime } = await stat(moduleFile(root));
  await writeFile(moduleFile(root), next);
  // The same length and, as `cp -p` would have it, the same time: only the bytes differ.
  await utimes(moduleFile(root), atime, mtime);
  const replies = await Promise.all(Array.from({ length: 20 }, () => get(url, modulePath)));
  for (const reply of replies) {
    expect(reply.status).toBe(200);
    expect(reply.body.equals(next)).toBe(true);
    expectTruth(reply);
  }
  const stale = await get(url, modulePath, { 'if-none-match': String(before.headers.etag) });
  expect(stale.status).toBe(200);
  expect((await get(url, '/plugins/index.json')).body.toString()).toContain(sha256Of(next));
  expect((await get(url, '/')).body.toString()).toContain(sha256Of(next));
  expect((await get(url, '/')).body.toString()).not.toContain(sha256Of(sample));
});

test('many quick changes in place: no answer ever lies about its bytes', async () => {
  const root = await plainTree({ 'a/1.0.0': { 'plugin.wasm': moduleBytes(50_000, '0') } });
  const { url } = await running(root);
  const path = '/plugins/a/1.0.0/plugin.wasm';
  const progress = { isDone: false };
  const writer = (async () => {
    for (let i = 1; i <= 150; i += 1) {
      await writeFile(join(root, path), moduleBytes(50_000, String(i)));
      if (i % 10 === 0) await sleep(30);
    }
    progress.isDone = true;
  })();
  const seen = { whole: 0, later: 0, cut: 0 };
  while (!progress.isDone) {
    const reply = await get(url, path).catch(() => undefined);
    if (reply === undefined) seen.cut += 1;
    else if (reply.status === 503) seen.later += 1;
    else {
      seen.whole += 1;
      expectTruth(reply);
    }
  }
  await writer;
  expect(seen.whole).toBeGreaterThan(0);
  const last = await get(url, path);
  expect(last.body.equals(moduleBytes(50_000, '150'))).toBe(true);
});

test('a module changed while it is being sent ends in a broken transfer, never in a complete one', async () => {
  const bytes = moduleBytes(32_000_000, 'large');
  const root = await plainTree({ 'a/1.0.0': { 'plugin.wasm': bytes } });
  const server = await running(root);
  const path = '/plugins/a/1.0.0/plugin.wasm';
  const socket = await dial(server.url);
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await sleep(200);
  const file = await open(join(root, path), 'r+');
  await file.write('changed', bytes.length - 7);
  await file.close();
  let received = 0;
  socket.on('data', (piece: Buffer) => (received += piece.length));
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve));
  expect(received).toBeLessThan(bytes.length);
  await expect.poll(() => server.records).toHaveLength(1);
  expect(server.records[0]).toMatchObject({
    status: 200,
    aborted: true,
    problem: expect.stringContaining('changed while it was being sent') as string,
  });
  expectTruth(await get(server.url, path));
});

test('a module that was cut short while it is being sent does not hang the client', async () => {
  const bytes = moduleBytes(32_000_000, 'large');
  const root = await plainTree({ 'a/1.0.0': { 'plugin.wasm': bytes } });
  const { url } = await running(root);
  const path = '/plugins/a/1.0.0/plugin.wasm';
  const socket = await dial(url);
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await sleep(200);
  await writeFile(join(root, path), 'short');
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve));
  expect((await get(url, path)).body.toString()).toBe('short');
});

test('a module that vanished is 503, so that the gateway asks again, and is back when it is', async () => {
  const root = await plainTree();
  const { url, records } = await running(root);
  await rename(moduleFile(root), `${moduleFile(root)}.away`);
  const gone = await get(url, modulePath);
  expect(gone.status).toBe(503);
  expect(gone.headers['retry-after']).toBe('1');
  expect(gone.headers).not.toHaveProperty('etag');
  await expect.poll(() => records[0]?.problem).toBe('the file is missing');
  await rename(`${moduleFile(root)}.away`, moduleFile(root));
  expect((await get(url, modulePath)).body.equals(sample)).toBe(true);
});

test('a module replaced by a link out of the tree is not followed', async () => {
  const root = await plainTree();
  const { url } = await running(root);
  await rm(moduleFile(root));
  await symlink('/etc/passwd', moduleFile(root));
  const reply = await get(url, modulePath);
  expect(reply.status).toBe(503);
  expect(reply.body.toString()).not.toContain('root:');
});

test('in a release other bytes than the recorded ones never go out', async () => {
  const root = await volume();
  const { url, records } = await running(root);
  await appendFile(moduleFile(root), 'x');
  expect((await get(url, modulePath)).status).toBe(503);
  await expect.poll(() => records[0]?.problem).toBe('the file is not what the release recorded');
  // The same bytes with another time, as a new hard link to them gives, are no change.
  await writeFile(moduleFile(root), sample);
  const again = await get(url, modulePath);
  expect(again.body.equals(sample)).toBe(true);
  expect(again.headers['last-modified']).toBe('Sun, 01 Mar 2026 12:00:00 GMT');
});

test('one record a request, with the bytes that went out', async () => {
  const { url, records } = await running(await plainTree());
  await get(url, `${modulePath}?a=b`);
  await ask(url, { method: 'HEAD', path: modulePath });
  await get(url, modulePath, { range: 'bytes=0-9' });
  await get(url, '/none');
  await expect.poll(() => records).toHaveLength(4);
  const common = { ms: expect.any(Number) as number, remote: '127.0.0.1', aborted: false };
  const expected = [
    { ...common, method: 'GET', path: `${modulePath}?a=b`, status: 200, bytes: 300_000 },
    { ...common, method: 'HEAD', path: modulePath, status: 200, bytes: 0 },
    { ...common, method: 'GET', path: modulePath, status: 206, bytes: 10 },
    { ...common, method: 'GET', path: '/none', status: 404, bytes: 10 },
  ];
  // In no order: an answer is over when its connection is, and each has its own.
  expect(records).toEqual(expect.arrayContaining(expected));
});

test('a client that leaves is recorded as such, and its file is closed', async () => {
  const root = await plainTree({ 'a/1.0.0': { 'plugin.wasm': moduleBytes(32_000_000, 'large') } });
  const { url, records } = await running(root);
  const socket = await dial(url);
  socket.write('GET /plugins/a/1.0.0/plugin.wasm HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise((resolve) => socket.once('data', resolve));
  socket.destroy();
  await expect.poll(() => records).toHaveLength(1);
  expect(records[0]).toMatchObject({ status: 200, aborted: true });
  expect(records[0]).not.toHaveProperty('problem');
  expect(records[0]?.bytes).toBeLessThan(32_000_000);
  await expect.poll(() => openFilesBelow(root)).toEqual([]);
});

test('a client that leaves while a changed file is being read again harms nobody', async () => {
  const path = '/plugins/a/1.0.0/plugin.wasm';
  const root = await plainTree({ 'a/1.0.0': { 'plugin.wasm': moduleBytes(20_000_000, 'large') } });
  const { url, records } = await running(root);
  await writeFile(join(root, path), moduleBytes(20_000_001, 'larger'));
  const socket = await dial(url);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await sleep(10);
  socket.destroy();
  await expect.poll(() => records).toHaveLength(1);
  expectTruth(await get(url, path));
});
