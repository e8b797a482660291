import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ask, get, raw, statusOf } from '../helpers/http.js';
import { running } from './running.js';
import { volume } from './trees.js';

const secret = 'outside the plugins';
const path = '/plugins/key-auth/1.0.0/plugin.wasm';

/** A volume with secrets in every place that a traversal might reach. */
async function guarded(): Promise<string> {
  const root = await volume();
  await mkdir(join(root, 'plugins/key-auth/1.0.0/inner'));
  for (const place of [
    'secret.txt',
    '.plugferry/secret.txt',
    'plugins/secret.txt',
    'plugins/key-auth/1.0.0/inner/secret.txt',
  ]) {
    await writeFile(join(root, place), secret);
  }
  return root;
}

const line = (target: string, method = 'GET'): string =>
  `${method} ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;

const spellings = [
  '/plugins/../secret.txt',
  '/plugins/%2e%2e/secret.txt',
  '/plugins/%2E%2E%2Fsecret.txt',
  '/plugins/..%2fsecret.txt',
  '/plugins/%252e%252e/secret.txt',
  '/plugins/%c0%ae%c0%ae/secret.txt',
  '/plugins/..\\secret.txt',
  '/plugins/%5c..%5csecret.txt',
  '/plugins\\key-auth\\1.0.0\\plugin.wasm',
  '/plugins/key-auth/1.0.0/plugin.wasm%00',
  '/plugins/key-auth/1.0.0/plugin.wasm%00.txt',
  '/plugins/Key-Auth/1.0.0/plugin.wasm',
  '/plugins/key-auth/1.0.0/plugin.wasm/',
  '/plugins/key-auth/1.0.0/plugin.wasm;x=1',
  '/plugins/key-auth/1.0.0/inner/secret.txt',
  '/plugins/key-auth/1.0.0/inner/',
  '/plugins/secret.txt',
  '/secret.txt',
  '/.plugferry',
  '/.plugferry/',
  '/.plugferry/state.json',
  '/.plugferry/secret.txt',
  '/%2eplugferry/state.json',
  '/plugins/../.plugferry/state.json',
  '/etc/passwd',
  '//etc/passwd',
  '/plugins/../../../../../../etc/passwd',
  'file:///etc/passwd',
  'http://169.254.169.254/latest/meta-data/',
  '/plugins/__proto__',
  '/__proto__/',
  '/constructor',
  '/plugins/\x7f',
  '/plugins/\xff\xfe',
  `/plugins/${'a'.repeat(8000)}`,
  `/${'../'.repeat(2000)}etc/passwd`,
];

test('no spelling of a path reaches anything that is not in the index', async () => {
  const { url } = await running(await guarded());
  for (const target of spellings) {
    const reply = await raw(url, line(target));
    expect([400, 404], target).toContain(statusOf(reply));
    expect(reply).not.toContain(secret);
    expect(reply).not.toContain('root:');
    expect(reply).not.toContain('"secret"');
    // The target must not come back in any form: an error page is a page.
    expect(reply).not.toContain('169.254');
  }
  expect((await get(url, path)).status).toBe(200);
});

/** The same path in other words: nginx serves each of them, and clients that write them exist. */
const sameInOtherWords = [
  '//plugins/key-auth/1.0.0/plugin.wasm',
  '/plugins///key-auth//1.0.0/plugin.wasm',
  '/./plugins/key-auth/1.0.0/plugin.wasm',
  '/plugins/key-auth/./1.0.0/plugin.wasm',
  '/plugins/key-auth/2.0.0/../1.0.0/plugin.wasm',
  '/none/../plugins/key-auth/1.0.0/plugin.wasm',
  '/plugins/key%2Dauth/1.0.0/plugin.wasm',
  '/plugins/key%2dauth/1.0.0/plugin%2ewasm',
  '/plugins/key-auth/%2e/1.0.0/plugin.wasm',
  '/plugins/key-auth%2f1.0.0/plugin.wasm',
  '/%70lugins/key-auth/1.0.0/plugin.wasm?a=/../b',
  '/plugins/key-auth/1.0.0/plugin.wasm#x',
  `http://x${path}`,
  `HTTPS://other.example:9${path}?x`,
];

test('a client that writes a path in other words than we do gets the same plugin', async () => {
  const { url } = await running(await guarded());
  const plain = (await get(url, path)).headers.etag;
  for (const target of sameInOtherWords) {
    const reply = await raw(url, line(target, 'HEAD'));
    expect(statusOf(reply), target).toBe(200);
    expect(reply, target).toContain(`ETag: ${plain ?? ''}`);
  }
});

