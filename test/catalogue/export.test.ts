import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inspectBundle } from '../../src/index.js';
import { sha256Of } from '../../src/stream/digest.js';
import { cli, errorCode, type CliRun } from '../helpers/cli.js';
import { secret } from '../helpers/secrets.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { serving, startWeb, type Web } from '../helpers/web.js';
import { tinyModule } from '../helpers/wasm.js';

const wasm = (seed: string): Buffer => tinyModule(seed, 3000);

const site = (): Promise<Web> =>
  startWeb(
    serving({
      '/plugins/waf/2.0.0/plugin.wasm': wasm('waf'),
      '/plugins/key-auth/2.0.0/plugin.wasm': wasm('key-auth'),
      '/software/opa-1.0.0.wasm': wasm('opa'),
      '/mirror/plugins/waf/2.0.0/plugin.wasm': wasm('mirrored'),
    }),
  );

interface Scene {
  readonly files: Readonly<Record<string, string | Buffer>>;
  readonly args: readonly string[];
  readonly input?: string;
}

/** Runs an export of files into `out.tar.gz`, in a directory of their own. */
async function run({ files, args, input = '' }: Scene): Promise<CliRun & { readonly directory: string }> {
  const directory = await tempDir();
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), content);
  }
  const result = await cli(['export', ...args, '-o', 'out.tar.gz'], { cwd: directory, input });
  if (result.code !== 0 && result.code !== 9) expect(await readdir(directory)).not.toContain('out.tar.gz');
  expect((await readdir(directory)).filter((name) => name.startsWith('.plugferry'))).toEqual([]);
  return { ...result, directory };
}

/** `name@version sha256` of each plugin. */
async function packed({
  directory,
  code,
  stderr,
}: CliRun & { readonly directory: string }): Promise<string[]> {
  expect([code, stderr.includes('error')]).toEqual([0, false]);
  const { plugins, files } = (await inspectBundle({ bundle: join(directory, 'out.tar.gz') })).manifest;
  return plugins.map(({ name, version }) => {
    const file = files.find(({ path }) => path === `plugins/${name}/${version}/plugin.wasm`);
    return `${name}@${version} ${file?.sha256 ?? ''}`;
  });
}

const resource = (url: string, more = ''): string =>
  `apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: { name: x, namespace: higress-system }
spec: { url: "${url}"${more} }
`;

describe('a properties file', () => {
  test('is exported, each reference fetched once, its origin in the manifest', async () => {
    const web = await site();
    const text = `waf=${web.url}/plugins/waf/2.0.0/plugin.wasm\nfirewall=${web.url}/plugins/waf/2.0.0/plugin.wasm\nopa=${web.url}/software/opa-1.0.0.wasm\n`;
    const result = await run({ files: { 'plugins.properties': text }, args: ['plugins.properties'] });
    expect(await packed(result)).toEqual([
      `firewall@2.0.0 ${sha256Of(wasm('waf'))}`,
      `opa@1.0.0 ${sha256Of(wasm('opa'))}`,
      `waf@2.0.0 ${sha256Of(wasm('waf'))}`,
    ]);
    expect(web.asked.toSorted()).toEqual(['/plugins/waf/2.0.0/plugin.wasm', '/software/opa-1.0.0.wasm']);
    const { plugins } = (await inspectBundle({ bundle: join(result.directory, 'out.tar.gz') })).manifest;
    expect(plugins[1]?.source).toEqual({
      kind: 'http',
      reference: `${web.url}/software/opa-1.0.0.wasm`,
      digest: `sha256:${sha256Of(wasm('opa'))}`,
    });
    expect(result.stderr.match(/^reading /gm)).toHaveLength(3);
  });

  test('with one bad line is refused before anything is fetched', async () => {
    const web = await site();
    const text = `waf=${web.url}/plugins/waf/2.0.0/plugin.wasm\nkey-auth\n`;
    const result = await run({
      files: { 'plugins.properties': text },
      args: ['plugins.properties', '--json'],
    });
    expect([result.code, errorCode(result)]).toEqual([3, 'E_SOURCE']);
    expect(result.stderr).toContain('plugins.properties:2');
    expect(web.asked).toEqual([]);
  });

  test('a missing plugin is the end, with its line; with --keep-going the rest is a bundle', async () => {
    const web = await site();
    const text = `waf=${web.url}/plugins/waf/2.0.0/plugin.wasm\nnone=${web.url}/plugins/none/2.0.0/plugin.wasm\n`;
    const files = { 'plugins.properties': text };
    const whole = await run({ files, args: ['plugins.properties', '--json'] });
    expect([whole.code, errorCode(whole)]).toEqual([3, 'E_SOURCE']);
    expect(whole.stderr).toContain('plugins.properties:2: ');
    const args = ['plugins.properties', '--keep-going', '--failures', 'left.txt'];
    const part = await run({ files, args });
    expect(part.code).toBe(9);
    expect(await readFile(join(part.directory, 'left.txt'), 'utf8')).toMatch(
      /^# none@2\.0\.0 \(E_SOURCE\): plugins\.properties:2: .*\nnone@2\.0\.0$/m,
    );
  });

  test('comments in another encoding do no harm', async () => {
    const web = await site();
    const text = Buffer.concat([
      Buffer.from('# ', 'latin1'),
      Buffer.from([0xb2, 0xe5, 0xbc, 0xfe]),
      Buffer.from(`\nwaf=${web.url}/plugins/waf/2.0.0/plugin.wasm\n`),
    ]);
    const result = await run({ files: { 'plugins.properties': text }, args: ['plugins.properties'] });
    expect(await packed(result)).toHaveLength(1);
  });

  test('of the Console: also as what its specs ask for', async () => {
    const web = await site();
    const spec = (name: string, version: string): string =>
      `apiVersion: 1.0.0\ninfo:\n  name: ${name}\n  version: ${version}\n`;
    const files = {
      'plugins/plugins.properties': `waf=${web.url}/plugins/waf/2.0.0/plugin.wasm\nkey-auth=${web.url}/plugins/key-auth/2.0.0/plugin.wasm\n`,
      'plugins/waf/spec.yaml': spec('waf', '2.0.0'),
      'plugins/key-auth/spec.yaml': spec('key-auth', '1.0.0'),
    };
    for (const source of ['plugins', 'plugins/plugins.properties']) {
      const result = await run({ files, args: [source] });
      expect((await packed(result)).map((line) => line.split(' ')[0])).toEqual([
        'key-auth@1.0.0',
        'key-auth@2.0.0',
        'waf@2.0.0',
      ]);
      expect(result.stderr).toContain('the Console asks for key-auth@1.0.0, the tag says key-auth@2.0.0');
    }
  });
});

