import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { servePlugins, type MountOptions, type Readiness, type RunningServer } from '../../src/index.js';
import { collectedStore, type CollectedStore } from '../../src/configmap/collected.js';
import type { ConfigMap } from '../../src/configmap/object.js';
import { rollbackConfigMaps } from '../../src/operations/configmaps.js';
import { cli, errorCode } from '../helpers/cli.js';
import { get } from '../helpers/http.js';
import { testKey } from '../helpers/keys.js';
import { objectsIn, payloadOf, project } from '../helpers/kubelet.js';
import { startServe } from '../helpers/server.js';
import { importTo, moduleOf, newScene, type Modules, type Scene } from './scene.js';

interface ServeScene extends Scene {
  readonly store: CollectedStore;
  readonly mount: string;
  readonly scratch: string;
  objects(): ConfigMap[];
  /** Imports, and lets kubelet bring all of it to the mount. */
  bring(sequence: number, modules: Modules): Promise<string>;
}

async function serveScene(): Promise<ServeScene> {
  const scene = await newScene();
  const store = collectedStore({ namespace: 'gateway', name: 'edge' });
  const mount = join(scene.directory, 'mount');
  const scratch = join(scene.directory, 'scratch');
  await mkdir(scratch);
  const objects = (): ConfigMap[] => objectsIn(store.yaml());
  return {
    ...scene,
    store,
    mount,
    scratch,
    objects,
    async bring(sequence, modules) {
      const { release } = await importTo({ ...scene, store }, await scene.bundle(sequence, modules), {
        mode: 'replace',
      });
      await project(mount, payloadOf(objects()));
      return release;
    },
  };
}

type Change = Readiness | { readonly refused: unknown };

