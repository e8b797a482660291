import { execFileSync } from 'node:child_process';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { probeModule } from '../../src/diagnosis/probe.js';
import { exportBundle, importBundle, type DoctorResult } from '../../src/index.js';
import { sha256Of } from '../../src/stream/digest.js';
import { cli, errorCode } from '../helpers/cli.js';
import { standInCluster } from '../helpers/cluster.js';
import { expectNoSecret } from '../helpers/secrets.js';
import { startServe } from '../helpers/server.js';
import { rawTar } from '../helpers/tar.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { tinyModule as anyModule } from '../helpers/wasm.js';
import { serving, startWeb, type Site } from '../helpers/web.js';

/** The module that `tinyTree` makes of a seed. */
const tinyModule = (seed: string): Buffer => anyModule(seed, 2000);

const server = 'http://higress-plugin-server.higress-system.svc';
const pattern = `${server}/plugins/\${name}/\${version}/plugin.wasm`;

interface Wanted {
  readonly name: string;
  readonly url?: string;
  readonly spec?: Readonly<Record<string, unknown>>;
}

const wasmPlugin = ({ name, url, spec = {} }: Wanted): object => ({
  apiVersion: 'extensions.higress.io/v1alpha1',
  kind: 'WasmPlugin',
  metadata: { name, namespace: 'higress-system' },
  spec: { ...(url === undefined ? {} : { url }), ...spec },
});
const list = (...items: readonly Wanted[]): string =>
  JSON.stringify({ apiVersion: 'v1', kind: 'List', items: items.map(wasmPlugin) });
const urlOf = (name: string, version: string): string => `${server}/plugins/${name}/${version}/plugin.wasm`;

/** A volume with plugins whose module is `tinyModule(seed)`. */
async function volumeWith(
  plugins: Readonly<Record<string, string>>,
): Promise<{ dir: string; volume: string }> {
  const dir = await tempDir();
  await tinyTree(dir, plugins);
  const output = join(dir, 'set.tar.gz');
  const volume = join(dir, 'volume');
  await exportBundle({ source: dir, output });
  await importBundle({ bundle: output, to: volume, trust: { insecureSkipSignature: true } });
  return { dir, volume };
}

async function doctor(args: readonly string[], input = ''): Promise<DoctorResult & { code: number | null }> {
  const run = await cli(['doctor', ...args, '--json'], { input });
  const result = JSON.parse(run.stdout) as DoctorResult;
  expect(result, run.stderr).toHaveProperty('findings');
  return { ...result, code: run.code };
}

const kinds = ({ findings }: DoctorResult): string[] => findings.map(({ kind }) => kind);

