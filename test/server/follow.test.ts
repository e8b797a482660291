import { symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { exportBundle, importBundle, rollbackVolume, type Readiness } from '../../src/index.js';
import { get } from '../helpers/http.js';
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