describe('WasmPlugins', () => {
  test('of kubectl on standard input, many of one plugin', async () => {
    const web = await site();
    const url = `${web.url}/plugins/waf/2.0.0/plugin.wasm`;
    const input = [resource(url), resource(url, `, sha256: ${sha256Of(wasm('waf'))}`), resource(url)].join(
      '---\n',
    );
    expect(await packed(await run({ files: {}, args: ['-'], input }))).toEqual([
      `waf@2.0.0 ${sha256Of(wasm('waf'))}`,
    ]);
    expect(web.asked).toEqual(['/plugins/waf/2.0.0/plugin.wasm']);
  });

  test.each([['-'], ['--with-resources', '-'], ['--with-resources=-']])(
    'standard input in two places (%s) is refused: the second would be empty',
    async (...again) => {
      const input = resource('http://127.0.0.1:9/plugins/waf/2.0.0/plugin.wasm');
      const result = await run({ files: {}, args: ['-', ...again, '--json'], input });
      expect([result.code, errorCode(result)]).toEqual([2, 'E_USAGE']);
      expect(result.stderr).toContain('only once');
    },
  );

  test('of a directory, among other files', async () => {
    const web = await site();
    const files = {
      'gitops/waf.yaml': resource(`${web.url}/plugins/waf/2.0.0/plugin.wasm`),
      'gitops/deep/opa.yml': resource(`${web.url}/software/opa-1.0.0.wasm`),
      'gitops/service.yaml': 'kind: Service\napiVersion: v1\n',
      'gitops/README.md': 'hello',
    };
    const lines = await packed(await run({ files, args: ['gitops'] }));
    expect(lines.map((line) => line.split(' ')[0])).toEqual(['opa@1.0.0', 'waf@2.0.0']);
  });

  test('a module of another sha256 is refused, naming the resource', async () => {
    const web = await site();
    const text = resource(`${web.url}/plugins/waf/2.0.0/plugin.wasm`, `, sha256: ${'a'.repeat(64)}`);
    const result = await run({ files: { 'x.yaml': text }, args: ['x.yaml', '--json'] });
    expect(errorCode(result)).toBe('E_SOURCE');
    for (const says of ['x.yaml:1', 'higress-system/x', 'a'.repeat(64), sha256Of(wasm('waf'))]) {
      expect(result.stderr).toContain(says);
    }
  });

  test('a path of the gateway is refused, or taken from where it is served', async () => {
    const web = await site();
    const files = { 'x.yaml': resource('file:///opt/plugins/waf/2.0.0/plugin.wasm') };
    const result = await run({ files, args: ['x.yaml', '--json'] });
    expect(errorCode(result)).toBe('E_SOURCE');
    expect(result.stderr).toContain('on the disk of the gateway');
    const mirror = ['--mirror', `file:///opt/plugins=${web.url}/plugins`];
    expect(await packed(await run({ files, args: ['x.yaml', ...mirror] }))).toEqual([
      `waf@2.0.0 ${sha256Of(wasm('waf'))}`,
    ]);
  });
});