describe('the incident of higress#4694', () => {
  const nine = [
    'basic-auth',
    'bot-detect',
    'custom-response',
    'hmac-auth',
    'jwt-auth',
    'key-auth',
    'key-rate-limit',
    'oauth',
    'request-block',
  ];

  test('the Console asks for 1.0.0 and the server has 2.0.0: all nine are found, and what is said mends them', async () => {
    const { dir, volume } = await volumeWith({
      ...Object.fromEntries(nine.map((name) => [`${name}@2.0.0`, name])),
      'waf@1.0.0': 'waf',
    });
    const specs = join(dir, 'specs');
    for (const name of [...nine, 'waf']) {
      await mkdir(join(specs, name), { recursive: true });
      await writeFile(join(specs, name, 'spec.yaml'), `info:\n  name: ${name}\n  version: 1.0.0\n`);
    }
    const question = [volume, '--console-pattern', pattern, '--console-specs', specs];
    const sick = await doctor(question);
    expect(sick.code).toBe(20);
    expect(sick.findings.map(({ kind, plugin }) => [kind, plugin?.name, plugin?.version])).toEqual(
      nine.map((name) => ['other-version', name, '1.0.0']),
    );
    // The commands are run as they are printed, by a shell that finds "plugferry".
    const program = join(dir, 'plugferry');
    const real = join(import.meta.dirname, '../../bin/plugferry.js');
    await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${real}' "$@"\n`, { mode: 0o755 });
    for (const { mend } of sick.findings)
      expectNoSecret(
        execFileSync('/bin/sh', ['-ec', mend], {
          env: { PATH: `${dir}:${process.env['PATH'] ?? ''}` },
          encoding: 'utf8',
        }),
        mend,
      );
    expect(await doctor(question)).toMatchObject({ code: 0, findings: [], references: 10, asked: 10 });
    const served = await startServe(volume);
    try {
      for (const name of nine)
        expect((await fetch(`${served.url}/plugins/${name}/1.0.0/plugin.wasm`)).status).toBe(200);
    } finally {
      await served.stop();
    }
  });

  test('a disabled WasmPlugin is looked at too: it will fail on the day it is enabled', async () => {
    const { volume } = await volumeWith({ 'key-auth@2.0.0': 'a' });
    const text = list({
      name: 'key-auth.internal',
      url: urlOf('key-auth', '1.0.0'),
      spec: { defaultConfigDisable: true },
    });
    const { findings } = await doctor([volume, '--resources', '-'], text);
    expect(findings).toMatchObject([
      {
        kind: 'other-version',
        who: 'WasmPlugin higress-system/key-auth.internal',
        file: 'standard input',
        line: 1,
        problem: expect.stringContaining('once enabled'),
        mend: `plugferry alias ${volume} key-auth 1.0.0=2.0.0`,
      },
    ]);
  });
});

describe('a WasmPlugin', () => {
  const sha256 = sha256Of(tinyModule('a'));
  const found = async (
    spec: Wanted['spec'],
    url: string | undefined = urlOf('key-auth', '1.10.0'),
    args: readonly string[] = [],
  ) => {
    const { volume } = await volumeWith({ 'key-auth@1.10.0': 'a', 'key-auth@1.9.0': 'b', 'waf@latest': 'c' });
    return doctor(
      [volume, '--resources', '-', ...args],
      list({ name: 'k', ...(url === '' ? {} : { url }), ...(spec === undefined ? {} : { spec }) }),
    );
  };

  test.each([
    ['that fits', undefined, undefined],
    ['that is pinned to what is there', { sha256, imagePullPolicy: 'Always' }, undefined],
    ['that fails closed', { failStrategy: 'FAIL_CLOSE', phase: 'AUTHN' }, undefined],
    [
      'of any host, if nobody says which is right',
      {},
      'http://10.0.0.1:8080/plugins/key-auth/1.9.0/plugin.wasm',
    ],
    ['behind a path', {}, 'https://mirror.corp/higress/plugins/key-auth/1.9.0/plugin.wasm'],
  ])('%s is no finding', async (_what, spec, url) => {
    expect(await found(spec, url)).toMatchObject({ code: 0, findings: [] });
  });

  test.each([
    ['dangling', undefined, urlOf('jwt-auth', '1.0.0'), 'nothing of that name'],
    ['dangling', undefined, urlOf('key-auht', '1.0.0'), 'did they mean "key-auth"?'],
    ['other-version', undefined, urlOf('key-auth', '3.0.0'), '1.9.0, 1.10.0'],
    ['no-url', undefined, '', 'names no URL'],
    [
      'elsewhere',
      undefined,
      'oci://registry.example.com/plugins/key-auth:1.10.0',
      'the registry registry.example.com, though',
    ],
    ['elsewhere', undefined, 'registry.example.com/plugins/other:1.0.0', 'the registry registry.example.com'],
    ['elsewhere', undefined, 'file:///opt/plugins/x.wasm', 'a file of the gateway'],
    ['elsewhere', undefined, `${server}/plugins/1.0.0/plugin.wasm`, 'no URL of a plugin server'],
    ['elsewhere', undefined, `${server}/plugins/..%2f/1.0.0/plugin.wasm`, 'no URL of a plugin server'],
    ['sha256', { sha256: 'f'.repeat(64) }, undefined, 'refuses it'],
    ['sha256', { sha256: sha256Of(tinyModule('a')).toUpperCase() }, undefined, 'lower-case hex'],
    ['pull-policy', { imagePullPolicy: 'Always' }, undefined, 'at every change'],
    ['pull-policy', {}, urlOf('waf', 'latest'), 'a tag that moves'],
    ['fail-open', { failStrategy: 'FAIL_OPEN' }, undefined, 'everybody passes'],
    [
      'fail-open',
      { failStrategy: 'FAIL_OPEN', phase: 'AUTHZ', sha256: sha256Of(tinyModule('c')) },
      urlOf('waf', 'latest'),
      'everybody passes',
    ],
  ])('%s (%o, %s)', async (...[kind, spec, url, says]) => {
    const result = await found(spec, url);
    expect([result.code, ...kinds(result)]).toEqual([20, kind]);
    expect(result.findings[0]?.problem).toContain(says);
    expect(result.findings[0]?.mend).toMatch(/^(?:plugferry|kubectl) /);
  });

  test('of another server than the one that is meant is a finding', async () => {
    const here = await found({}, undefined, ['--base-url', server]);
    expect(kinds(here)).toEqual([]);
    const elsewhere = await found({}, 'http://10.0.0.1/plugins/key-auth/1.9.0/plugin.wasm', [
      '--base-url',
      server,
    ]);
    expect(kinds(elsewhere)).toEqual(['elsewhere']);
    const patch = /'(\{.*\})'/.exec(elsewhere.findings[0]?.mend ?? '')?.[1] ?? '';
    expect(JSON.parse(patch)).toEqual({
      spec: { url: urlOf('key-auth', '1.9.0'), sha256: sha256Of(tinyModule('b')) },
    });
  });
});

