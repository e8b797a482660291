import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from '../../src/stream/digest.js';
import { resourceBundle, tarGz } from '../helpers/bundle.js';
import { cli, errorCode, type CliRun } from '../helpers/cli.js';
import { testKey } from '../helpers/keys.js';
import { hasKubectl, readByKubectl } from '../helpers/kubectl.js';
import { secret } from '../helpers/secrets.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';

const head = (name: string, labels = ''): string =>
  `apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: ${name}, namespace: dev${labels}}\n`;

const keyAuth = `${head('key-auth-1.0.0')}spec:
  # who may come in 🚪 谁
  defaultConfig:
    consumers: [{name: ada, credential: abc123}]
    greeting: "héllo 谁 🚪"
    in_header: on
    limit: 1_000
    mode: 0o7
    since: 2001-01-01
    text: |
      one
        two
    other: "\${NOT_OURS}"
  imagePullPolicy: Always
  imagePullSecret: regcred
  sha256: "${'0'.repeat(64)}"
  url: oci://registry.example/plugins/key-auth:1.0.0
`;
const waf = `${head('waf')}spec: {url: "http://other.example/plugins/waf/2.0.0/plugin.wasm", priority: 3}\n`;
const mcp = `${head('mcp.internal', ', labels: {higress.io/wasm-plugin-name: mcp-server, higress.io/wasm-plugin-version: 1.10.0}')}spec: {url: "oci://r.example/mcp-server/all-in-one:9"}\n`;
const variable = 'KEY_AUTH_1_0_0_CONSUMERS_0_CREDENTIAL';

let prepared: string;
let directory: string;
const pub = 'ada.pub';
const signing = ['--signing-key', 'ada.key', '--allow-plain-key'];

beforeAll(async () => {
  prepared = await mkdtemp(join(tmpdir(), 'plugferry-render-'));
  const tree = { 'key-auth@1.0.0': 'a', 'waf@2.0.0': 'b', 'mcp-server@1.9.0': 'c', 'mcp-server@1.10.0': 'd' };
  await tinyTree(prepared, tree);
  await (await testKey()).writeTo(prepared);
  await writeFile(join(prepared, 'r.yaml'), [keyAuth, waf, mcp].join('---\n'));
  const resources = ['--with-resources', 'r.yaml', '--secrets-to-variables'];
  for (const args of [
    ['-o', 'b.tar.gz', ...resources],
    ['-o', 'plain.tar.gz'],
  ])
    expect(await cli(['export', 'plugins', ...args, ...signing], { cwd: prepared })).toMatchObject({
      code: 0,
    });
});
afterAll(() => rm(prepared, { recursive: true }));
beforeEach(async () => {
  directory = await tempDir();
  await cp(prepared, directory, { recursive: true });
});

const env = { [`PLUGFERRY_VARIABLE_${variable}`]: 'prod-value' };
const run = (args: readonly string[], options: Parameters<typeof cli>[1] = { env }): Promise<CliRun> =>
  cli(args, { cwd: directory, ...options });
const render = (args: readonly string[] = [], options?: Parameters<typeof cli>[1]): Promise<CliRun> =>
  run(['render', 'resources', 'b.tar.gz', '--public-key', pub, ...args], options);
const put = (name: string, text: string): Promise<void> => writeFile(join(directory, name), text);
const sha256Of = async (plugin: string): Promise<string> =>
  digestOf(await readFile(join(directory, 'plugins', plugin, 'plugin.wasm'))).sha256;

interface Rendered {
  readonly resources: readonly { readonly name: string; readonly text: string; readonly plugin: object }[];
  readonly environment: readonly { readonly name: string; readonly value: string }[];
}

