import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { beforeEach, describe, expect, test } from 'vitest';
import { cli, errorCode, type CliRun } from '../helpers/cli.js';
import { testKey } from '../helpers/keys.js';
import { hasKubectl, readByKubectl } from '../helpers/kubectl.js';
import { expectNoSecret, secret } from '../helpers/secrets.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';

const canary = secret('hunter2-and-canary-7');

/** What kubectl prints of a resource of a cluster; its configuration holds a secret. */
const fromCluster = `apiVersion: v1
kind: List
metadata: {resourceVersion: ""}
items:
- apiVersion: extensions.higress.io/v1alpha1
  kind: WasmPlugin
  metadata:
    name: key-auth-1.0.0
    namespace: higress-system
    annotations:
      kubectl.kubernetes.io/last-applied-configuration: '{"credential":"${canary}"}'
    labels: {higress.io/wasm-plugin-name: key-auth, higress.io/wasm-plugin-version: 1.0.0}
    creationTimestamp: "2026-01-01T00:00:00Z"
    generation: 3
    finalizers: [x.io/y]
    managedFields: [{manager: x, operation: Apply}]
    ownerReferences: [{apiVersion: v1, kind: Pod, name: x, uid: "3"}]
    resourceVersion: "17"
    uid: 6d3ce1c2-4e3f-4b9c-8f3a-000000000000
  spec:
    # who may come in
    defaultConfig:
      consumers:
      - name: ada # the first
        credential: ${canary}
      keys: [x-api-key]
      in_header: on
      limit: 1_000
      mode: 0o7
      since: 2001-01-01
      note: |
        two
          lines
    url: oci://registry.example/plugins/key-auth:1.0.0
    imagePullSecret: regcred
  status: {ready: true}
`;

const plain = (name: string, url = `oci://registry.example/plugins/waf:1.0.0`) =>
  `apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: ${name}}\nspec: {url: "${url}"}\n`;

const aliasBomb = [
  'a: &a [x, x, x, x, x, x, x, x, x]',
  ...['ab', 'bc', 'cd', 'de', 'ef', 'fg'].map(
    (pair) =>
      `${pair.slice(1)}: &${pair.slice(1)} [${Array<string>(9)
        .fill(`*${pair.slice(0, 1)}`)
        .join(', ')}]`,
  ),
].join('\n');

let directory: string;
let pub: string;
let signing: string[];
beforeEach(async () => {
  directory = await tempDir();
  await tinyTree(directory, { 'key-auth@1.0.0': 'a', 'waf@1.0.0': 'b' });
  const files = await (await testKey()).writeTo(directory);
  ({ pub } = files);
  signing = ['--signing-key', files.key, '--allow-plain-key'];
  await writeFile(join(directory, 'cluster.yaml'), fromCluster);
});

const run = (args: readonly string[], input = ''): Promise<CliRun> =>
  cli(['export', 'plugins', ...args, ...signing, '--json'], { cwd: directory, input });
const resourceIn = (bundle: string, name: string): string =>
  execFileSync('tar', ['xzOf', bundle, `resources/wasmplugins/${name}.yaml`], { cwd: directory }).toString();
const unpacked = async (bundle: string): Promise<string> =>
  gunzipSync(await readFile(join(directory, bundle))).toString('latin1');