test('names from outside are quoted in commands and escaped on the terminal', async () => {
  const { dir, volume } = await volumeWith({ 'waf@1.0.0': 'a' });
  const canary = join(dir, 'canary');
  const name = `x'; touch ${canary}; '\u001b[2J`;
  const run = await cli(['doctor', volume, '--resources', '-'], {
    input: list({ name, url: 'oci://r/waf:1.0.0' }),
  });
  expect(run.code).toBe(20);
  expect(run.stdout).not.toMatch(/[\x00-\x09\x0b-\x1f]/);
  const mend = /^ {2}mend: (.*)$/m.exec(run.stdout)?.[1] ?? '';
  const fake = join(dir, 'kubectl');
  await writeFile(fake, '#!/bin/sh\nprintf "%s\\n" "$@"\n', { mode: 0o755 });
  const words = execFileSync('/bin/sh', ['-c', mend], { env: { PATH: dir }, encoding: 'utf8' }).split('\n');
  expect(words[2]).toBe(name.replace('\u001b', '\\u{1b}'));
  await expect(stat(canary)).rejects.toThrow('ENOENT');
});

test('orphans, the URL for MCP servers, and a gateway that cannot run a module', async () => {
  const { volume } = await volumeWith({ 'mcp-server@2.0.1': 'a', 'waf@1.0.0': 'b' });
  const args = [volume, '--mcp-url', urlOf('mcp-server', '2.0.0')];
  const result = await doctor([...args, '--orphans']);
  expect(kinds(result)).toEqual(['other-version', 'orphan', 'orphan']);
  expect(kinds(await doctor(args))).toEqual(['other-version']);
  const oci = await doctor([volume, '--mcp-url', 'oci://r/mcp-server/all-in-one:1.0.0']);
  expect(oci.findings[0]?.mend).toContain('deployment/higress-controller');
  const profile = join(await tempDir(), 'old.json');
  await writeFile(
    profile,
    JSON.stringify({ ...JSON.parse(await profileText()), name: 'old', abi: ['proxy_abi_version_0_1_0'] }),
  );
  const old = await doctor([volume, '--gateway-profile', profile]);
  expect(kinds(old)).toEqual(['gateway', 'gateway']);
  expect(old.findings[0]?.problem).toContain('ABI');
});

