import { rename, symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { exportBundle, importBundle, rollbackVolume, type Readiness } from '../../src/index.js';
import { get } from '../helpers/http.js';
import { startServe } from '../helpers/server.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { tinyModule } from '../helpers/wasm.js';
import { running } from './running.js';
import { volume } from './trees.js';

const path = '/plugins/waf/1.0.0/plugin.wasm';

async function until(done: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    if (await done()) return;
    await sleep(20);
  }
  throw new Error('it did not come to that');
}

test('a server follows imports and rollbacks, and answers while it does', async () => {
  const dir = await tempDir();
  const place = join(dir, 'volume');
  const bring = async (seed: string, sequence: number): Promise<void> => {
    await tinyTree(dir, { 'waf@1.0.0': seed });
    const output = join(dir, `${seed}.tar.gz`);
    await exportBundle({ source: join(dir, 'plugins'), output, sequence });
    const trust = { insecureSkipSignature: true } as const;
    await importBundle({ bundle: output, to: place, trust, allowOverwrite: true });
  };
  const bodyOf = (seed: string): Buffer => tinyModule(seed, 2000);
  await bring('a', 1);
  const changes: (Readiness | { readonly refused: unknown })[] = [];
  const server = await running(place, { lookMs: 20, onChange: (change) => changes.push(change) });
  const seen = new Set<string>();
  const allowed = [bodyOf('a'), bodyOf('b')].map((body) => body.toString('hex'));
  const over = new AbortController();
  const reader = (async () => {
    while (!over.signal.aborted) {
      const { status, body } = await get(server.url, path);
      expect(status).toBe(200);
      seen.add(body.toString('hex'));
    }
  })();
  const serves = (seed: string) => async (): Promise<boolean> =>
    (await get(server.url, path)).body.equals(bodyOf(seed));
  await bring('b', 2);
  await until(serves('b'));
  await rollbackVolume(place, {});
  await until(serves('a'));
  over.abort();
  await reader;
  expect([...seen].every((body) => allowed.includes(body))).toBe(true);
  expect(seen.size).toBe(2);
  expect(changes).toMatchObject([{ plugins: 1 }, { plugins: 1 }]);
});

test('a link that leads nowhere is refused, and the release before goes on', async () => {
  const root = await volume();
  const changes: (Readiness | { readonly refused: unknown })[] = [];
  const server = await running(root, { lookMs: 20, onChange: (change) => changes.push(change) });
  await unlink(join(root, 'plugins'));
  await symlink('.plugferry/releases/nowhere/plugins', join(root, 'plugins'));
  await until(() => changes.length > 0);
  expect(changes).toMatchObject([{ refused: { code: expect.any(String) } }]);
  expect((await get(server.url, '/plugins/key-auth/1.0.0/plugin.wasm')).status).toBe(200);
});

const anHour = 3_600_000;

async function bring(
  dir: string,
  plugins: Readonly<Record<string, string>>,
  sequence: number,
): Promise<string> {
  const place = join(dir, 'volume');
  await tinyTree(dir, plugins);
  const output = join(dir, `${sequence}.tar.gz`);
  await exportBundle({ source: join(dir, 'plugins'), output, sequence });
  await importBundle({ bundle: output, to: place, trust: { insecureSkipSignature: true } });
  return place;
}

test('a plugin whose import is done is never 404, however long ago the last look was', async () => {
  const dir = await tempDir();
  const place = await bring(dir, { 'waf@1.0.0': 'a' }, 1);
  const server = await running(place, { lookMs: anHour });
  for (let sequence = 2; sequence < 6; sequence += 1) {
    await bring(dir, { [`new-${sequence}@1.0.0`]: 'n' }, sequence);
    expect((await get(server.url, `/plugins/new-${sequence}/1.0.0/plugin.wasm`)).status).toBe(200);
  }
  expect((await get(server.url, '/plugins/none/1.0.0/plugin.wasm')).status).toBe(404);
});

test('while what is current is refused, what it may hold is 503 and what is served goes on', async () => {
  const dir = await tempDir();
  const place = await bring(dir, { 'waf@1.0.0': 'a' }, 1);
  const changes: (Readiness | { readonly refused: unknown })[] = [];
  const server = await running(place, { lookMs: 50, onChange: (change) => changes.push(change) });
  const { release } = await importBundle({
    bundle: await bring(dir, { 'new@1.0.0': 'n' }, 2).then(() => join(dir, '2.tar.gz')),
    to: place,
    trust: { insecureSkipSignature: true },
  });
  await until(() => changes.length === 1);
  const record = join(place, '.plugferry/releases', release, 'release.json');
  await rename(record, `${record}.away`);
  server.reload();
  await until(() => changes.length === 2);
  expect(changes[1]).toMatchObject({ refused: { code: 'E_RELEASE' } });
  const missing = await get(server.url, '/plugins/other/1.0.0/plugin.wasm');
  expect([missing.status, missing.headers['retry-after']]).toEqual([503, '1']);
  expect((await get(server.url, path)).status).toBe(200);
  await rename(`${record}.away`, record);
  await until(() => changes.length === 3);
  expect((await get(server.url, '/plugins/other/1.0.0/plugin.wasm')).status).toBe(404);
});

test('SIGHUP reads a plain tree again, and ends nothing', async () => {
  const dir = await tempDir();
  await tinyTree(dir, { 'waf@1.0.0': 'a' });
  const serving = await startServe(dir);
  await until(() => get(serving.url, '/readyz').then(({ status }) => status === 200));
  await tinyTree(dir, { 'waf@1.0.0': 'a', 'new@1.0.0': 'n' });
  const added = '/plugins/new/1.0.0/plugin.wasm';
  expect((await get(serving.url, added)).status).toBe(404);
  serving.signal('SIGHUP');
  await until(() => get(serving.url, added).then(({ status }) => status === 200));
  expect((await serving.stop()).code).toBe(0);
});