describe('--mirror', () => {
  test('the first that fits counts; digests are still compared', async () => {
    const web = await site();
    const url = 'http://higress-plugin-server.higress-system.svc/plugins/waf/2.0.0/plugin.wasm';
    const mirrors = [
      'http://higress-plugin-server.higress-system.svc/',
      'http://higress-plugin-server.higress-system.svc/plugins',
    ];
    const files = {
      'x.yaml': resource(url),
      'pinned.yaml': resource(url, `, sha256: ${sha256Of(wasm('waf'))}`),
    };
    const to = ['--mirror', `${mirrors[0] ?? ''}=${web.url}/mirror/`];
    expect(await packed(await run({ files, args: ['x.yaml', ...to] }))).toEqual([
      `waf@2.0.0 ${sha256Of(wasm('mirrored'))}`,
    ]);
    const pinned = await run({ files, args: ['pinned.yaml', ...to, '--json'] });
    expect(errorCode(pinned)).toBe('E_SOURCE');
    const idle = ['--mirror', `${mirrors[1] ?? ''}=${web.url}/plugins`];
    const both = await run({ files, args: ['x.yaml', ...to, ...idle, '--json'] });
    expect([both.code, errorCode(both)]).toEqual([2, 'E_USAGE']);
  });

  test.each([
    ['nothing', ''],
    ['no place to go to', 'registry.example='],
    ['a URL for a registry', 'registry.example=http://host/'],
    ['a registry for a URL', 'http://host/=registry.example'],
    ['a tag', 'registry.example:5000/a:1=localhost:5000'],
    ['a name that is none', 'registry example'],
  ])('%s is refused', async (_what, mirror) => {
    const files = { 'x.yaml': resource('oci://registry.example/p/waf:1.0.0') };
    const result = await run({ files, args: ['x.yaml', `--mirror=${mirror}`, '--json'] });
    expect([result.code, errorCode(result)]).toEqual([2, 'E_USAGE']);
  });
});

describe('--also-version', () => {
  test('packs everything under it too, as plugin servers up to 2.2.3 have it', async () => {
    const directory = await tempDir();
    await tinyTree(directory, { 'waf@2.0.0': 'a', 'opa@1.0.0': 'b', 'key-auth@2.0.0': 'c' });
    const line = ['export', '.', '-o', 'out.tar.gz', '--also-version', '1.0.0', '--exclude', 'key-auth'];
    const result = await cli(line, { cwd: directory });
    expect((await packed({ ...result, directory })).map((each) => each.split(' ')[0])).toEqual([
      'opa@1.0.0',
      'waf@1.0.0',
      'waf@2.0.0',
    ]);
  });

  test('of two versions it cannot be the one that nobody named', async () => {
    const directory = await tempDir();
    await tinyTree(directory, { 'waf@2.0.0': 'a', 'waf@2.0.1': 'b' });
    const line = ['export', '.', '-o', 'out.tar.gz', '--also-version', '1.0.0', '--json'];
    const result = await cli(line, { cwd: directory });
    expect([result.code, errorCode(result)]).toEqual([6, 'E_CONFLICT']);
    const none = await cli(['export', '.', '-o', 'out.tar.gz', '--also-version', '../1', '--json'], {
      cwd: directory,
    });
    expect(errorCode(none)).toBe('E_USAGE');
  });
});

test('a password in a URL is asked with, and shown nowhere', async () => {
  const web = await site();
  const password = secret('a-password-of-a-url');
  const url = web.url.replace('http://', `http://user:${password}@`);
  const files = {
    'values.yaml': `a: { url: "${url}/plugins/waf/2.0.0/plugin.wasm" }\n`,
    'none.yaml': `a: { url: "${url}/plugins/none/2.0.0/plugin.wasm" }\n`,
  };
  const result = await run({ files, args: ['values.yaml', '--json'] });
  expect(await packed(result)).toHaveLength(1);
  expect(web.headers[0]?.authorization).toMatch(/^Basic /);
  const { manifest } = await inspectBundle({ bundle: join(result.directory, 'out.tar.gz') });
  expect(JSON.stringify(manifest)).not.toContain(password);
  expect(errorCode(await run({ files, args: ['none.yaml', '--json'] }))).toBe('E_SOURCE');
});

test('--catalogue-type says what a text is', async () => {
  const web = await site();
  const files = { list: `WAF=1\nwaf=${web.url}/plugins/waf/2.0.0/plugin.wasm\n` };
  expect(errorCode(await run({ files, args: ['list', '--json'] }))).toBe('E_SOURCE');
  expect(await packed(await run({ files, args: ['list', '--catalogue-type', 'env'] }))).toHaveLength(1);
});

test.each<[string, string | Buffer, string]>([
  ['an empty text', '', 'E_SELECTION'],
  ['UTF-16, as PowerShell writes it', Buffer.from('\ufeffkind: List\n', 'utf16le'), 'E_SOURCE'],
  ['bytes', Buffer.from([0, 1, 2, 255, 254]), 'E_SOURCE'],
  ['prose', 'Hello, these are words.\n', 'E_SELECTION'],
  ['a page', '<html><body>404</body></html>', 'E_S'],
  ['an alias bomb', `a: &a [1]\nb: &b [${'*a,'.repeat(20)}]\nc: [${'*b,'.repeat(20)}]\nd: oci://x`, 'E_S'],
])('%s is refused', async (_what, content, code) => {
  const result = await run({ files: { x: content }, args: ['x', '--json'] });
  expect(errorCode(result)).toMatch(code);
});
