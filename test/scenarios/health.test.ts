import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished, expect, test } from 'vitest';
import { cli, errorCode } from '../helpers/cli.js';
import { freePort } from '../helpers/http.js';
import { startServe } from '../helpers/server.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown;

/** A server that answers as it is told, until the end of the test. */
async function answering(answer: Answer): Promise<string> {
  const server: Server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('a server that is ready is healthy', async () => {
  const server = await startServe(await tinyTree(await tempDir(), { 'waf@1.0.0': 'a' }));
  try {
    for (const path of ['/readyz', '/healthz', '/'])
      expect(await cli(['health', `${server.url}${path}`])).toMatchObject({ code: 0, stdout: 'HEALTHY\n' });
    const run = await cli(['health', `${server.url}/readyz`, '--json']);
    expect(JSON.parse(run.stdout)).toEqual({
      healthy: true,
      url: `${server.url}/readyz`,
      milliseconds: expect.any(Number),
    });
  } finally {
    await server.stop();
  }
});

test.each<[string, Answer]>([
  ['loading', (_request, response) => response.writeHead(503, { 'Retry-After': '1' }).end('loading')],
  ['something else', (_request, response) => response.writeHead(404).end()],
  [
    'a redirect to nowhere',
    (_request, response) => response.writeHead(302, { Location: 'http://127.0.0.1:1/' }).end(),
  ],
  ['an answer without end', (_request, response) => response.writeHead(200).write('x')],
  ['an answer too large', (_request, response) => response.writeHead(200).end('x'.repeat(100_000))],
  ['silence', () => undefined],
])('%s is not, and is asked once', async (_what, answer) => {
  let asked = 0;
  const url = await answering((request, response) => {
    asked += 1;
    answer(request, response);
  });
  const run = await cli(['health', `${url}/readyz`, '--timeout-ms', '500', '--json']);
  expect([run.code, asked]).toEqual([errorCode(run) === 'E_LIMIT' ? 3 : 8, 1]);
});

test('nobody there, and no URL', async () => {
  const run = await cli(['health', `http://127.0.0.1:${await freePort()}/readyz`, '--json']);
  expect([run.code, errorCode(run)]).toEqual([8, 'E_NETWORK']);
  expect((await cli(['health', 'localhost'])).code).toBe(2);
});