test.each([
  ['two hosts', 'Host: x\r\nHost: x', 400],
  ['two hosts that differ', 'Host: x\r\nhost: y', 400],
  ['a host with a space', 'Host: a b', 400],
  ['a host with a path', 'Host: x/y', 400],
  ['a host with a user', 'Host: a@b', 400],
  ['a port that is none', 'Host: x:y', 400],
  ['an empty host', 'Host:', 200],
  ['a host and a port', 'Host: plugins.example:8080', 200],
  ['an IPv6 address', 'Host: [::1]:8080', 200],
  ['a host with an underscore', 'Host: higress_plugin_server', 200],
])('%s: RFC 9112 section 3.2', async (_what, header, status) => {
  const { url } = await running(await guarded());
  expect(statusOf(await raw(url, `GET ${path} HTTP/1.1\r\n${header}\r\nConnection: close\r\n\r\n`))).toBe(
    status,
  );
});

test('what could not be read as a request is logged and counted', async () => {
  const { url, records } = await running(await guarded());
  await raw(url, 'GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n');
  await raw(url, `GET / HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(20_000)}\r\n`);
  await raw(url, '\x16\x03\x01\x02\x00');
  await expect.poll(() => records.map(({ status }) => status)).toEqual([400, 431, 400]);
  expect(records.map(({ method, path: target, problem }) => [method, target, problem?.slice(0, 4)])).toEqual(
    Array(3).fill(['', '', 'HPE_']),
  );
  const metrics = (await get(url, '/metrics')).body.toString();
  expect(metrics).toContain(
    'plugferry_http_requests_total{method="other",code="400",resource="unreadable"} 2',
  );
  expect(metrics).toContain(
    'plugferry_http_requests_total{method="other",code="431",resource="unreadable"} 1',
  );
});

test('an expectation that nobody knows is overlooked, and the request is logged', async () => {
  const { url, records } = await running(await guarded());
  const reply = await ask(url, { path, headers: { expect: 'the impossible' } });
  expect(reply.status).toBe(200);
  await expect.poll(() => records.map(({ status }) => status)).toEqual([200]);
});

test.each<[string, string, readonly number[]]>([
  ['asterisk form', line('*', 'OPTIONS'), [400, 405]],
  ['asterisk form with GET', line('*'), [400, 404]],
  ['no leading slash', line('plugins/'), [400, 404]],
  ['an empty target', line(''), [400]],
  ['a query alone', line('?x'), [400, 404]],
  ['a tunnel', line('127.0.0.1:22', 'CONNECT'), [405]],
  [
    'an upgrade',
    `GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n`,
    [200],
  ],
  ['an unknown method', line('/', 'STEAL'), [400]],
  ['no host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', [400]],
  ['two lengths', 'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', [400]],
  [
    'a length and chunks',
    'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    [400],
  ],
  [
    'chunks under a false name',
    'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
    [400, 405],
  ],
  ['a folded header', 'GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\nConnection: close\r\n\r\n', [400]],
  ['a space before the colon', 'GET / HTTP/1.1\r\nHost : x\r\nConnection: close\r\n\r\n', [400]],
  ['bare line feeds', 'GET / HTTP/1.1\nHost: x\n\n', [400]],
  ['NUL in a header', 'GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\nConnection: close\r\n\r\n', [400]],
  ['not HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', [400]],
  ['HTTP/2 from the start', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400, 405]],
  ['a target beyond all limits', line(`/${'a'.repeat(100_000)}`), [414, 431]],
  ['headers beyond all limits', `GET / HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(20_000)}\r\n`, [431]],
])('%s', async (_what, bytes, allowed) => {
  const { url } = await running(await guarded());
  const reply = await raw(url, bytes);
  expect(allowed).toContain(statusOf(reply));
  expect(reply.match(/^HTTP\/1\.1/gm)).toHaveLength(1);
  expect((await get(url, path)).status).toBe(200);
});

test('a request hidden behind another is never answered', async () => {
  const { url } = await running(await guarded());
  const hidden = line('/healthz');
  for (const header of [
    'Content-Length: 0\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding: chunked, identity',
  ]) {
    const reply = await raw(url, `GET / HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n0\r\n\r\n${hidden}`);
    expect(statusOf(reply)).toBe(400);
    expect(reply).not.toContain('200 OK');
  }
});

test('pipelined requests are answered in their order', async () => {
  const { url } = await running(await guarded());
  const first = `GET ${path} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-3\r\n\r\n`;
  const reply = await raw(url, `${first}${first}${line('/healthz')}`);
  expect(reply.match(/HTTP\/1\.1 \d{3}/g)).toEqual(['HTTP/1.1 206', 'HTTP/1.1 206', 'HTTP/1.1 200']);
});

test('HTTP/1.0 gets its answer and a closed connection', async () => {
  const { url } = await running(await guarded());
  const reply = await raw(url, `GET ${path} HTTP/1.0\r\n\r\n`);
  expect(statusOf(reply)).toBe(200);
  expect(reply).toMatch(/Content-Length: 300000\r\n/);
});