test('what a text names has to be there, and to be the module that it means', async () => {
  const { dir, volume } = await volumeWith({ 'waf@1.0.0': 'a', 'key-auth@1.0.0': 'b' });
  const file = join(dir, 'plugins.properties');
  await writeFile(
    file,
    'waf=oci://r.example.com/plugins/waf:1.0.0\nopa=oci://r.example.com/plugins/opa:1.0.0\n',
  );
  const properties = await doctor([volume, '--catalogue', file]);
  expect(properties.findings).toMatchObject([
    { kind: 'dangling', plugin: { name: 'opa' }, file: `${file}:2` },
  ]);
  const lock = join(dir, 'lock.json');
  const entry = (name: string, seed: string): object => ({
    logicalKey: name,
    servedPath: name,
    servedVersion: '1.0.0',
    repository: `r.example.com/plugins/${name}`,
    tag: '1.0.0',
    digest: `sha256:${'0'.repeat(64)}`,
    wasmSha256: sha256Of(tinyModule(seed)),
  });
  await writeFile(
    lock,
    JSON.stringify({
      schemaVersion: 1,
      plugins: { waf: entry('waf', 'a'), 'key-auth': entry('key-auth', 'a') },
    }),
  );
  const locked = await cli(['doctor', volume, '--catalogue', lock, '--json']);
  expect([locked.code, locked.stderr]).toEqual([20, '']);
  expect((JSON.parse(locked.stdout) as DoctorResult).findings).toMatchObject([
    { kind: 'sha256', plugin: { name: 'key-auth' } },
  ]);
});

test('--cluster asks for the WasmPlugins of all namespaces', async () => {
  const { volume } = await volumeWith({ 'waf@1.0.0': 'a' });
  const { kubeconfig, standIn } = await standInCluster();
  const asked: string[] = [];
  standIn.intercept = ({ path, authorization }, response) => {
    asked.push(path);
    if (!standIn.tokens.has(authorization?.replace('Bearer ', '') ?? '')) return false;
    // Two pages, and items that do not say what they are.
    const isFirst = !path.includes('continue=');
    const name = isFirst ? 'waf' : 'opa';
    const item = { metadata: { name, namespace: isFirst ? 'a' : 'b' }, spec: { url: urlOf(name, '1.0.0') } };
    const metadata = isFirst ? { continue: 'next' } : {};
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({
        kind: 'WasmPluginList',
        apiVersion: 'extensions.higress.io/v1alpha1',
        metadata,
        items: [item],
      }),
    );
    return true;
  };
  const result = await doctor([volume, '--cluster', '--kubeconfig', kubeconfig]);
  expect(result.findings).toMatchObject([
    { kind: 'dangling', who: 'WasmPlugin b/opa', file: expect.stringContaining('cluster ') },
  ]);
  expect(result.references).toBe(2);
  expect(asked[0]).toContain('/apis/extensions.higress.io/v1alpha1/wasmplugins');
});

const profileText = (): Promise<string> =>
  readFile(join(import.meta.dirname, '../../examples/gateway-profiles/higress.json'), 'utf8');

