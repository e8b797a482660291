import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { cli, errorCode } from '../helpers/cli.js';
import { treeOf } from '../helpers/temp.js';
import { newScene, type Scene } from './scene.js';
import { parseYaml } from '../../src/schema/yaml.js';
import { hasKubectl, readByKubectl } from '../helpers/kubectl.js';

const run = promisify(execFile);

const modules = { 'big@1.0.0': ['big', 1_200_000], 'waf@1.0.0': ['waf', 3000] } as const;

async function yamlScene(): Promise<
  Scene & { readonly args: (bundle: string, ...more: string[]) => string[] }
> {
  const scene = await newScene();
  const args = (bundle: string, ...more: string[]): string[] => [
    'import',
    bundle,
    '--to',
    'configmap:gateway/edge',
    '--public-key',
    scene.publicKey,
    ...more,
  ];
  return { ...scene, args };
}

const valuesOf = (text: string): { kind: string; metadata: { name: string } }[] =>
  parseYaml(text, { file: 'yaml', code: 'E_USAGE', hint: '' }).map(
    ({ value }) => value as { kind: string; metadata: { name: string } },
  );

test('stdout gets the YAML and nothing else, shards first and the index last', async () => {
  const scene = await yamlScene();
  const bundle = await scene.bundle(1, modules);
  const { code, stdout, stderr } = await cli(scene.args(bundle));
  expect(code).toBe(0);
  expect(valuesOf(stdout).map(({ kind }) => kind)).toEqual([
    'ConfigMap',
    'ConfigMap',
    'ConfigMap',
    'ConfigMap',
  ]);
  expect(valuesOf(stdout).at(-1)?.metadata.name).toBe('edge');
  expect(stderr).toMatch(/budget: 4 ConfigMaps \(3 new\)/);
  expect(stderr).toMatch(/kubectl apply --server-side --field-manager plugferry -f -/);
  const json = await cli(scene.args(bundle, '--json'));
  const { yaml } = JSON.parse(json.stdout) as { yaml: string };
  expect(valuesOf(yaml).at(-1)?.metadata.name).toBe('edge');
});

test.skipIf(!hasKubectl)('kubectl reads what is meant', async () => {
  const scene = await yamlScene();
  const file = join(scene.directory, 'edge.yaml');
  const bundle = await scene.bundle(1, { 'waf@1.0.0': ['waf', 3000] });
  expect(await cli(scene.args(bundle, '--yaml', file))).toMatchObject({ code: 0 });
  const text = await readFile(file, 'utf8');
  expect(readByKubectl(text)).toEqual(valuesOf(text));
  expect(errorCode(await cli(scene.args(bundle, '--yaml', file, '--json')))).toBe('E_EXISTS');
});

test('a directory is what later imports go on with, and what kustomize builds', async () => {
  const scene = await yamlScene();
  const directory = join(scene.directory, 'deploy');
  expect(
    errorCode(await cli(scene.args(await scene.bundle(1, modules), '--yaml', directory, '--json'))),
  ).toBe('E_NOT_FOUND');
  await mkdir(directory);
  expect(await cli(scene.args(await scene.bundle(1, modules), '--yaml', directory))).toMatchObject({
    code: 0,
  });
  const first = await treeOf(directory);
  const again = await cli(scene.args(await scene.bundle(1, modules), '--yaml', directory));
  expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('UNCHANGED')]);
  expect(await treeOf(directory)).toEqual(first);
  expect(
    await cli(scene.args(await scene.bundle(2, { 'new@1.0.0': ['new', 3000] }), '--yaml', directory)),
  ).toMatchObject({ code: 0 });
  const second = await treeOf(directory);
  for (const [name, text] of first)
    if (/-[0-9a-f]{16}\.yaml$/.test(name)) expect(second.get(name)).toBe(text);
  const listed = await cli(['list', 'configmap:gateway/edge', '--yaml', directory, '--json']);
  expect(
    (JSON.parse(listed.stdout) as { plugins: { name: string }[] }).plugins.map(({ name }) => name),
  ).toEqual(['big', 'new', 'waf']);
  expect(await cli(['rollback', 'configmap:gateway/edge', '--yaml', directory])).toMatchObject({ code: 0 });
  const history = await cli(['history', 'configmap:gateway/edge', '--yaml', directory]);
  expect(history.stdout).toMatch(/\* +\S+ +\S+ +2 +\S+ +rollback/);
  expect(await cli(['prune', 'configmap:gateway/edge', '--yaml', directory, '--keep', '1'])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('in use within the hour') as string,
  });
  const kustomization = valuesOf(
    await readFile(join(directory, 'kustomization.yaml'), 'utf8'),
  )[0] as unknown as { resources: string[] };
  expect(kustomization.resources.toSorted()).toEqual(
    (await readdir(directory)).filter((name) => name !== 'kustomization.yaml').toSorted(),
  );
  const built = await run('kubectl', ['kustomize', directory], { maxBuffer: 64 * 1024 * 1024 }).catch(
    () => undefined,
  );
  if (built !== undefined) expect(valuesOf(built.stdout)).toHaveLength(kustomization.resources.length);
});

test.each([
  ['cut short', 'apiVersion: v1\nkind: ConfigMap\nmeta'],
  ['another kind', 'apiVersion: v1\nkind: Secret\nmetadata: {name: edge, namespace: gateway}\n'],
  ['of somebody else', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: edge, namespace: gateway}\n'],
  ['of another namespace', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: edge, namespace: other}\n'],
  ['empty', ''],
])('an index in the directory that is %s is refused and stays', async (_what, text) => {
  const scene = await yamlScene();
  const directory = join(scene.directory, 'deploy');
  await mkdir(directory);
  await writeFile(join(directory, 'edge.yaml'), text);
  const code = errorCode(
    await cli(scene.args(await scene.bundle(1, modules), '--yaml', directory, '--json')),
  );
  expect(['E_RELEASE', 'E_CONFLICT']).toContain(code);
  expect(await treeOf(directory)).toEqual(new Map([['edge.yaml', text]]));
});

test('a shard whose file was changed does not pass for a record', async () => {
  const scene = await yamlScene();
  const directory = join(scene.directory, 'deploy');
  await mkdir(directory);
  await cli(scene.args(await scene.bundle(1, { 'waf@1.0.0': ['waf', 3000] }), '--yaml', directory));
  const [shard = ''] = (await readdir(directory)).filter((name) => /-[0-9a-f]{16}\.yaml$/.test(name));
  const text = await readFile(join(directory, shard), 'utf8');
  await writeFile(join(directory, shard), text.replace(/(\.gz"?: "H4sI.{60})./g, '$1/'));
  expect(await readFile(join(directory, shard), 'utf8')).not.toBe(text);
  expect(errorCode(await cli(['list', 'configmap:gateway/edge', '--yaml', directory, '--json']))).toBe(
    'E_RELEASE',
  );
  await rm(join(directory, shard));
  expect(errorCode(await cli(['list', 'configmap:gateway/edge', '--yaml', directory, '--json']))).toBe(
    'E_RELEASE',
  );
});