describe('render resources', () => {
  test('points each to the target, pins its module, and says what is different', async () => {
    const base = ['--base-url', 'http://plugins.prod:8080', '--namespace', 'higress-system'];
    const done = await render([...base, '--json']);
    expect(done).toMatchObject({ code: 0 });
    const { resources, environment } = JSON.parse(done.stdout) as Rendered;
    const url = (path: string) => `http://plugins.prod:8080/plugins/${path}/plugin.wasm`;
    expect(resources).toMatchObject([
      {
        name: 'key-auth-1.0.0',
        namespace: 'higress-system',
        plugin: { name: 'key-auth', version: '1.0.0' },
        retargeted: [
          { path: 'metadata.namespace', from: 'dev', to: 'higress-system' },
          {
            path: 'spec.url',
            from: 'oci://registry.example/plugins/key-auth:1.0.0',
            to: url('key-auth/1.0.0'),
          },
          { path: 'spec.sha256', from: '0'.repeat(64), to: await sha256Of('key-auth/1.0.0') },
          { path: 'spec.imagePullSecret', from: 'regcred' },
        ],
        overlaid: [],
        filled: [{ name: variable, path: 'spec.defaultConfig.consumers[0].credential' }],
      },
      { name: 'mcp.internal', plugin: { name: 'mcp-server', version: '1.10.0' }, filled: [] },
      {
        name: 'waf',
        plugin: { name: 'waf', version: '2.0.0' },
        retargeted: [{}, { to: url('waf/2.0.0') }, { to: await sha256Of('waf/2.0.0') }],
      },
    ]);
    expect(environment).toMatchObject([
      { name: 'HIGRESS_ADMIN_WASM_PLUGIN_CUSTOM_IMAGE_URL_PATTERN', value: url('${name}/${version}') },
      { name: 'MCP_SERVER_WASM_IMAGE_URL', value: url('mcp-server/1.10.0') },
    ]);
    const told = (await render(base)).stderr;
    expect(told).toContain('key-auth-1.0.0: spec.imagePullSecret removed');
    expect(told).toContain(`for higress-controller: MCP_SERVER_WASM_IMAGE_URL='${url('mcp-server/1.10.0')}'`);
    expect(told).toContain('Restart the controller');
    expect(told).not.toContain('prod-value');
  });

  test('prints what kubectl reads as it was meant, byte for byte', async () => {
    const { stdout } = await render();
    expect(stdout).toContain('# who may come in 🚪 谁');
    expect(stdout).toContain('"héllo 谁 🚪"');
    if (!hasKubectl) return;
    const [first, , third] = readByKubectl(stdout);
    const [before] = readByKubectl(keyAuth);
    const spec = (object: unknown) => (object as { spec: Record<string, unknown> }).spec;
    expect(spec(first)).toEqual({
      defaultConfig: {
        ...(spec(before)['defaultConfig'] as object),
        consumers: [{ name: 'ada', credential: 'prod-value' }],
      },
      imagePullPolicy: 'Always',
      sha256: await sha256Of('key-auth/1.0.0'),
      url: 'http://higress-plugin-server.higress-system.svc/plugins/key-auth/1.0.0/plugin.wasm',
    });
    expect(spec(first)['defaultConfig']).toMatchObject({
      in_header: true,
      limit: 1000,
      mode: 7,
      since: '2001-01-01',
      text: 'one\n  two\n',
      other: '${NOT_OURS}',
    });
    expect(spec(third)['priority']).toBe(3);
  });

  test.runIf(hasKubectl)('gives values of overlays and variables as the texts that they are', async () => {
    const values = [
      ...[
        'on',
        'yes',
        'y',
        '1_000',
        '0o7',
        '017',
        '2001-01-01',
        'null',
        '~',
        '1:30',
        '.inf',
        '1e3',
        '<<',
        '=',
      ],
      ...['a\nb\n', ' x', '#', '"', "'", '${X}', '\u2028', '谁', '\t', '- a', 'a: b', ''],
    ];
    const all = Object.fromEntries(values.map((value) => [value === '<<' ? 'merge' : value, value]));
    await put('o.json', JSON.stringify({ waf: { spec: { defaultConfig: all } } }));
    for (const value of ['on', '0o7', '2001-01-01', 'two\nlines\n', ' x']) {
      await put('v.yaml', `${variable}: ${JSON.stringify(value)}\n`);
      const { stdout } = await render(['--variables', 'v.yaml', '--overlay', 'o.json'], {});
      const [first, , third] = readByKubectl(stdout) as { spec: { defaultConfig: object } }[];
      expect(first!.spec.defaultConfig).toMatchObject({ consumers: [{ credential: value }] });
      expect(third!.spec.defaultConfig).toEqual(all);
    }
  });

  test('applies overlays: to all, then to one; a variable they replace needs no value', async () => {
    await put(
      'prod.yaml',
      `"*": {metadata: {labels: {env: prod}}, spec: {priority: 1}}
key-auth-1.0.0:
  spec:
    priority: 2
    imagePullPolicy: null
    defaultConfig: {consumers: [], other: null}
`,
    );
    const done = await render(['--overlay', 'prod.yaml', '--json'], {});
    expect(done).toMatchObject({ code: 0 });
    const { resources } = JSON.parse(done.stdout) as Rendered;
    expect(resources[0]).toMatchObject({ filled: [] });
    expect(resources[0]!.text).toContain('priority: 2');
    expect(resources[0]!.text).not.toMatch(/NOT_OURS|imagePullPolicy|credential/);
    expect(resources[2]!.text).toContain('priority: 1');
    expect(resources[2]!.text).toMatch(/labels:\n {4}env: "?prod"?/);
  });

  test('takes another version that an overlay names', async () => {
    await put('o.yaml', 'mcp.internal: {spec: {url: "http://x/plugins/mcp-server/1.9.0/plugin.wasm"}}\n');
    const done = await render(['--overlay', 'o.yaml', '--json']);
    const { resources } = JSON.parse(done.stdout) as Rendered;
    expect(resources[1]!.plugin).toEqual({ name: 'mcp-server', version: '1.9.0' });
    expect(resources[1]!.text).toContain(await sha256Of('mcp-server/1.9.0'));
  });

  test('never shows the value of a variable but in the resource', async () => {
    const value = secret('canary-of-production');
    await put('v.yaml', `${variable}: ${value}\n`);
    const done = await render(['--variables', 'v.yaml', '-o', 'out', '--json'], {});
    expect(done).toMatchObject({ code: 0 });
    const file = join(directory, 'out/key-auth-1.0.0.yaml');
    expect(await readFile(file, 'utf8')).toContain(value);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await put('bad.yaml', `${variable}: "${value}"\n${variable}: x\n`);
    expect(errorCode(await render(['--variables', 'bad.yaml', '--json'], {}))).toBe('E_VARIABLES');
    await put('worse.yaml', `"${value}: x`);
    expect(errorCode(await render(['--variables', 'worse.yaml', '--json'], {}))).toBe('E_VARIABLES');
  });

  test('writes what a standalone Higress reads', async () => {
    const done = await render(['-o', 'data', '--for', 'standalone', '--base-url', 'file:///opt/']);
    expect(done).toMatchObject({ code: 0 });
    const names = ['key-auth-1.0.0.yaml', 'mcp.internal.yaml', 'waf.yaml'];
    expect(await readdir(join(directory, 'data/wasmplugins'))).toEqual(names);
    const text = await readFile(join(directory, 'data/wasmplugins/waf.yaml'), 'utf8');
    expect(text).toContain('url: "file:///opt/plugins/waf/2.0.0/plugin.wasm"');
    const again = await render(['-o', 'data', '--for', 'standalone', '--json']);
    expect(errorCode(again)).toBe('E_EXISTS');
    expect(await readFile(join(directory, 'data/wasmplugins/waf.yaml'), 'utf8')).toBe(text);
    expect(await render(['-o', 'data', '--for', 'standalone', '--force'])).toMatchObject({ code: 0 });
  });

  test('refuses a resource whose module nobody serves, and takes one that the volume has', async () => {
    const args = ['export', 'plugins', '-o', 'b.tar.gz', '--plugin', 'waf', '--with-resources', 'r.yaml'];
    expect(await run([...args, '--secrets-to-variables', '--force', ...signing])).toMatchObject({ code: 0 });
    const refused = await render();
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toContain(
      'key-auth-1.0.0 wants key-auth@1.0.0, mcp.internal wants mcp-server@1.10.0',
    );
    const imported = await run(['import', 'plain.tar.gz', '--to', 'volume', '--public-key', pub]);
    expect(imported).toMatchObject({ code: 0 });
    expect(await render(['--volume', 'volume'])).toMatchObject({ code: 0 });
  });

  test.each<[string, string[], string]>([
    ['without a key', [], 'E_TRUST_MISSING'],
    ['of a stranger', ['--public-key', 'eve.pub'], 'E_SIGNER_UNKNOWN'],
  ])('refuses a bundle %s', async (_name, args, code) => {
    await (await testKey('eve')).writeTo(directory);
    const refused = await run(['render', 'resources', 'b.tar.gz', ...args, '-o', 'out', '--json']);
    expect(errorCode(refused)).toBe(code);
    expect(await readdir(directory)).not.toContain('out');
  });

  test('refuses a bundle that is cut off, and one without resources', async () => {
    const bytes = await readFile(join(directory, 'b.tar.gz'));
    await writeFile(join(directory, 'b.tar.gz'), bytes.subarray(0, bytes.length - 100));
    const cut = await render(['-o', 'out']);
    expect(cut).toMatchObject({ code: 3, stdout: '' });
    expect(await readdir(directory)).not.toContain('out');
    const none = await run(['render', 'resources', 'plain.tar.gz', '--public-key', pub, '--json']);
    expect(errorCode(none)).toBe('E_NOT_FOUND');
  });

  test('names every variable without a value', async () => {
    const refused = await render(['--json'], {});
    expect(errorCode(refused)).toBe('E_VARIABLES');
    expect(refused.stderr).toContain(`PLUGFERRY_VARIABLE_`);
    expect(JSON.parse(refused.stdout)).toMatchObject({ error: { details: { missing: [variable] } } });
    const bare = await render(['--json'], { env: { [variable]: 'x' } });
    expect(errorCode(bare)).toBe('E_VARIABLES');
  });

  test.each<[string, string]>([
    ['one that is not in quotes', `${variable}: 0123\n`],
    ['a list', '[]\n'],
    ['another name', 'a-b: x\n'],
    ['no YAML', '{\n'],
  ])('refuses values: %s', async (_name, text) => {
    await put('v.yaml', text);
    expect(errorCode(await render(['--variables', 'v.yaml', '--json']))).toBe('E_VARIABLES');
  });

  test.each<[string, string]>([
    ['of a resource that is not there', 'wafs: {spec: {priority: 1}}'],
    ['that gives another name', 'waf: {metadata: {name: x}}'],
    ['that gives another namespace', 'waf: {metadata: {namespace: x}}'],
    ['that gives another kind', '"*": {kind: Secret}'],
    ['that takes the spec away', 'waf: {spec: null}'],
    ['that is no mapping', '- waf'],
    ['without a patch', 'waf: 1'],
    ['twice', 'waf: {spec: {priority: 1}}\n---\nwaf: {spec: {priority: 2}}'],
    ['with a key twice', 'waf: {spec: {priority: 1, priority: 2}}'],
  ])('refuses an overlay %s', async (_name, text) => {
    await put('o.yaml', text);
    expect(errorCode(await render(['--overlay', 'o.yaml', '--json']))).toBe('E_USAGE');
  });

  test.each([
    'http://user:pw@host/',
    'ftp://host/',
    'http://host/?a',
    'host:8080',
    'http://a b/',
    'http://host/\n',
  ])('refuses the base URL %j', async (url) => {
    expect(errorCode(await render(['--base-url', url, '--json']))).toBe('E_USAGE');
  });

  test('writes all files or none', async () => {
    await mkdir(join(directory, 'out/waf.yaml'), { recursive: true });
    expect(errorCode(await render(['-o', 'out', '--json', '--force']))).toBe('E_EXISTS');
    expect(await readdir(join(directory, 'out'))).toEqual(['waf.yaml']);
    await put('file', 'x');
    expect((await render(['-o', 'file'])).code).toBe(7);
    expect(errorCode(await render(['--namespace', 'a\nb', '--json']))).toBe('E_USAGE');
    await rm(join(directory, 'out'), { recursive: true });
    await mkdir(join(directory, 'out'));
    await put('victim', 'precious');
    await symlink('../victim', join(directory, 'out/waf.yaml'));
    expect(await render(['-o', 'out', '--force'])).toMatchObject({ code: 0 });
    expect(await readFile(join(directory, 'victim'), 'utf8')).toBe('precious');
  });
});

