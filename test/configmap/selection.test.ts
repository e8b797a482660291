import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { collectedStore } from '../../src/configmap/collected.js';
import { importBundle, type ImportOptions } from '../../src/operations/import.js';
import { releaseId } from '../../src/release/release.js';
import { documentBytes } from '../../src/schema/parse.js';
import type { Release } from '../../src/schema/release.js';
import type { ShardIndex } from '../../src/schema/shardIndex.js';
import { cli, errorCode } from '../helpers/cli.js';
import { get } from '../helpers/http.js';
import { objectsIn, payloadOf, project } from '../helpers/kubelet.js';
import { startServe } from '../helpers/server.js';
import { tempDir } from '../helpers/temp.js';
import { newScene, type Modules } from './scene.js';

type Files = Map<string, Buffer>;
const both: Modules = { 'key-auth@1.0.0': ['a', 3000], 'waf@1.0.0': ['b', 3000] };
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** A mount, what is in it, and runs of the server over it. */
async function mounted() {
  const scene = await newScene();
  const store = collectedStore({ namespace: 'gateway', name: 'edge' });
  const mount = join(scene.directory, 'mount');
  const take = async (sequence: number, modules: Modules, options: Partial<ImportOptions> = {}) =>
    importBundle({
      bundle: await scene.bundle(sequence, modules),
      to: { store },
      trust: { publicKeys: [scene.key.trusted] },
      ...options,
    });
  const files = (): Files => payloadOf(objectsIn(store.yaml()));
  const args = [mount, '--public-key', scene.publicKey, '--port', '0', '--no-access-log'];
  const refused = async (...flags: string[]) => {
    const run = await cli(['serve', '--from-configmaps', ...args, ...flags, '--json']);
    return { code: errorCode(run), text: run.stdout };
  };
  const served = (...flags: string[]) => startServe('--from-configmaps', [...args, ...flags]);
  return { mount, take, files, refused, served };
}

/** What somebody can do who may write the ConfigMaps: another choice of the signed plugins, everything else to match. */
function without(files: Files, names: readonly string[], forged?: readonly string[]): Files {
  const index = JSON.parse(files.get('index.json')?.toString() ?? '') as ShardIndex;
  const entry = index.releases.find(({ id }) => id === index.current);
  if (entry === undefined) throw new Error('no current release');
  const record = JSON.parse(gunzipSync(files.get(`${entry.record}.gz`) ?? '').toString()) as Release;
  const plugins = record.plugins.filter(({ name }) => !names.includes(name));
  const bytes = documentBytes({ ...record, id: releaseId(plugins), plugins });
  const stored = gzipSync(bytes);
  const blob = { sha256: sha256(bytes), size: bytes.length, stored: stored.length, shards: ['edge-0'] };
  const bundles = entry.bundles.map((bundle) =>
    forged === undefined ? bundle : { ...bundle, leftOut: [...forged] },
  );
  const changed: ShardIndex = {
    type: index.type,
    current: releaseId(plugins),
    releases: [{ id: releaseId(plugins), createdAt: entry.createdAt, record: blob.sha256, bundles }],
    blobs: [...index.blobs, blob].sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1)),
  };
  return new Map([...files, [`${blob.sha256}.gz`, stored], ['index.json', documentBytes(changed)]]);
}

describe('who may write the ConfigMaps', () => {
  test('cannot switch off one plugin of a signed bundle, nor by saying that the importer did', async () => {
    const { mount, take, files, refused } = await mounted();
    await take(1, both);
    await project(mount, without(files(), ['waf']));
    for (const flags of [[], ['--allow-selection']])
      expect(await refused(...flags)).toMatchObject({
        code: 'E_RELEASE',
        text: expect.stringContaining('waf@1.0.0'),
      });
    await project(mount, without(files(), ['waf'], ['waf@1.0.0']));
    expect(await refused()).toMatchObject({ code: 'E_RELEASE', text: expect.stringContaining('waf@1.0.0') });
  });

  test('cannot have nothing served and the server call itself ready', async () => {
    const { mount, take, files, refused } = await mounted();
    await take(1, both);
    await project(mount, without(files(), ['waf', 'key-auth'], ['key-auth@1.0.0', 'waf@1.0.0']));
    for (const flags of [[], ['--allow-selection']])
      expect(await refused(...flags)).toMatchObject({
        code: 'E_RELEASE',
        text: expect.stringContaining('no plugins'),
      });
  });
});

describe('a selection of the importer', () => {
  test('is recorded, warned of, refused as it is, and served with --allow-selection', async () => {
    const { mount, take, files, refused, served } = await mounted();
    const { warnings } = await take(1, both, { include: ['key-auth'] });
    expect(warnings).toEqual([expect.stringContaining('--allow-selection')]);
    const { releases } = JSON.parse(files().get('index.json')?.toString() ?? '') as ShardIndex;
    expect(releases[0]?.bundles).toMatchObject([{ leftOut: ['waf@1.0.0'] }]);
    await project(mount, files());
    expect(await refused()).toMatchObject({
      code: 'E_RELEASE',
      text: expect.stringContaining('waf@1.0.0'),
    });
    const server = await served('--allow-selection');
    expect((await get(server.url, '/plugins/key-auth/1.0.0/plugin.wasm')).status).toBe(200);
    expect((await get(server.url, '/readyz')).status).toBe(200);
    expect(server.stderr()).toContain('waf@1.0.0 is signed and not served');
    await server.stop();
  });

  test('ends when the rest is taken', async () => {
    const { take, files } = await mounted();
    await take(1, both, { include: ['key-auth'] });
    await take(1, both);
    const { current, releases } = JSON.parse(files().get('index.json')?.toString() ?? '') as ShardIndex;
    expect(releases.find(({ id }) => id === current)?.bundles[0]?.leftOut).toBeUndefined();
  });
});

test('what merges, overwrites and replaces leave is whole', async () => {
  const { mount, take, files, served } = await mounted();
  await take(1, both);
  await take(2, { 'waf@1.0.0': ['c', 3000], 'waf@2.0.0': ['d', 3000] }, { allowOverwrite: true });
  await project(mount, files());
  const server = await served();
  for (const path of ['key-auth/1.0.0', 'waf/1.0.0', 'waf/2.0.0'])
    expect((await get(server.url, `/plugins/${path}/plugin.wasm`)).status).toBe(200);
  await server.stop();
});

test('a volume that nothing was imported into yet is served, and not ready', async () => {
  const directory = await tempDir();
  const server = await startServe(directory, ['--port', '0', '--no-access-log']);
  expect((await get(server.url, '/readyz')).status).toBe(503);
  expect((await get(server.url, '/healthz')).status).toBe(200);
  await server.stop();
});
