import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import {
  configMapHistory,
  configMapsInCluster,
  listConfigMaps,
  pruneConfigMaps,
  rollbackConfigMaps,
  type ConfigMapStore,
} from '../../src/index.js';
import { maxConfigMapBytes, type ConfigMap } from '../../src/configmap/object.js';
import { clusterAccess } from '../../src/kube/access.js';
import { KubeClient } from '../../src/kube/client.js';
import { cli, errorCode } from '../helpers/cli.js';
import { cluster, realKubeconfig, standInCluster, type Cluster } from '../helpers/cluster.js';
import { importTo, newScene, type Scene } from './scene.js';

const which = realKubeconfig === undefined ? 'the stand-in' : 'a real API server';

interface ClusterScene extends Scene, Cluster {
  readonly location: string;
  readonly store: ConfigMapStore;
  readonly client: KubeClient;
  readonly resource: { readonly plural: string; readonly namespace: string };
}

async function clusterScene(made?: Cluster): Promise<ClusterScene> {
  const there = made ?? (await cluster());
  const location = `configmap:${there.namespace}/edge`;
  const access = { kubeconfig: [there.kubeconfig], environment: {} };
  return {
    ...(await newScene()),
    ...there,
    location,
    store: await configMapsInCluster(location, access),
    client: new KubeClient(await clusterAccess(access)),
    resource: { plural: 'configmaps', namespace: there.namespace },
  };
}

const valueBytes = ({ data = {}, binaryData = {} }: ConfigMap): number =>
  Object.values(data).reduce((sum, text) => sum + Buffer.byteLength(text), 0) +
  Object.values(binaryData).reduce((sum, text) => sum + Buffer.from(text, 'base64').length, 0);

async function namesIn(
  { client, resource }: ClusterScene,
  selector = 'plugferry.dev/plugins=edge',
): Promise<string[]> {
  return (await client.list(resource, selector)).map(({ metadata }) => (metadata as { name: string }).name);
}

const objectsOf = async (scene: ClusterScene): Promise<ConfigMap[]> =>
  Promise.all((await namesIn(scene)).map(async (name) => (await scene.store.get(name)) as ConfigMap));