async function serving(
  scene: ServeScene,
  options: Partial<MountOptions> = {},
): Promise<{ server: RunningServer; changes: Change[]; next: () => Promise<Change> }> {
  const stop = new AbortController();
  const changes: Change[] = [];
  let told: (() => void) | undefined;
  const server = await servePlugins(
    {
      root: {
        directory: scene.mount,
        scratch: scene.scratch,
        trust: async () => ({ publicKeys: [scene.key.trusted] }),
        ...options,
      },
      host: '127.0.0.1',
      port: 0,
      drainSeconds: 1,
      lookMs: 5,
      onChange: (change) => {
        changes.push(change);
        told?.();
      },
    },
    stop.signal,
  );
  onTestFinished(() => server.close());
  let taken = 0;
  const next = async (): Promise<Change> => {
    while (changes.length <= taken) await new Promise<void>((resolve) => (told = resolve));
    taken += 1;
    return changes[taken - 1] as Change;
  };
  return { server, changes, next };
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const module = (sequence: number): readonly [string, number] => [`v${sequence}`, 3000];

test('serves what was signed, from shards of several ConfigMaps, and leaves nothing behind', async () => {
  const scene = await serveScene();
  const release = await scene.bring(1, { 'big@1.0.0': ['big', 2_500_000], 'waf@1.0.0': ['waf', 3000] });
  const { server } = await serving(scene);
  expect(await server.ready).toEqual({ release, plugins: 2 });
  const answer = await get(server.url, '/plugins/big/1.0.0/plugin.wasm');
  expect([answer.status, sha256(answer.body)]).toEqual([200, sha256(moduleOf(['big', 2_500_000]))]);
  expect((await get(server.url, '/plugins/waf/1.0.0/metadata.txt')).status).toBe(200);
  expect(await readdir(scene.scratch)).toHaveLength(1);
  await server.close();
  expect(await readdir(scene.scratch)).toEqual([]);
});

test(
  '200 replacements under load: each answer is whole, and of one release',
  { timeout: 300_000 },
  async () => {
    const scene = await serveScene();
    const rounds = 200;
    const releases: ReadonlyMap<string, Buffer>[] = [];
    // Of each release both plugins carry its number.
    for (let number = 0; number < rounds; number += 1) {
      const store = collectedStore({ namespace: 'gateway', name: 'edge' });
      const modules = { 'one@1.0.0': module(number), 'two@1.0.0': module(number) } as const;
      await importTo({ ...scene, store }, await scene.bundle(number, modules));
      releases.push(payloadOf(objectsIn(store.yaml())));
    }
    const known = new Map(
      Array.from({ length: rounds }, (_, number) => [sha256(moduleOf(module(number))), number]),
    );
    await project(scene.mount, releases[0] ?? new Map());
    const { server, changes } = await serving(scene);
    await server.ready;
    let isOver = false;
    const answers = { whole: 0, highest: 0 };
    const load = async (plugin: string): Promise<void> => {
      let last = 0;
      while (!isOver) {
        const { status, body, headers } = await get(server.url, `/plugins/${plugin}/1.0.0/plugin.wasm`);
        const number = known.get(sha256(body));
        expect([status, number === undefined, headers['etag']]).toEqual([200, false, `"${sha256(body)}"`]);
        // Never back to an older one.
        expect(number).toBeGreaterThanOrEqual(last);
        last = number ?? 0;
        answers.whole += 1;
        answers.highest = Math.max(answers.highest, last);
      }
    };
    const index = async (): Promise<void> => {
      while (!isOver) {
        const { plugins } = JSON.parse((await get(server.url, '/plugins/index.json')).body.toString()) as {
          plugins: { sha256: string }[];
        };
        expect(new Set(plugins.map((plugin) => plugin.sha256)).size).toBe(1);
      }
    };
    const loads = ['one', 'two', 'one'].map(load);
    loads.push(index());
    for (const files of releases.slice(1)) {
      await project(scene.mount, files);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const deadline = Date.now() + 30_000;
    while (answers.highest < rounds - 1 && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20));
    isOver = true;
    await Promise.all(loads);
    expect(changes.filter((change) => 'refused' in change)).toEqual([]);
    expect(answers.highest).toBe(rounds - 1);
    expect(answers.whole).toBeGreaterThan(rounds);
    // What older releases were unpacked to does not pile up.
    const [files = ''] = await readdir(scene.scratch);
    expect((await readdir(join(scene.scratch, files))).length).toBeLessThanOrEqual(8);
  },
);

/** The shard of the module: all else is small. */
const largest = (files: ReadonlyMap<string, Buffer>): string =>
  [...files].filter(([name]) => name !== 'index.json').sort((a, b) => b[1].length - a[1].length)[0]?.[0] ??
  '';

const tampered: readonly (readonly [string, (files: Map<string, Buffer>) => void, string])[] = [
  [
    'a byte of a shard',
    (files) => {
      const [key = ''] =
        [...files].filter(([name]) => name !== 'index.json').sort((a, b) => b[1].length - a[1].length)[0] ??
        [];
      const bytes = Buffer.from(files.get(key) ?? '');
      bytes[100] = (bytes[100] ?? 0) ^ 1;
      files.set(key, bytes);
    },
    'E_RELEASE',
  ],
  [
    'a shard that is missing',
    (files) => {
      files.delete(largest(files));
    },
    'E_RELEASE',
  ],
  [
    'an index that is cut',
    (files) => files.set('index.json', (files.get('index.json') ?? Buffer.alloc(0)).subarray(0, 200)),
    'E_RELEASE',
  ],
  [
    'a signature taken away',
    (files) => {
      const index = JSON.parse(files.get('index.json')?.toString() ?? '') as {
        releases: { bundles: { signatures: unknown[] }[] }[];
      };
      for (const { bundles } of index.releases) for (const bundle of bundles) bundle.signatures = [];
      files.set('index.json', Buffer.from(`${JSON.stringify(index, null, 2)}\n`));
    },
    'E_UNSIGNED',
  ],
  ['no index any more', (files) => files.delete('index.json'), 'E_NOT_FOUND'],
];

test.each(tampered)('%s is refused, and the last good release stays', async (_what, change, code) => {
  const scene = await serveScene();
  await scene.bring(1, { 'waf@1.0.0': module(1) });
  const { server, next } = await serving(scene);
  await server.ready;
  await importTo(scene, await scene.bundle(2, { 'waf@1.0.0': ['v2', 90_000] }), { mode: 'replace' });
  const files = payloadOf(scene.objects());
  const bad = new Map(files);
  change(bad);
  await project(scene.mount, bad);
  expect(await next()).toMatchObject({ refused: { code } });
  const still = await get(server.url, '/plugins/waf/1.0.0/plugin.wasm');
  expect([still.status, sha256(still.body)]).toEqual([200, sha256(moduleOf(module(1)))]);
  expect((await get(server.url, '/readyz')).status).toBe(200);
  await project(scene.mount, files);
  expect(await next()).toMatchObject({ plugins: 1 });
  expect(sha256((await get(server.url, '/plugins/waf/1.0.0/plugin.wasm')).body)).toBe(
    sha256(moduleOf(['v2', 90_000])),
  );
});

test('other bytes with a record and an index that fit them are refused: nobody signed them', async () => {
  const scene = await serveScene();
  await scene.bring(1, { 'waf@1.0.0': module(1) });
  const { server, next } = await serving(scene);
  await server.ready;
  // Everything is consistent, and signed by somebody whom the server does not know.
  const mallory = await testKey('mallory');
  const other = collectedStore({ namespace: 'gateway', name: 'edge' });
  await importTo(
    { key: mallory, store: other },
    await scene.bundle(2, { 'waf@1.0.0': ['evil', 3000] }, mallory),
  );
  await project(scene.mount, payloadOf(objectsIn(other.yaml())));
  expect(await next()).toMatchObject({ refused: { code: 'E_SIGNER_UNKNOWN' } });
  // The signed manifest of the one, the files of the other.
  const evil = objectsIn(other.yaml());
  const swapped = payloadOf([...scene.objects(), ...evil]);
  const index = JSON.parse(swapped.get('index.json')?.toString() ?? '') as {
    releases: { bundles: unknown }[];
    blobs: unknown[];
  };
  const good = JSON.parse(payloadOf(scene.objects()).get('index.json')?.toString() ?? '') as typeof index;
  for (const release of index.releases) release.bundles = good.releases[0]?.bundles;
  const blobs = new Map(
    [...index.blobs, ...good.blobs].map((blob) => [(blob as { sha256: string }).sha256, blob]),
  );
  index.blobs = [...blobs.values()].sort((a, b) =>
    (a as { sha256: string }).sha256 < (b as { sha256: string }).sha256 ? -1 : 1,
  );
  swapped.set('index.json', Buffer.from(`${JSON.stringify(index, null, 2)}\n`));
  await project(scene.mount, swapped);
  expect(await next()).toMatchObject({
    refused: { code: 'E_RELEASE', message: expect.stringContaining('comes from no bundle') as string },
  });
  expect(sha256((await get(server.url, '/plugins/waf/1.0.0/plugin.wasm')).body)).toBe(
    sha256(moduleOf(module(1))),
  );
});

test('a rollback of the index is followed', async () => {
  const scene = await serveScene();
  const first = await scene.bring(1, { 'waf@1.0.0': module(1) });
  const second = await scene.bring(2, { 'waf@1.0.0': module(2) });
  const { server, next } = await serving(scene);
  expect(await server.ready).toMatchObject({ release: second });
  await rollbackConfigMaps(scene.store, {});
  await project(scene.mount, payloadOf(scene.objects()));
  expect(await next()).toMatchObject({ release: first });
  expect(sha256((await get(server.url, '/plugins/waf/1.0.0/plugin.wasm')).body)).toBe(
    sha256(moduleOf(module(1))),
  );
});

test('the command serves a mount, says what it refuses, and ends when nothing can be trusted', async () => {
  const scene = await serveScene();
  await scene.bring(1, { 'waf@1.0.0': module(1) });
  for (const [args, code] of [
    [['--from-configmaps', scene.mount], 'E_TRUST_MISSING'],
    [
      [
        '--from-configmaps',
        scene.mount,
        '--public-key',
        (await (await testKey('other')).writeTo(scene.directory)).pub,
      ],
      'E_SIGNER_UNKNOWN',
    ],
    [['--from-configmaps', join(scene.directory, 'nothing'), '--public-key', scene.publicKey], 'E_NOT_FOUND'],
    [['--from-configmaps', scene.mount, scene.mount, '--public-key', scene.publicKey], 'E_USAGE'],
    [[], 'E_USAGE'],
  ] as const) {
    expect(errorCode(await cli(['serve', ...args, '--port', '0', '--json']))).toBe(code);
  }
  const server = await startServe('--from-configmaps', [
    scene.mount,
    '--public-key',
    scene.publicKey,
    '--port',
    '0',
    '--no-access-log',
  ]);
  expect((await get(server.url, '/plugins/waf/1.0.0/plugin.wasm')).status).toBe(200);
  await project(scene.mount, new Map([['index.json', Buffer.from('{}\n')]]));
  await new Promise((resolve) => setTimeout(resolve, 2500));
  expect((await get(server.url, '/plugins/waf/1.0.0/plugin.wasm')).status).toBe(200);
  const end = await server.stop();
  expect([end.code, end.stderr]).toEqual([
    0,
    expect.stringMatching(/warning: the change is refused, the release before goes on: E_RELEASE/),
  ]);
});

test('a plain directory of the files will do', async () => {
  const scene = await serveScene();
  await scene.bring(1, { 'waf@1.0.0': module(1) });
  await rm(scene.mount, { recursive: true });
  await mkdir(scene.mount);
  for (const [name, bytes] of payloadOf(scene.objects())) await writeFile(join(scene.mount, name), bytes);
  const { server } = await serving(scene);
  expect(await server.ready).toMatchObject({ plugins: 1 });
});
