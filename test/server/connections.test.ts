import { readdir, readlink } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CurrentIndex } from '../../src/server/current-index.js';
import type { Closing } from '../../src/server/connections.js';
import { makeHandler } from '../../src/server/handler.js';
import { indexOf } from '../../src/server/index-of.js';
import { listen, type ServerLimits } from '../../src/server/listen.js';
import { start } from '../helpers/cli.js';
import { dial, everythingFrom, get, raw } from '../helpers/http.js';
import { stopLater } from './running.js';
import { moduleBytes, plainTree } from './trees.js';

const path = '/plugins/large/1.0.0/plugin.wasm';
const size = 32_000_000;
const request = `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const health = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n';
const tree = (): Promise<string> =>
  plainTree({ 'large/1.0.0': { 'plugin.wasm': moduleBytes(size, 'large') } });

interface Limited {
  readonly url: string;
  readonly closings: Closing[];
}

/** A server with limits that can be reached. */
async function limited(limits: Partial<ServerLimits>): Promise<Limited> {
  const signal = AbortSignal.any([]);
  const current = new CurrentIndex(signal);
  current.replace(await indexOf(await tree(), signal));
  const handler = makeHandler({
    current,
    isStopping: () => false,
    catchUp: () => Promise.resolve(true),
    metrics: undefined,
    onAnswered: () => undefined,
  });
  const closings: Closing[] = [];
  const door = await listen(handler, {
    host: '127.0.0.1',
    port: 0,
    limits,
    onClosing: (reason) => closings.push(reason),
  });
  stopLater(() => door.close(0));
  return { url: door.url, closings };
}

const isClosed = (socket: Socket): Promise<true> =>
  new Promise((resolve) => {
    socket.resume().once('close', () => {
      resolve(true);
    });
  });

/** A client that takes a first piece and then nothing. */
async function stuck(url: string): Promise<Socket> {
  const socket = await dial(url);
  socket.write(request);
  await new Promise((resolve) => socket.once('data', resolve));
  socket.pause();
  return socket;
}

test('pipelined requests hold one file at a time, and nothing once their client has left', async () => {
  const child = start(['serve', await tree(), '--port', '0']);
  stopLater(async () => {
    child.kill('SIGKILL');
    return Promise.resolve();
  });
  const url = await expect
    .poll(() => /http:\/\/127\.0\.0\.1:\d+/.exec(child.printed.stderr)?.[0])
    .toBeDefined()
    .then(() => /http:\/\/127\.0\.0\.1:\d+/.exec(child.printed.stderr)?.[0] ?? '');
  await expect.poll(() => get(url, '/readyz').then(({ status }) => status)).toBe(200);
  const modules = async (): Promise<number> => {
    const directory = `/proc/${child.pid ?? 0}/fd`;
    const files = (await readdir(directory)).map((fd) => readlink(join(directory, fd)).catch(() => ''));
    return (await Promise.all(files)).filter((file) => file.endsWith('plugin.wasm')).length;
  };
  const clients = await Promise.all(Array.from({ length: 8 }, () => dial(url)));
  for (const client of clients) client.pause().write(request.repeat(16));
  await expect.poll(modules).toBe(8);
  for (const client of clients) client.destroy();
  await expect.poll(modules).toBe(0);
  child.kill();
});

test('a client may ask for several things at once, and gets them in their order', async () => {
  const { url, closings } = await limited({});
  const last = 'GET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
  const reply = await raw(url, `${health.repeat(15)}${last}`);
  expect(reply.match(/HTTP\/1\.1 \d{3}/g)).toEqual([
    ...Array<string>(15).fill('HTTP/1.1 200'),
    'HTTP/1.1 404',
  ]);
  expect(closings).toEqual([]);
});

test('a client that asks for more than can wait loses its connection, and others go on', async () => {
  const { url, closings } = await limited({ maxWaiting: 16 });
  const reply = await raw(url, request.repeat(500));
  expect(reply.length).toBeLessThan(size);
  expect(closings).toEqual(['pipelined too far']);
  expect((await get(url, path)).body).toHaveLength(size);
});

test('where there is room for no more, the connection that is idle longest makes it', async () => {
  const { url, closings } = await limited({ maxConnections: 3 });
  const download = await stuck(url);
  const first = await dial(url);
  first.write('GET / HTTP/1.1\r\nHost: x\r\nA: ');
  const second = await dial(url);
  const gone = isClosed(first);
  expect((await get(url, '/healthz')).status).toBe(200);
  expect(await gone).toBe(true);
  expect(closings).toEqual(['too many connections']);
  second.write(health);
  await new Promise((resolve) => second.once('data', resolve));
  expect(download.destroyed).toBe(false);
  second.destroy();
  download.destroy();
});

test('where all are busy, the slowest download makes room', async () => {
  const { url, closings } = await limited({ maxConnections: 2 });
  const downloads = [await stuck(url), await stuck(url)];
  const cut = Promise.race(downloads.map(isClosed));
  expect((await get(url, '/healthz')).status).toBe(200);
  expect(await cut).toBe(true);
  expect(closings).toEqual(['too many connections']);
  for (const download of downloads) download.destroy();
});

test('ten times as many idle and half-open connections as may be open keep nobody out', async () => {
  const { url } = await limited({ maxConnections: 200 });
  const flood = Array.from({ length: 2000 }, async (_, at) => {
    const socket = await dial(url);
    if (at % 2 === 0) socket.write('GET / HTTP/1.1\r\nHost: x\r\nA: ');
    return socket;
  });
  const sockets = await Promise.all(flood);
  for (let turn = 0; turn < 20; turn += 1) expect((await get(url, '/healthz')).status).toBe(200);
  for (const socket of sockets) socket.destroy();
});

test('a download that hardly moves is cut, one that moves is not', async () => {
  const { url, closings } = await limited({ minBytesPerSecond: 100_000, slowMs: 400 });
  const still = await stuck(url);
  const moving = await dial(url);
  moving.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  const whole = everythingFrom(moving, 60_000);
  expect((await whole).length).toBeGreaterThan(size);
  await expect.poll(() => closings).toEqual(['download too slow']);
  still.destroy();
});
