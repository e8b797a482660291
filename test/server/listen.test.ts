import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { userInfo } from 'node:os';
import { expect, test } from 'vitest';
import { CurrentIndex } from '../../src/server/current-index.js';
import { Metrics } from '../../src/server/metrics.js';
import { makeHandler } from '../../src/server/handler.js';
import { indexOf } from '../../src/server/index-of.js';
import { listen, type Listening, type ServerLimits } from '../../src/server/listen.js';
import { servePlugins } from '../../src/operations/serve.js';
import { dial, everythingFrom, get, statusOf } from '../helpers/http.js';
import { start, running, stopLater } from './running.js';
import { moduleBytes, plainTree, temporaryDirectory } from './trees.js';

const noMetrics = new Metrics(() => ({ index: undefined, isStopping: false }));

const path = '/plugins/large/1.0.0/plugin.wasm';
const size = 32_000_000;
const large = (): Promise<string> =>
  plainTree({ 'large/1.0.0': { 'plugin.wasm': moduleBytes(size, 'large') } });
const request = `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

/** A server whose limits are short enough to be waited for. */
async function limited(limits: Partial<ServerLimits>): Promise<Listening> {
  const signal = AbortSignal.any([]);
  const current = new CurrentIndex(signal);
  current.replace(await indexOf(await large(), signal));
  const handler = makeHandler({
    current,
    isStopping: () => false,
    catchUp: () => Promise.resolve(true),
    metrics: noMetrics,
    onAnswered: () => undefined,
  });
  const server = await listen(handler, {
    host: '127.0.0.1',
    port: 0,
    limits: { connectionsCheckingInterval: 100, ...limits },
  });
  stopLater(() => server.close(0));
  return server;
}

test('a port in use is named, with what to do', async () => {
  const { url } = await running(await temporaryDirectory());
  const port = Number(new URL(url).port);
  await expect(start(await temporaryDirectory(), { port })).rejects.toMatchObject({
    code: 'E_LISTEN',
    message: `cannot listen on 127.0.0.1 port ${port}: the port is in use`,
    hint: expect.stringContaining('another port') as string,
  });
});

test('a host that is not ours is named, with what to do', async () => {
  await expect(start(await temporaryDirectory(), { host: '192.0.2.1' })).rejects.toMatchObject({
    code: 'E_LISTEN',
    message: expect.stringContaining('192.0.2.1') as string,
    hint: expect.stringContaining('0.0.0.0') as string,
  });
});

test.skipIf(userInfo().uid === 0)('a port that is kept for root is named, with what to do', async () => {
  await expect(start(await temporaryDirectory(), { port: 80 })).rejects.toMatchObject({
    code: 'E_LISTEN',
    hint: expect.stringContaining('8080') as string,
  });
});

const hasIpv6 = await new Promise<boolean>((resolve) => {
  const probe = createServer();
  probe.once('error', () => {
    resolve(false);
  });
  probe.listen(0, '::1', () =>
    probe.close(() => {
      resolve(true);
    }),
  );
});

test.each<[string, RegExp]>([
  ['0.0.0.0', /^http:\/\/127\.0\.0\.1:\d+$/],
  ...(hasIpv6 ? ([['::', /^http:\/\/\[::1\]:\d+$/]] satisfies [string, RegExp][]) : []),
])('the URL of %s can be asked', async (host, url) => {
  const server = await running(await temporaryDirectory(), { host });
  expect(server.url).toMatch(url);
  // Node's own client wants an IPv6 address without its brackets, the rest of the world with them.
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
});

test('an abort before the start opens no port', async () => {
  const reason = new Error('enough');
  const options = { root: await temporaryDirectory(), host: '127.0.0.1', port: 0 };
  await expect(servePlugins(options, AbortSignal.abort(reason))).rejects.toBe(reason);
});

test('an abort while loading ends it', async () => {
  const server = await start(await large());
  server.abort.abort(new Error('enough'));
  await expect(server.ready).rejects.toThrow('enough');
  await server.close();
  await expect(dial(server.url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('a slow download that runs when the server is told to stop is finished, and nothing new begins', async () => {
  const server = await running(await large(), { drainSeconds: 30 });
  const socket = await dial(server.url);
  let received = 0;
  let isClosed = false;
  socket.once('close', () => (isClosed = true));
  socket.write(request);
  await new Promise((resolve) =>
    socket.once('data', (piece: Buffer) => {
      resolve((received += piece.length));
    }),
  );
  socket.pause();
  server.abort.abort();
  const closed = server.close();
  await sleep(100);
  expect(isClosed).toBe(false);
  await expect(dial(server.url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  socket.on('data', (piece: Buffer) => {
    received += piece.length;
    socket.pause();
    setTimeout(() => socket.resume(), 1);
  });
  socket.resume();
  // Although the client asked for keep-alive: the connection must not hold up the exit.
  await closed;
  await expect.poll(() => isClosed).toBe(true);
  expect(received).toBeGreaterThan(size);
  expect(server.records).toMatchObject([{ status: 200, bytes: size, aborted: false }]);
});

test('connections without an answer under way do not delay the stop', async () => {
  // Far longer than a test may take, which is what it would take otherwise.
  const server = await running(await large(), { drainSeconds: 3600 });
  const used = await dial(server.url);
  used.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise((resolve) => used.once('data', resolve));
  const silent = await dial(server.url);
  const halfway = await dial(server.url);
  halfway.write('GET / HTTP/1.1\r\nHo');
  await sleep(50);
  await server.close();
  for (const socket of [used, silent, halfway]) await expect.poll(() => socket.closed).toBe(true);
});

test('after the drain time a download that does not move is cut', async () => {
  const server = await running(await large(), { drainSeconds: 0.2 });
  const socket = await dial(server.url);
  socket.pause();
  socket.write(request);
  await sleep(100);
  await server.close();
  await expect.poll(() => server.records).toMatchObject([{ aborted: true }]);
  socket.destroy();
});

test('a connection kept alive while draining is closed after its answer', async () => {
  const server = await running(await large(), { drainSeconds: 30 });
  const socket = await dial(server.url);
  socket.pause();
  // Two answers: the first is under way when the stop comes.
  socket.write(`${request}GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n`);
  await sleep(100);
  const closed = server.close();
  const reply = everythingFrom(socket);
  socket.resume();
  await closed;
  expect((await reply).length).toBeGreaterThan(size);
});

test('stopping twice is stopping once', async () => {
  const server = await running(await large());
  await Promise.all([server.close(), server.close()]);
  await server.close();
});

test('a client that sends its head one byte at a time is cut off', async () => {
  const { url } = await limited({ headersTimeout: 400, requestTimeout: 800 });
  const socket = await dial(url);
  const reply = everythingFrom(socket);
  const drip = setInterval(() => socket.write('a'), 50);
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nA: ');
  expect(statusOf(await reply)).toBe(408);
  clearInterval(drip);
});

test('a client that never sends anything is cut off', async () => {
  const { url } = await limited({ headersTimeout: 300, requestTimeout: 600 });
  const socket = await dial(url);
  expect(await everythingFrom(socket, 20_000)).not.toContain('200');
  expect(socket.closed).toBe(true);
});

test('a download that stands still is cut off, one that moves is not, however slow', async () => {
  const { url } = await limited({ idleTimeout: 1500 });
  const still = await dial(url);
  still.pause();
  still.write(request);
  const slow = await dial(url);
  let received = 0;
  slow.on('data', (piece: Buffer) => {
    received += piece.length;
    slow.pause();
    // About 5 s for the whole file: several times the idle time.
    setTimeout(() => slow.resume(), piece.length / 6400);
  });
  slow.write('GET /plugins/large/1.0.0/plugin.wasm HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await new Promise((resolve) => slow.once('close', resolve));
  expect(received).toBeGreaterThan(size);
  // What lies in the kernel's buffers still arrives, the rest does not.
  const rest = everythingFrom(still);
  still.resume();
  expect((await rest).length).toBeLessThan(size);
});

test('five hundred half-open requests do not keep the others waiting', async () => {
  const { url } = await limited({ headersTimeout: 5000 });
  const sockets = await Promise.all(Array.from({ length: 500 }, () => dial(url)));
  for (const socket of sockets) socket.write('GET / HTTP/1.1\r\nHost: x\r\nA: ');
  const reply = await get(url, path);
  expect(reply.body).toHaveLength(size);
  for (const socket of sockets) socket.destroy();
});
