import { once } from 'node:events';
import { get } from 'node:http';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { isPlugferryError } from '../../src/errors.js';
import { sha256Of } from '../../src/stream/digest.js';
import { newTransfer } from '../../src/http/response.js';
import { receiveBody } from '../../src/http/receive-body.js';
import { usualPatience, Watch } from '../../src/http/deadlines.js';
import { isLent, WideAgent } from '../../src/http/large-read-agent.js';
import { noise } from '../helpers/wasm.js';
import { startWeb } from '../helpers/web.js';

const mega = 1024 * 1024;

/** A connection to a server that sends what it is told to. */
async function connection() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const { port } = server.address() as AddressInfo;
  const socket = new WideAgent().createConnection({ port, host: '127.0.0.1' });
  const [peer] = await accepted;
  onTestFinished(() => {
    socket.destroy();
    peer.destroy();
    server.close();
  });
  return { socket, peer };
}

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));

test('a body larger than any read arrives as it is, in few pieces that nobody fills again', async () => {
  const body = noise('wide', 30 * mega);
  const web = await startWeb((_request, response) => response.end(body));
  const pieces = await new Promise<Buffer[]>((resolve, reject) => {
    get(web.url, { agent: new WideAgent() }, (response) => {
      const all: Buffer[] = [];
      response.on('data', (piece: Buffer) => all.push(piece));
      response.on('end', () => {
        resolve(all);
      });
      response.on('error', reject);
    }).on('error', reject);
  });
  expect(sha256Of(Buffer.concat(pieces))).toBe(sha256Of(body));
  expect(pieces.some(isLent)).toBe(false);
});

test('a reader that takes its time gets what came meanwhile, not what came after it', async () => {
  const { socket, peer } = await connection();
  for (const text of ['one', 'two', 'three']) {
    peer.write(text);
    await soon();
  }
  peer.end();
  const pieces: Buffer[] = [];
  for await (const piece of socket) pieces.push(piece as Buffer);
  expect(Buffer.concat(pieces).toString()).toBe('onetwothree');
});

test('a piece that is filled again is known, refused, and the last of its kind', async () => {
  const { socket, peer } = await connection();
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  peer.write('one');
  await soon();
  // As with a Node that hands on what it was given.
  const exchange = {
    answer: { status: 200, headers: new Headers(), body: Readable.from(pieces) },
    url: new URL('http://server.example/file'),
    limit: mega,
    transfer: newTransfer(),
    watch: new Watch(undefined, usualPatience),
  };
  const taken: Buffer[] = [];
  const receiver = { begin: async () => undefined, take: async (piece: Buffer) => void taken.push(piece) };
  const error = await receiveBody(exchange, receiver).catch((reason: unknown) => reason);
  exchange.watch.end();
  // Transient: it is fetched again.
  expect(isPlugferryError(error) && [error.code, error.details['transient']]).toEqual(['E_NETWORK', true]);
  expect(taken).toEqual([]);
  peer.write('two');
  await soon();
  const second = pieces[1];
  expect(second?.toString()).toBe('two');
  expect(second === undefined || isLent(second)).toBe(false);
});
