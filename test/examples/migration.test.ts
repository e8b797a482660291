import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { digestOf } from '../../src/stream/digest.js';
import { parseYaml } from '../../src/schema/yaml.js';
import { binary, cli } from '../helpers/cli.js';
import { hasKubectl, readByKubectl } from '../helpers/kubectl.js';
import { expectNoSecret, secret } from '../helpers/secrets.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';

const example = join(import.meta.dirname, '../../examples/migration');
const readme = await readFile(join(example, 'README.md'), 'utf8');
const commandLines = [...readme.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = '']) =>
  block.trim().split('\n'),
);
const plugins = [
  ...['basic-auth', 'cors', 'custom-response', 'ip-restriction', 'jwt-auth'].map((name) => `${name}@1.0.0`),
  ...['key-auth', 'key-rate-limit', 'request-block'].map((name) => `${name}@1.0.0`),
  'ai-proxy@2.0.1',
  'waf@2.0.0',
];
const secretsOfDev = [
  'dev-checkout-credential',
  'dev-search-credential',
  'ZGV2LWp3dC1rZXk',
  'dev-model-token',
];

interface WasmPlugin {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels: object };
  readonly spec: { readonly url: string; readonly sha256: string; readonly defaultConfig?: object };
}

const context = { file: 'x.yaml', code: 'E_SOURCE', hint: '' } as const;
const objectsOf = (text: string): WasmPlugin[] =>
  hasKubectl
    ? (readByKubectl(text) as unknown as WasmPlugin[])
    : parseYaml(text, context).map(({ value }) => value as WasmPlugin);

test('ten WasmPlugins move from dev to prod as the README says', async () => {
  const directory = await tempDir();
  await cp(example, directory, { recursive: true });
  await tinyTree(directory, Object.fromEntries(plugins.map((id) => [id, id])));
  await writeFile(join(directory, 'dev.pass'), `${secret('four words of yours')}\n`, { mode: 0o600 });
  await mkdir(join(directory, 'bin'));
  const program = join(directory, 'bin/plugferry');
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${binary}' "$@"\n`);
  await chmod(program, 0o755);
  const made = await cli(['keygen', 'dev', '--passphrase-file', 'dev.pass'], { cwd: directory });
  expect(made).toMatchObject({ code: 0 });
  const env = { PATH: `${join(directory, 'bin')}:${process.env['PATH'] ?? ''}`, HOME: directory };
  const told: string[] = [];
  for (const line of commandLines) {
    const { stdout, stderr } = await promisify(execFile)('bash', ['-e', '-c', line], { cwd: directory, env });
    expectNoSecret(stdout + stderr, line);
    told.push(stderr);
  }
  expect(commandLines).toHaveLength(6);
  expect(told.join('')).toContain('waf-2.0.0: spec.vmConfig.env set by the overlay');

  const bundle = gunzipSync(await readFile(join(directory, 'edge.tar.gz'))).toString('latin1');
  for (const text of secretsOfDev) expect(bundle).not.toContain(text);
  expect(bundle).toContain('# Consumers are handed out by the platform team.');

  const names = plugins.map((id) => `${id.replace('@', '-')}.yaml`).sort();
  expect((await readdir(join(directory, 'applied'))).sort()).toEqual(names);
  expect((await readdir(join(directory, 'data/wasmplugins'))).sort()).toEqual(names);
  const schema = JSON.parse(await readFile(join(example, 'wasmplugin.schema.json'), 'utf8')) as object;
  const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(schema);
  for (const id of plugins) {
    const [name = '', version = ''] = id.split('@');
    const text = await readFile(join(directory, 'applied', `${name}-${version}.yaml`), 'utf8');
    const [object] = objectsOf(text);
    expect([id, validate(object), validate.errors]).toEqual([id, true, null]);
    const wasm = await readFile(join(directory, 'volume/plugins', name, version, 'plugin.wasm'));
    expect(object).toMatchObject({
      metadata: { name: `${name}-${version}`, namespace: 'higress-system', labels: { environment: 'prod' } },
      spec: {
        url: `http://higress-plugin-server.higress-system.svc/plugins/${name}/${version}/plugin.wasm`,
        sha256: digestOf(wasm).sha256,
      },
    });
    expect(object!.spec).not.toHaveProperty('imagePullSecret');
  }
  const configOf = async (name: string): Promise<unknown> =>
    objectsOf(await readFile(join(directory, 'applied', `${name}.yaml`), 'utf8'))[0]!.spec.defaultConfig;
  expect(await configOf('key-auth-1.0.0')).toEqual({
    consumers: [
      { name: 'checkout', credential: 'a credential of prod' },
      { name: 'search', credential: 'another credential of prod' },
    ],
    global_auth: true,
    in_header: true,
    keys: ['x-api-key'],
  });
  expect(await configOf('ip-restriction-1.0.0')).toEqual({
    ip_source_type: 'origin-source',
    deny: ['203.0.113.0/24'],
  });
  expect(await configOf('request-block-1.0.0')).toEqual({ block_urls: ['swagger.html'], blocked_code: 404 });
  expect(await configOf('cors-1.0.0')).toMatchObject({
    max_age: 3600,
    allow_origins: ['https://app.example'],
  });
});

test('the schema of the CRD refuses what an API server would refuse', async () => {
  const schema = JSON.parse(await readFile(join(example, 'wasmplugin.schema.json'), 'utf8')) as object;
  const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(schema);
  const fits = (spec: object, metadata: object = {}): boolean =>
    validate({
      apiVersion: 'extensions.higress.io/v1alpha1',
      kind: 'WasmPlugin',
      metadata: { name: 'x', ...metadata },
      spec,
    });
  expect(fits({ url: 'x', priority: 1 })).toBe(true);
  for (const spec of [
    { priority: '1' },
    { failStrategy: 'FAIL_RELOAD' },
    { urls: 'x' },
    { defaultConfig: [] },
  ])
    expect([spec, fits(spec)]).toEqual([spec, false]);
  expect(fits({}, { resourceVersion: '1' })).toBe(false);
});