describe(`import into ConfigMaps, ${which}`, () => {
  test('writes immutable shards by content, each with an owner and labels, and says the budget first', async () => {
    const scene = await clusterScene();
    const bundle = await scene.bundle(1, { 'big@1.0.0': ['big', 2_500_000], 'waf@1.0.0': ['waf', 3000] });
    const args = [
      'import',
      bundle,
      '--to',
      scene.location,
      '--public-key',
      scene.publicKey,
      '--apply',
      '--kubeconfig',
      scene.kubeconfig,
    ];
    const run = await cli([...args, '--json']);
    expect([run.code, run.stderr]).toEqual([
      0,
      expect.stringMatching(/budget: 5 ConfigMaps \(4 new\), 2\.4 MiB, 0\.12 % of etcd/),
    ]);
    expect(JSON.parse(run.stdout)).toMatchObject({
      outcome: 'published',
      budget: { objects: 5, newObjects: 4 },
    });
    const objects = await objectsOf(scene);
    expect(objects).toHaveLength(5);
    const index = objects.find(({ metadata }) => metadata.name === 'edge');
    for (const object of objects) {
      expect(valueBytes(object)).toBeLessThanOrEqual(maxConfigMapBytes);
      expect(object.metadata.labels['app.kubernetes.io/managed-by']).toBe('plugferry');
      expect(object.immutable === true).toBe(object !== index);
    }
    for (const shard of await scene.store.shards()) expect(shard.owners).toEqual([index?.metadata.uid]);
    expect((await listConfigMaps(scene.store)).plugins.map(({ name, size }) => [name, size])).toEqual([
      ['big', expect.any(Number)],
      ['waf', expect.any(Number)],
    ]);
    const listed = await cli(['list', scene.location, '--kubeconfig', scene.kubeconfig]);
    expect(listed.stdout).toMatch(/big +1\.0\.0/);
  });

  test('does not send again what is there, and changes nothing for the same bundle', async () => {
    const scene = await clusterScene();
    const first = await scene.bundle(1, { 'big@1.0.0': ['big', 1_500_000] });
    await importTo(scene, first);
    const before = await objectsOf(scene);
    expect(await importTo(scene, first)).toMatchObject({ outcome: 'unchanged' });
    expect(await objectsOf(scene)).toEqual(before);
    scene.standIn?.requests.splice(0);
    const second = await scene.bundle(2, { 'big@1.0.0': ['big', 1_500_000], 'waf@1.0.0': ['waf', 3000] });
    expect(await importTo(scene, second)).toMatchObject({ outcome: 'published' });
    const after = new Map((await objectsOf(scene)).map((object) => [object.metadata.name, object]));
    for (const shard of before.filter(({ immutable }) => immutable))
      expect(after.get(shard.metadata.name)).toEqual(shard);
    const sent = scene.standIn?.requests.filter(({ method }) => method === 'PATCH') ?? [];
    expect(sent.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(40_000);
  });

  test('goes back to an older release by the index alone, and remembers what it saw', async () => {
    const scene = await clusterScene();
    const one = await importTo(scene, await scene.bundle(1, { 'waf@1.0.0': ['a', 3000] }));
    const two = await importTo(scene, await scene.bundle(2, { 'waf@1.0.0': ['b', 3000] }));
    const shards = (await objectsOf(scene)).filter(({ immutable }) => immutable);
    const run = await cli(['rollback', scene.location, '--kubeconfig', scene.kubeconfig, '--json']);
    expect(JSON.parse(run.stdout)).toMatchObject({
      outcome: 'published',
      release: { id: one.release },
      previous: two.release,
    });
    expect((await objectsOf(scene)).filter(({ immutable }) => immutable)).toEqual(shards);
    expect((await listConfigMaps(scene.store)).release).toBe(one.release);
    expect(
      (await configMapHistory(scene.store)).lines.map(({ action, current, kept }) => [action, current, kept]),
    ).toEqual([
      ['rollback', true, true],
      ['import', false, true],
      ['import', false, true],
    ]);
    await expect(importTo(scene, await scene.bundle(0, { 'waf@1.0.0': ['c', 3000] }))).rejects.toMatchObject({
      code: 'E_ROLLBACK',
    });
    await expect(rollbackConfigMaps(scene.store, {})).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
    const forward = await cli([
      'rollback',
      scene.location,
      '--to',
      two.release.slice(0, 8),
      '--kubeconfig',
      scene.kubeconfig,
    ]);
    expect([forward.code, forward.stdout]).toEqual([0, expect.stringContaining('ROLLED BACK')]);
  });

  test('prune removes old releases and what nobody refers to, and nothing else', async () => {
    const scene = await clusterScene();
    const foreign = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'edge-of-somebody', namespace: scene.namespace },
      data: { k: 'v' },
    };
    await scene.client.apply(scene.resource, foreign);
    const day = 24 * 3_600_000;
    const clockAt = (days: number) => () => new Date(Date.now() + days * day);
    for (const number of [1, 2, 3]) {
      const modules = { 'waf@1.0.0': [`waf${number}`, 90_000], 'same@1.0.0': ['same', 90_000] } as const;
      await importTo(scene, await scene.bundle(number, modules), { clock: clockAt(number) });
    }
    const before = await namesIn(scene);
    expect(
      await pruneConfigMaps(scene.store, { keep: 2, dryRun: true }, { clock: clockAt(9) }),
    ).toMatchObject({
      releases: [{ fate: 'current' }, { fate: 'newest' }, { fate: 'removed' }],
    });
    expect(await namesIn(scene)).toEqual(before);
    const pruned = await pruneConfigMaps(scene.store, { keep: 2 }, { clock: clockAt(9) });
    // What else came with the first release is in one ConfigMap with what is still needed.
    expect(pruned.objects).toHaveLength(1);
    expect(await namesIn(scene)).toEqual(before.filter((name) => !pruned.objects.includes(name)));
    expect(await scene.client.get(scene.resource, 'edge-of-somebody')).toMatchObject({ data: { k: 'v' } });
    expect(await rollbackConfigMaps(scene.store, {})).toMatchObject({ outcome: 'published' });
    const last = await pruneConfigMaps(scene.store, { keep: 1 }, { clock: clockAt(9) });
    expect(last.objects).toHaveLength(2);
    expect((await listConfigMaps(scene.store)).plugins).toHaveLength(2);
  });

  test('of more than --max-bytes writes nothing and names the volume as the way out', async () => {
    const scene = await clusterScene();
    const bundle = await scene.bundle(1, { 'big@1.0.0': ['big', 2_000_000] });
    const run = await cli([
      'import',
      bundle,
      '--to',
      scene.location,
      '--public-key',
      scene.publicKey,
      '--apply',
      '--kubeconfig',
      scene.kubeconfig,
      '--max-bytes',
      '1000000',
      '--json',
    ]);
    expect([run.code, errorCode(run)]).toEqual([3, 'E_LIMIT']);
    expect(run.stderr).toMatch(/--to DIRECTORY/);
    expect(await namesIn(scene)).toEqual([]);
    await expect(importTo(scene, bundle, { maxBytes: 2_000_100 })).rejects.toMatchObject({
      code: 'E_LIMIT',
    });
    expect(await namesIn(scene)).toEqual([]);
  });

  test('reports who else writes there, and takes it over only by force', async () => {
    const scene = await clusterScene();
    await importTo(scene, await scene.bundle(1, { 'waf@1.0.0': ['a', 3000] }));
    const index = await scene.store.get('edge');
    const changed = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'edge', namespace: scene.namespace },
      data: { 'state.json': index?.data?.['state.json'] ?? '' },
    };
    await scene.client.apply(scene.resource, changed, { manager: 'argocd', force: true });
    const bundle = await scene.bundle(2, { 'waf@1.0.0': ['b', 3000] });
    const args = [
      'import',
      bundle,
      '--to',
      scene.location,
      '--public-key',
      scene.publicKey,
      '--allow-overwrite',
      '--apply',
      '--kubeconfig',
      scene.kubeconfig,
    ];
    const run = await cli([...args, '--json']);
    expect([run.code, errorCode(run)]).toEqual([6, 'E_CONFLICT']);
    expect(run.stderr).toMatch(/conflict with "argocd"/);
    expect((await listConfigMaps(scene.store)).plugins).toHaveLength(1);
    expect(await cli([...args, '--force-conflicts'])).toMatchObject({ code: 0 });
  });

  test('leaves a ConfigMap of somebody else alone', async () => {
    const scene = await clusterScene();
    const foreign = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'edge', namespace: scene.namespace },
      data: { k: 'v' },
    };
    await scene.client.apply(scene.resource, foreign, { manager: 'somebody' });
    const bundle = await scene.bundle(1, { 'waf@1.0.0': ['a', 3000] });
    await expect(importTo(scene, bundle)).rejects.toMatchObject({ code: 'E_CONFLICT' });
    expect(await scene.client.get(scene.resource, 'edge')).toMatchObject({ data: { k: 'v' } });
  });

  test('brings back a shard that somebody removed, and never changes one that is there', async () => {
    const scene = await clusterScene();
    const bundle = await scene.bundle(1, { 'big@1.0.0': ['big', 90_000] });
    await importTo(scene, bundle);
    const shards = await scene.store.shards();
    const objects = await Promise.all(shards.map(({ name }) => scene.store.get(name)));
    const at = objects.findIndex((object) => object !== undefined && valueBytes(object) > 80_000);
    const [shard, kept] = [shards[at], objects[at]];
    if (shard === undefined) throw new Error('no shard');
    await scene.store.remove(shard);
    expect(await importTo(scene, bundle)).toMatchObject({ outcome: 'unchanged' });
    expect((await scene.store.get(shard.name))?.binaryData).toEqual(kept?.binaryData);
    await expect(
      scene.store.apply({
        ...(kept as ConfigMap),
        metadata: { name: shard.name, namespace: scene.namespace, labels: kept?.metadata.labels ?? {} },
        binaryData: { x: 'AA==' },
      }),
    ).rejects.toMatchObject({ code: 'E_CONFLICT' });
  });

  test('without the record of what is current, goes no further; an older one is dropped and said', async () => {
    const scene = await clusterScene();
    await importTo(scene, await scene.bundle(1, { 'one@1.0.0': ['a', 3000] }));
    const first = await scene.store.shards();
    await importTo(scene, await scene.bundle(2, { 'two@1.0.0': ['b', 3000] }), { mode: 'replace' });
    for (const shard of first) await scene.store.remove(shard);
    const third = await importTo(scene, await scene.bundle(3, { 'three@1.0.0': ['c', 3000] }));
    expect(third.warnings).toEqual([expect.stringMatching(/damaged release: .*missing/)]);
    for (const shard of await scene.store.shards()) await scene.store.remove(shard);
    const bundle = await scene.bundle(4, { 'four@1.0.0': ['d', 3000] });
    await expect(importTo(scene, bundle)).rejects.toMatchObject({ code: 'E_RELEASE' });
  });

  test('of two at once, the second to finish is refused, and both are whole afterwards', async () => {
    const scene = await clusterScene();
    await importTo(scene, await scene.bundle(1, { 'waf@1.0.0': ['a', 3000] }));
    const bundles = [
      await scene.bundle(2, { 'one@1.0.0': ['b', 3000] }),
      await scene.bundle(3, { 'two@1.0.0': ['c', 3000] }),
    ];
    const ends = await Promise.allSettled(bundles.map((bundle) => importTo(scene, bundle)));
    const refused = ends
      .filter((end) => end.status === 'rejected')
      .map((end) => (end.reason as { code: string }).code);
    expect(['E_LOCKED', 'E_ROLLBACK']).toEqual(expect.arrayContaining(refused));
    const names = (await listConfigMaps(scene.store)).plugins.map(({ name }) => name);
    expect(names.length).toBe(2 + (1 - refused.length));
  });
});