describe('a signed bundle is not believed to hold what it should', () => {
  const bomb = [
    'a: &a [x, x, x, x, x, x, x, x, x]',
    ...['ab', 'bc', 'cd', 'de', 'ef', 'fg'].map(
      ([from = '', to = '']) => `${to}: &${to} [${Array<string>(9).fill(`*${from}`).join(', ')}]`,
    ),
  ].join('\n');

  test.each<[string, string, string]>([
    ['another name', head('other'), 'E_MANIFEST'],
    ['another kind', head('waf').replace('WasmPlugin', 'ClusterRoleBinding'), 'E_MANIFEST'],
    [
      'another group',
      head('waf').replace('extensions.higress.io', 'rbac.authorization.k8s.io'),
      'E_MANIFEST',
    ],
    ['something more', `${waf}---\n${head('waf').replace('WasmPlugin', 'Secret')}`, 'E_MANIFEST'],
    ['nothing', '', 'E_MANIFEST'],
    ['a status', `${head('waf')}status: {}\n`, 'E_MANIFEST'],
    ['an owner', head('waf', ', ownerReferences: []'), 'E_MANIFEST'],
    ['a uid', head('waf', ', uid: "3"'), 'E_MANIFEST'],
    [
      'what kubectl applied last',
      head('waf', ', annotations: { kubectl.kubernetes.io/last-applied-configuration: "{}" }'),
      'E_MANIFEST',
    ],
    ['an alias bomb', bomb, 'E_SOURCE'],
    ['depth', '['.repeat(100_000), 'E_SOURCE'],
    ['no UTF-8', `${waf}# \xff\n`, 'E_SOURCE'],
  ])('%s', async (_name, text, code) => {
    const key = await testKey('mallory');
    await key.writeTo(directory);
    const latin1 = Buffer.from(text, 'latin1');
    const { entries } = resourceBundle([key], [{ name: 'waf', variables: [], text: latin1 }]);
    await writeFile(join(directory, 'm.tar.gz'), tarGz(entries));
    const args = ['m.tar.gz', '--public-key', 'mallory.pub', '-o', 'out', '--json'];
    expect(errorCode(await run(['render', 'resources', ...args]))).toBe(code);
    expect(await readdir(directory)).not.toContain('out');
  });
});