describe('--probe', () => {
  const module = tinyModule('a');
  const path = '/plugins/waf/1.0.0/plugin.wasm';

  test('fetches each module from the running server, and holds it against the place', async () => {
    const { dir, volume } = await volumeWith({ 'waf@1.0.0': 'a', 'key-auth@1.0.0': 'b' });
    const served = await startServe(volume);
    try {
      const well = await doctor([volume, '--probe', served.url]);
      expect([well.code, well.findings]).toEqual([0, []]);
      expect(well.probed.map(({ name }) => name)).toEqual(['key-auth', 'waf']);
      await tinyTree(dir, { 'waf@1.0.0': 'tampered' });
      const other = await doctor([join(dir, 'plugins'), '--probe', served.url]);
      expect(other.findings).toMatchObject([{ kind: 'probe', plugin: { name: 'waf', version: '1.0.0' } }]);
    } finally {
      await served.stop();
    }
  });

  test.each<[string, Site, object]>([
    ['plain', { [path]: module }, { size: module.length, sha256: sha256Of(module), boxes: [], attempts: 1 }],
    ['gzip', { [path]: gzipSync(module) }, { sha256: sha256Of(module), boxes: ['gzip'] }],
    [
      'tar.gz',
      { [path]: gzipSync(rawTar([{ name: 'x', body: module }])) },
      { sha256: sha256Of(module), boxes: ['gzip', 'tar'] },
    ],
    [
      'a redirect',
      { [path]: (_, response) => response.writeHead(302, { location: '/real' }).end(), '/real': module },
      { sha256: sha256Of(module) },
    ],
    ['404 is final', {}, { problem: expect.stringContaining('404'), attempts: 1 }],
    [
      'a page is none',
      { [path]: 'not found' },
      { problem: expect.stringContaining('neither wasm'), attempts: 1 },
    ],
    [
      '206 is final',
      { [path]: (_, response) => response.writeHead(206).end(module) },
      { problem: expect.stringContaining('206'), attempts: 1 },
    ],
    [
      '501 is final',
      { [path]: (_, response) => response.writeHead(501).end() },
      { problem: expect.stringContaining('501'), attempts: 1 },
    ],
    [
      '503 is tried five times',
      { [path]: (_, response) => response.writeHead(503).end() },
      { problem: expect.stringContaining('503'), attempts: 5 },
    ],
    [
      'a body cut off is final',
      {
        [path]: (_, response) => {
          response.writeHead(200, { 'content-length': '9999' });
          response.write(module);
          setTimeout(() => response.destroy(), 50);
        },
      },
      { problem: expect.any(String), attempts: 1 },
    ],
    [
      'a body that never ends',
      {
        [path]: (_, response) => {
          response.writeHead(200);
          response.write(module);
        },
      },
      { problem: expect.stringContaining('not complete within'), attempts: 1 },
    ],
    ['no answer', { [path]: () => undefined }, { problem: expect.stringContaining('not complete within') }],
  ])('as a gateway does: %s', async (_what, site, expected) => {
    const web = await startWeb(serving(site));
    const patience = { attempts: 5, attemptMs: 400, allMs: 3000, pauseMs: 10 };
    expect(await probeModule(`${web.url}${path}`, { patience })).toMatchObject(expected);
  });

  test('503 and then the module: the gateway waits for a server that starts', async () => {
    let tries = 0;
    const web = await startWeb((_, response) => {
      tries += 1;
      if (tries < 3) response.writeHead(503).end();
      else response.end(module);
    });
    const patience = { attempts: 5, attemptMs: 1000, allMs: 5000, pauseMs: 10 };
    expect(await probeModule(`${web.url}${path}`, { patience })).toMatchObject({ attempts: 3 });
  });

  test('a server that hangs up at once is tried again, for no longer than all attempts may take', async () => {
    const tcp = createTcpServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      tcp.close();
    });
    const { port } = tcp.address() as { port: number };
    const patience = { attempts: 50, attemptMs: 1000, allMs: 300, pauseMs: 20 };
    const probed = await probeModule(`http://127.0.0.1:${port}${path}`, { patience });
    expect(probed.problem).toContain('are over');
    expect(probed.attempts).toBeLessThan(10);
  });
});

test.each([
  [['--resources', '-'], 'hold no WasmPlugin'],
  [[], 'nothing was given'],
  [['--console-pattern', pattern], 'need each other'],
  [['--probe', 'ftp://x'], 'expected an http or https URL'],
])('%j is a wrong call', async (args, says) => {
  const { volume } = await volumeWith({ 'waf@1.0.0': 'a' });
  const run = await cli(['doctor', volume, ...args, '--json'], { input: 'kind: ConfigMap\n' });
  expect([run.code, errorCode(run)]).toEqual([2, 'E_USAGE']);
  expect(run.stderr).toContain(says);
});