describe('the order of writing', () => {
  test('is claim, shards, index; a break anywhere leaves the old release current', async () => {
    const scene = await clusterScene(await standInCluster());
    const { standIn } = scene;
    if (standIn === undefined) throw new Error('no stand-in');
    await importTo(scene, await scene.bundle(1, { 'waf@1.0.0': ['a', 3000] }));
    const bundle = await scene.bundle(2, { 'waf@1.0.0': ['b', 90_000], 'big@1.0.0': ['c', 1_200_000] });
    const before = (await listConfigMaps(scene.store)).release;
    for (let survive = 0; ; survive += 1) {
      let left = survive;
      standIn.intercept = ({ method }, response) => {
        if (method !== 'PATCH') return false;
        left -= 1;
        if (left >= 0) return false;
        response.writeHead(422, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ kind: 'Status', code: 422, message: 'broken here' }));
        return true;
      };
      const end = await importTo(scene, bundle).catch(() => undefined);
      standIn.intercept = undefined;
      if (end !== undefined) {
        // Shards that an earlier try sent are not sent again.
        expect(survive).toBeLessThan(6);
        break;
      }
      expect((await listConfigMaps(scene.store)).release).toBe(before);
    }
    expect((await listConfigMaps(scene.store)).plugins).toHaveLength(2);
  });

  test('an answer that is lost on the way back is no conflict with ourselves', async () => {
    const scene = await clusterScene(await standInCluster());
    const { standIn } = scene;
    if (standIn === undefined) throw new Error('no stand-in');
    const seen = new Set<string>();
    standIn.intercept = ({ method, path, bytes }, response) => {
      // The first write of each object happens, and its answer does not arrive.
      if (method !== 'PATCH' || seen.has(`${path} ${bytes}`)) return false;
      seen.add(`${path} ${bytes}`);
      response.end = () => response.destroy();
      return false;
    };
    expect(await importTo(scene, await scene.bundle(1, { 'waf@1.0.0': ['a', 3000] }))).toMatchObject({
      outcome: 'published',
    });
    expect((await listConfigMaps(scene.store)).plugins).toHaveLength(1);
  });
});

test('options of ConfigMaps are refused where they mean nothing', async () => {
  const scene = await newScene();
  const bundle = await scene.bundle(1, { 'waf@1.0.0': ['a', 3000] });
  const common = ['--public-key', scene.publicKey, '--json'];
  for (const args of [
    ['import', bundle, '--to', `${scene.directory}/v`, '--apply'],
    ['import', bundle, '--to', 'configmap:ns', '--apply'],
    ['import', bundle, '--to', 'configmap:NS/x', '--apply'],
    ['import', bundle, '--to', 'configmap:ns/x/y'],
    ['import', bundle, '--to', 'configmap:ns/x', '--apply', '--yaml', '-'],
    ['import', bundle, '--to', 'configmap:ns/x', '--force-conflicts'],
    ['import', bundle, '--to', 'configmap:ns/x', '--max-bytes', '0'],
  ]) {
    const run = await cli([...args, ...common]);
    expect([args.join(' '), run.code, errorCode(run)]).toEqual([args.join(' '), 2, 'E_USAGE']);
  }
  await expect(readFile(`${scene.directory}/v`)).rejects.toThrow();
});