describe('export --with-resources', () => {
  test('refuses a secret with its path, without saying it, and writes nothing', async () => {
    const refused = await run(['-o', 'refused.tar.gz', '--with-resources', 'cluster.yaml']);
    expect(errorCode(refused)).toBe('E_SECRET');
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toContain('spec.defaultConfig.consumers[0].credential of key-auth-1.0.0');
    expect(await readdir(directory)).not.toContain('refused.tar.gz');
  });

  test('puts a variable in its place when asked to, and drops what is the cluster’s', async () => {
    const args = ['-o', 'v.tar.gz', '--with-resources', '-', '--secrets-to-variables'];
    const done = await run(args, fromCluster);
    expect(done).toMatchObject({ code: 0 });
    const variable = 'KEY_AUTH_1_0_0_CONSUMERS_0_CREDENTIAL';
    expect(JSON.parse(done.stdout)).toMatchObject({
      resources: [
        {
          name: 'key-auth-1.0.0',
          variables: [{ name: variable, path: 'spec.defaultConfig.consumers[0].credential' }],
        },
      ],
      notes: [],
    });
    expectNoSecret(await unpacked('v.tar.gz'), 'the bundle');
    const text = resourceIn('v.tar.gz', 'key-auth-1.0.0');
    expect(text).toContain('# who may come in');
    expect(text).toContain('# the first');
    expect(text).toContain(`credential: "\${${variable}}"`);
    expect(text).not.toMatch(
      /status|uid|resourceVersion|generation|managedFields|creationTimestamp|annotations|finalizers|owner/,
    );
    const verified = await cli(['verify', 'v.tar.gz', '--public-key', pub], { cwd: directory });
    expect(verified).toMatchObject({ code: 0 });
    const inspected = await cli(['inspect', 'v.tar.gz'], { cwd: directory });
    expect(inspected.stdout).toContain(`key-auth-1.0.0  ${variable}`);
  });

  test.runIf(hasKubectl)('carries what kubectl reads from the original', async () => {
    const args = ['-o', 'k.tar.gz', '--with-resources', 'cluster.yaml', '--secrets-to-variables'];
    expect(await run(args)).toMatchObject({ code: 0 });
    const [before] = readByKubectl(fromCluster);
    const [after] = readByKubectl(resourceIn('k.tar.gz', 'key-auth-1.0.0'));
    const config = (object: unknown) =>
      (object as { spec: { defaultConfig: Record<string, unknown> } }).spec.defaultConfig;
    expect(config(after)).toEqual({
      ...config(before),
      consumers: [{ name: 'ada', credential: '${KEY_AUTH_1_0_0_CONSUMERS_0_CREDENTIAL}' }],
    });
    expect(config(after)).toMatchObject({ limit: 1000, mode: 7, since: '2001-01-01', in_header: true });
    expect(config(after)['note']).toBe('two\n  lines\n');
  });

  test('takes a directory, JSON, several places, and says what stays', async () => {
    const at = join(directory, 'standalone/wasmplugins');
    await mkdir(at, { recursive: true });
    await writeFile(join(at, 'a.yaml'), plain('a'));
    await writeFile(
      join(at, 'b.yaml'),
      `${plain('b', 'oci://r.example/plugins/cors:9.0.0')}---\n${plain('c')}`,
    );
    await writeFile(join(at, 'readme.txt'), 'not YAML: [');
    const json = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' }, data: { password: canary } };
    await writeFile(join(directory, 'd.json'), JSON.stringify(json));
    const done = await run([
      '-o',
      'd.tar.gz',
      '--with-resources',
      'standalone',
      '--with-resources',
      'd.json',
    ]);
    const { resources, notes } = JSON.parse(done.stdout) as {
      resources: { name: string }[];
      notes: string[];
    };
    expect(resources.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    expect(notes).toEqual([
      'd.json:1: ConfigMap (v1) does not travel: only WasmPlugins do',
      'WasmPlugin b wants cors@9.0.0, which is not in this bundle',
    ]);
    expectNoSecret(await unpacked('d.tar.gz'), 'the bundle');
  });

  test('gives the same bytes for the same resources', async () => {
    for (const name of ['one.tar.gz', 'two.tar.gz']) {
      const args = ['export', 'plugins', '-o', name, '--with-resources', 'cluster.yaml'];
      const env = { SOURCE_DATE_EPOCH: '1700000000' };
      const done = await cli([...args, '--secrets-to-variables'], { cwd: directory, env });
      expect(done).toMatchObject({ code: 0 });
    }
    expect(await readFile(join(directory, 'one.tar.gz'))).toEqual(
      await readFile(join(directory, 'two.tar.gz')),
    );
  });

  test('does not take the text of a sender for a variable', async () => {
    const text = plain('a').replace(
      'spec: {',
      'spec: {defaultConfig: {password: s3cretvalue, other: "${A_PASSWORD}"}, ',
    );
    const done = await run(['-o', 't.tar.gz', '--with-resources', '-', '--secrets-to-variables'], text);
    expect(JSON.parse(done.stdout)).toMatchObject({ resources: [{ variables: [{ name: 'A_PASSWORD_2' }] }] });
  });

  test('refuses with --secrets-to-variables what no variable can stand for', async () => {
    const text = `# password: ${canary}\n${plain('a')}`;
    const refused = await run(['-o', 'x.tar.gz', '--with-resources', '-', '--secrets-to-variables'], text);
    expect(errorCode(refused)).toBe('E_SECRET');
    expect(refused.stderr).not.toContain('Give --secrets-to-variables');
  });

  test.each<[string, string, string]>([
    ['two of one name', `${plain('a')}---\n${plain('a')}`, 'E_SOURCE'],
    ['a name that is a path', plain('"../a"'), 'E_SOURCE'],
    ['a name that breaks a line', plain('"a\\nb"'), 'E_SOURCE'],
    ['a name that is too long', plain('a'.repeat(96)), 'E_SOURCE'],
    ['no name', plain('""'), 'E_SOURCE'],
    ['no resource', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n', 'E_NOT_FOUND'],
    ['nothing', '', 'E_NOT_FOUND'],
    ['no object', '- a\n- b\n', 'E_SOURCE'],
    ['no YAML', 'a: [', 'E_SOURCE'],
    ['an alias bomb', aliasBomb, 'E_SOURCE'],
    [
      'more than an object may have',
      plain('a').replace('spec: {', `spec: {defaultConfig: {x: "${'a '.repeat(600_000)}"}, `),
      'E_LIMIT',
    ],
  ])('refuses %s', async (_name, text, code) => {
    expect(errorCode(await run(['-o', 'n.tar.gz', '--with-resources', '-'], text))).toBe(code);
    expect(await readdir(directory)).not.toContain('n.tar.gz');
  });

  test('says that a bundle as a source gives its plugins only', async () => {
    expect(await run(['-o', 's.tar.gz', '--with-resources', '-'], plain('a'))).toMatchObject({ code: 0 });
    const again = await cli(['export', 's.tar.gz', '-o', 's2.tar.gz', '--public-key', pub, '--json'], {
      cwd: directory,
    });
    const { notes } = JSON.parse(again.stdout) as { notes: string[] };
    expect(notes).toEqual(['only plugins are taken from s.tar.gz, not its resources: a']);
  });
});