test('two runs into one directory leave complete files of one of them', async () => {
  const both = await Promise.all([render(['-o', 'out', '--force']), render(['-o', 'out', '--force'])]);
  expect(both.filter(({ code }) => code === 0).length).toBeGreaterThan(0);
  for (const { code } of both) expect([0, 6]).toContain(code);
  const names = await readdir(join(directory, 'out'));
  expect(names.filter((name) => name.endsWith('.partial'))).toEqual([]);
  for (const name of names)
    expect(await readFile(join(directory, 'out', name), 'utf8')).toContain('higress-plugin-server');
});

test('a directory is neither an overlay nor a file of values', async () => {
  for (const option of ['--overlay', '--variables'])
    expect(errorCode(await render([option, '.', '--json']))).toBe('E_USAGE');
});

describe('import --resources-out', () => {
  const load = (args: readonly string[], options?: Parameters<typeof cli>[1]) =>
    run(['import', 'b.tar.gz', '--to', 'volume', '--public-key', pub, ...args], options);

  test('writes the resources once the modules are served', async () => {
    const done = await load(['--resources-out', 'out', '--json']);
    expect(done).toMatchObject({ code: 0 });
    expect(JSON.parse(done.stdout)).toMatchObject({
      outcome: 'published',
      rendered: { resources: [{ file: 'out/key-auth-1.0.0.yaml' }, {}, {}] },
    });
    expect(await readdir(join(directory, 'out'))).toHaveLength(3);
    const printed = await load(['--resources-out', '-']);
    expect(printed.stdout).toMatch(/^apiVersion: extensions/);
    expect(printed.stderr).toContain('imported');
  });

  test('says that resources are not applied where nobody asked for them', async () => {
    expect((await load([])).stderr).toContain('not applied: 3 WasmPlugins');
  });

  test.each<[string, string[], string]>([
    ['resources that cannot be rendered', ['--overlay', 'none.yaml'], 'E_NOT_FOUND'],
    ['a directory in the way', ['--resources-out', 'taken'], 'E_EXISTS'],
    ['a plugin that is left out', ['--plugin', 'waf'], 'E_SELECTION'],
  ])('leaves the volume alone for %s', async (_name, args, code) => {
    await mkdir(join(directory, 'taken'));
    await put('taken/waf.yaml', 'x');
    const out = args.includes('--resources-out') ? [] : ['--resources-out', 'out'];
    expect(errorCode(await load([...out, ...args, '--json']))).toBe(code);
    expect(await readdir(directory)).not.toContain('volume');
    expect(await readdir(directory)).not.toContain('out');
  });

  test('writes nothing when the import is refused', async () => {
    await tinyTree(join(directory, 'other'), { 'waf@2.0.0': 'z' });
    await mkdir(join(directory, 'volume'));
    await mkdir(join(directory, 'volume/plugins/waf/2.0.0'), { recursive: true });
    const module = join(directory, 'other/plugins/waf/2.0.0/plugin.wasm');
    await writeFile(join(directory, 'volume/plugins/waf/2.0.0/plugin.wasm'), await readFile(module));
    expect(errorCode(await load(['--resources-out', 'out', '--json']))).toBe('E_CONFLICT');
    expect(await readdir(directory)).not.toContain('out');
  });

  test('refuses options that would do nothing', async () => {
    expect(errorCode(await load(['--namespace', 'x', '--json']))).toBe('E_USAGE');
    expect(errorCode(await load(['--force', '--json']))).toBe('E_USAGE');
  });
});
