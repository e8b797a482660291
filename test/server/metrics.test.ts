import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { ask, get } from '../helpers/http.js';
import { running, start } from './running.js';
import { plainTree, volume } from './trees.js';

/** The samples of an answer: name with labels to value. */
function samples(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

async function metricsOf(url: string): Promise<Map<string, number>> {
  const reply = await get(url, '/metrics');
  expect(reply.status).toBe(200);
  expect(reply.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
  return samples(reply.body.toString('utf8'));
}

test('count what was asked for and sent, and say what is served', async () => {
  const server = await running(await volume());
  const { url } = server;
  const { release } = await server.ready;
  const module = await get(url, '/plugins/key-auth/1.0.0/plugin.wasm');
  await get(url, '/plugins/none/1.0.0/plugin.wasm');
  await get(url, '/readyz');
  await ask(url, { path: '/plugins/', method: 'HEAD' });
  await ask(url, { path: '/', method: 'POST' });
  const found = await metricsOf(url);
  const requests = (method: string, code: number, resource: string): number | undefined =>
    found.get(`plugferry_http_requests_total{method="${method}",code="${code}",resource="${resource}"}`);
  expect([
    requests('GET', 200, 'module'),
    requests('GET', 404, 'module'),
    requests('GET', 200, 'health'),
    requests('HEAD', 200, 'listing'),
    requests('other', 405, 'listing'),
  ]).toEqual([1, 1, 1, 1, 1]);
  expect(found.get('plugferry_http_response_bytes_total{resource="module"}')).toBe(
    module.body.length + 'not found\n'.length,
  );
  expect(found.get('plugferry_http_request_duration_seconds_count{resource="module"}')).toBe(2);
  expect(found.get('plugferry_ready')).toBe(1);
  expect(found.get(`plugferry_release_info{release="${release ?? ''}"}`)).toBe(1);
  expect(found.get('plugferry_plugin_versions')).toBeGreaterThan(0);
  expect(found.get('process_resident_memory_bytes')).toBeGreaterThan(1e6);
});

test('no request makes a series of its own', async () => {
  const { url } = await running(await volume());
  const paths = Array.from({ length: 300 }, (_, at) => [
    `/plugins/name-${at}/1.0.0/plugin.wasm`,
    `/plugins/key-auth/${at}/metadata.txt`,
    `/${at}`,
    `/plugins/x${at}/?q=${at}`,
    `/metrics${at}`,
  ]).flat();
  await get(url, '/metrics');
  for (const path of paths) await get(url, path);
  await ask(url, { path: '/', method: 'PROPFIND' });
  const names = [...(await metricsOf(url)).keys()];
  expect(names.length).toBeLessThan(200);
  expect(names.join('\n')).not.toMatch(/name-|key-auth|PROPFIND/);
});

test('are there while the server is loading, and no file of a tree can stand in their place', async () => {
  const root = await plainTree();
  await writeFile(join(root, 'metrics'), 'plugferry_ready 7\n');
  await writeFile(join(root, 'plugins/metrics'), 'plugferry_ready 7\n');
  const server = await start(root);
  const early = await metricsOf(server.url);
  expect([0, 1]).toContain(early.get('plugferry_ready'));
  await server.ready;
  const late = await metricsOf(server.url);
  expect(late.get('plugferry_ready')).toBe(1);
  expect(late.get('plugferry_release_info{release=""}')).toBe(1);
});
