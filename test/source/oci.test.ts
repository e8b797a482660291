import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { Inspection } from '../../src/index.js';
import { sha256Of } from '../../src/stream/digest.js';
import { cli, errorCode } from '../helpers/cli.js';
import {
  descriptor,
  dockerConfig,
  dockerLayer,
  dockerManifest,
  hasRegistry,
  manifestOf,
  moduleLayer,
  ociIndex,
  ociLayer,
  ociManifest,
  push,
  pushManifest,
  robotLogin,
  startRegistry,
  type PushedLayer,
} from '../helpers/registry.js';
import { rawTar, type RawEntry } from '../helpers/tar.js';
import { tempDir } from '../helpers/temp.js';
import { tinyModule } from '../helpers/wasm.js';
import { startWeb } from '../helpers/web.js';

const module = tinyModule('m');
const other = tinyModule('other');
const tgz = (...entries: readonly RawEntry[]): Buffer => gzipSync(rawTar(entries));
const raw = (bytes = module): PushedLayer => ({ mediaType: moduleLayer, bytes });
const packed = (mediaType: string, ...entries: readonly RawEntry[]): PushedLayer => ({
  mediaType,
  bytes: tgz(...entries),
});
const plugin = (body = module): RawEntry => ({ name: 'plugin.wasm', body });
const text = (mediaType: string, words: string): PushedLayer => ({ mediaType, bytes: Buffer.from(words) });
const spec = text('application/vnd.module.wasm.spec.v1+yaml', 'info: {}\n');
const readme = text('application/vnd.module.wasm.doc.v1+markdown', '# x\n');
const config = text('application/vnd.module.wasm.config.v1+json', '{}');

interface Run {
  readonly code: number | null;
  readonly error: string | undefined;
  readonly stderr: string;
  readonly directory: string;
  /** Of what was exported. */
  readonly plugins: Inspection['manifest']['plugins'];
  /** SHA-256 of each module. */
  readonly modules: readonly string[];
}

/** Exports in a directory of its own; where that fails, nothing may be left there. */
async function exported(args: readonly string[], env: Record<string, string> = {}): Promise<Run> {
  const directory = await tempDir();
  const run = await cli(['export', ...args, '-o', 'set.tar.gz', '--plain-http', '--json'], {
    cwd: directory,
    env: { HOME: directory, ...env },
  });
  if (run.code !== 0) {
    expect(await readdir(directory), run.stderr).toEqual([]);
    return { code: run.code, error: errorCode(run), stderr: run.stderr, directory, plugins: [], modules: [] };
  }
  const inspected = await cli(['inspect', 'set.tar.gz', '--json'], { cwd: directory });
  const { manifest } = JSON.parse(inspected.stdout) as Inspection;
  const modules = manifest.files.filter(({ path }) => path.endsWith('.wasm')).map(({ sha256 }) => sha256);
  return { code: 0, error: undefined, stderr: run.stderr, directory, plugins: manifest.plugins, modules };
}

describe.skipIf(!hasRegistry)('a registry', () => {
  const shapes: readonly (readonly [
    what: string,
    layers: readonly PushedLayer[],
    form?: 'docker' | 'oci',
  ])[] = [
    ['of the old pipeline: documentation, then the archive', [spec, readme, packed(ociLayer, plugin())]],
    [
      'of hgctl, with an icon',
      [spec, readme, text('application/vnd.module.wasm.icon.v1+png', 'x'), packed(ociLayer, plugin())],
    ],
    ['of the C++ script: config and module', [config, raw()]],
    ['of docker build', [packed(dockerLayer, plugin())], 'docker'],
    ['of the new pipeline: the module alone', [raw()]],
    ['of an emergency overwrite: {} and module', [config, raw()]],
    [
      'whose archive has "./" before the name, and directories',
      [packed(ociLayer, { name: './', type: '5' }, { name: './plugin.wasm', body: module })],
    ],
  ];

  test('every shape of artifact gives its module, with reference and immutable digest', async () => {
    const registry = await startRegistry();
    const expected: object[] = [];
    for (const [index, [, layers, form]] of shapes.entries()) {
      const at = [`plugins/shape-${index}`, '1.0.0'] as const;
      const digest = await push(registry, at, form === undefined ? [layers] : [layers, form]);
      const reference = `oci://${registry.host}/${at[0]}:1.0.0`;
      expected.push({ name: `shape-${index}`, version: '1.0.0', source: { kind: 'oci', reference, digest } });
    }
    const references = shapes.map((_, index) => `oci://${registry.host}/plugins/shape-${index}:1.0.0`);
    const run = await exported(references);
    expect([run.code, run.stderr]).toEqual([0, expect.any(String)]);
    expect(run.plugins).toMatchObject(expected);
    expect(new Set(run.modules)).toEqual(new Set([sha256Of(module)]));
  });

  test('a digest alone says no version, which somebody has to give', async () => {
    const registry = await startRegistry();
    const digest = await push(registry, ['plugins/waf', '1.0.0'], [[raw()]]);
    const reference = `oci://${registry.host}/plugins/waf@${digest}`;
    expect((await exported([reference])).error).toBe('E_SELECTION');
    expect((await exported([reference, '--as', 'waf@2.0.0'])).plugins).toMatchObject([
      { name: 'waf', version: '2.0.0' },
    ]);
  });

  test('several platforms: the one that the gateway takes, and attestations are no platform', async () => {
    const registry = await startRegistry();
    const push1 = async (tag: string, layer: PushedLayer, platform: object) => {
      await push(registry, ['plugins/multi', tag], [[layer], 'docker']);
      const { manifest } = manifestOf([layer], 'docker');
      return { ...descriptor({ mediaType: dockerManifest, bytes: manifest }), platform };
    };
    const amd = await push1('a', packed(dockerLayer, plugin()), { os: 'linux', architecture: 'amd64' });
    const arm = await push1('b', packed(dockerLayer, plugin(other)), { os: 'linux', architecture: 'arm64' });
    const attestation = { ...arm, platform: { os: 'unknown', architecture: 'unknown' } };
    const list = (manifests: readonly object[]): [Buffer, string] => [
      Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests })),
      ociIndex,
    ];
    const digest = await pushManifest(registry, ['plugins/multi', '1.0.0'], list([arm, amd]));
    const both = await exported([`oci://${registry.host}/plugins/multi:1.0.0`]);
    expect([both.modules, both.plugins[0]?.source.digest]).toEqual([[sha256Of(module)], digest]);
    await pushManifest(registry, ['plugins/multi', '1.0.1'], list([attestation, arm]));
    expect((await exported([`oci://${registry.host}/plugins/multi:1.0.1`])).modules).toEqual([
      sha256Of(other),
    ]);
    const windows = { ...arm, platform: { os: 'windows', architecture: 'amd64' } };
    await pushManifest(registry, ['plugins/multi', '1.0.2'], list([windows, arm]));
    expect((await exported([`oci://${registry.host}/plugins/multi:1.0.2`])).error).toBe('E_SOURCE');
  });

  test('behind lists in lists is refused, and no more is asked', async () => {
    const platform = { os: 'linux', architecture: 'amd64' };
    const annotations = { 'io.containerd.image.name': 'r.example.com/plugins/waf:1.0.0' };
    const typeOf = (bytes: Buffer): string => (bytes.includes('"manifests"') ? ociIndex : ociManifest);
    const list = (bytes: Buffer): Buffer => {
      const manifests = [{ ...descriptor({ mediaType: typeOf(bytes), bytes }), platform, annotations }];
      return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests }));
    };
    const chain = [manifestOf([raw()]).manifest];
    for (let depth = 0; depth < 20; depth += 1) {
      const [last = Buffer.alloc(0)] = chain;
      chain.unshift(list(last));
    }
    const byDigest = new Map(chain.map((bytes) => [`sha256:${sha256Of(bytes)}`, bytes]));
    const tagged = (lists: number): Buffer => chain.at(-1 - lists) ?? Buffer.alloc(0);
    const asked: string[] = [];
    const web = await startWeb((request, response) => {
      const reference = request.url?.split('/manifests/')[1];
      if (reference !== undefined) asked.push(reference);
      const lists = /^v(\d+)$/.exec(reference ?? '')?.[1];
      const bytes = lists === undefined ? byDigest.get(reference ?? '') : tagged(Number(lists));
      if (bytes !== undefined) response.writeHead(200, { 'content-type': typeOf(bytes) }).end(bytes);
      else response.writeHead(request.url?.includes('/blobs/') === true ? 200 : 404).end(raw().bytes);
    });
    const host = web.url.replace('http://', '');
    for (const lists of [1, 2])
      expect((await exported([`oci://${host}/plugins/waf:v${lists}`])).modules).toEqual([sha256Of(module)]);
    asked.length = 0;
    for (const lists of [3, 20]) {
      const run = await exported([`oci://${host}/plugins/waf:v${lists}`]);
      expect(run.error).toBe('E_SOURCE');
      expect(run.stderr).toContain('is a list of manifests inside 2 others');
    }
    expect(asked).toHaveLength(6);
    // The same in a layout, whose index.json is not counted.
    const layout = async (lists: number): Promise<string> => {
      const directory = await tempDir();
      await mkdir(join(directory, 'blobs/sha256'), { recursive: true });
      for (const bytes of [...chain, raw().bytes])
        await writeFile(join(directory, 'blobs/sha256', sha256Of(bytes)), bytes);
      await writeFile(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
      await writeFile(join(directory, 'index.json'), list(tagged(lists)));
      return directory;
    };
    for (const [lists, error] of [
      [2, undefined],
      [3, 'E_SOURCE'],
      [20, 'E_SOURCE'],
    ] as const)
      expect((await exported([await layout(lists)])).error).toBe(error);
  });

  test.each(['basic', 'bearer'] as const)(
    'with %s: the login of "docker login" lets in, and nothing else does',
    async (kind) => {
      const registry = await startRegistry(kind);
      await push(registry, ['plugins/waf', '1.0.0'], [[raw()]]);
      const reference = `oci://${registry.host}/plugins/waf:1.0.0`;
      const login = await dockerConfig(robotLogin(registry.host));
      expect((await exported([reference], { DOCKER_CONFIG: login })).code).toBe(0);
      const wrong = await dockerConfig({
        auths: { [registry.host]: { auth: Buffer.from('robot:wrong').toString('base64') } },
      });
      for (const DOCKER_CONFIG of [wrong, await tempDir()]) {
        const run = await exported([reference], { DOCKER_CONFIG });
        expect([run.code, run.error]).toEqual([2, 'E_LOGIN']);
        expect(run.stderr).toContain('docker login');
      }
      // The same login from a credential helper.
      const bin = await tempDir();
      const script = `#!/bin/sh\n[ "$(cat)" = "${registry.host}" ] || { echo 'credentials not found in native keychain'; exit 1; }\nprintf '{"Username":"robot","Secret":"the password of the robot"}'\n`;
      await writeFile(join(bin, 'docker-credential-testing'), script, { mode: 0o755 });
      const PATH = `${bin}:${process.env['PATH'] ?? ''}`;
      for (const helpers of [{ credHelpers: { [registry.host]: 'testing' } }, { credsStore: 'testing' }]) {
        const run = await exported([reference], { PATH, DOCKER_CONFIG: await dockerConfig(helpers) });
        expect([run.code, run.error]).toEqual([0, undefined]);
      }
      const missing = await exported([reference], {
        DOCKER_CONFIG: await dockerConfig({ credsStore: 'nowhere' }),
      });
      expect(missing.error).toBe('E_LOGIN');
    },
  );

  test('is spoken to in https unless --plain-http says otherwise', async () => {
    const registry = await startRegistry();
    await push(registry, ['plugins/waf', '1.0.0'], [[raw()]]);
    const directory = await tempDir();
    const run = await cli(
      ['export', `oci://${registry.host}/plugins/waf:1.0.0`, '-o', 'x.tar.gz', '--json'],
      { cwd: directory },
    );
    expect([run.code, errorCode(run)]).toEqual([8, 'E_NETWORK']);
    expect(await readdir(directory)).toEqual([]);
  });

  test.each([
    ['no such tag', 'plugins/waf:9.9.9', 'does not exist'],
    ['no such repository', 'plugins/none:1.0.0', 'does not exist'],
    ['another digest', `plugins/waf@sha256:${'0'.repeat(64)}`, 'does not exist'],
  ])('%s is said', async (_what, reference, says) => {
    const registry = await startRegistry();
    await push(registry, ['plugins/waf', '1.0.0'], [[raw()]]);
    const run = await exported([`oci://${registry.host}/${reference}`, '--as', 'a@1.0.0']);
    expect([run.code, run.error]).toEqual([3, 'E_SOURCE']);
    expect(run.stderr).toContain(says);
  });

  test('the plugin-server image: all its plugins, as its layers leave them', async () => {
    const registry = await startRegistry();
    const at = (path: string, body = module): RawEntry => ({
      name: `usr/share/nginx/html/plugins/${path}`,
      body,
    });
    const metadata = (body: Buffer): Buffer =>
      Buffer.from(
        `Plugin Name: waf\nSize: ${body.length} bytes\nLast Modified: 2026-01-01T00:00:00\nCreated: 2026-01-01T00:00:00\nMD5: ${md5(body)}\n`,
      );
    const layers = [
      packed(
        dockerLayer,
        { name: 'etc/nginx/nginx.conf', body: Buffer.from('x') },
        { name: 'bin/sh', type: '2', linkName: 'busybox' },
      ),
      packed(
        dockerLayer,
        at('waf/1.0.0/plugin.wasm'),
        at('waf/1.0.0/metadata.txt', metadata(module)),
        at('old/1.0.0/plugin.wasm'),
        at('gone/1.0.0/plugin.wasm'),
      ),
      packed(
        dockerLayer,
        at('key-auth/2.0.0/plugin.wasm', other),
        { name: 'usr/share/nginx/html/plugins/old/.wh.1.0.0' },
        { name: 'usr/share/nginx/html/plugins/.wh.gone' },
        { name: 'usr/share/nginx/html/index.wasm', body: Buffer.from('no') },
      ),
    ];
    const digest = await push(registry, ['higress/plugin-server', '2.2.4'], [layers, 'docker']);
    const run = await exported([`oci://${registry.host}/higress/plugin-server:2.2.4`]);
    expect(run.plugins.map(({ name, version }) => `${name}@${version}`)).toEqual([
      'key-auth@2.0.0',
      'waf@1.0.0',
    ]);
    expect(run.plugins[0]?.source).toMatchObject({ kind: 'image', digest });
    expect(run.modules).toEqual([sha256Of(other), sha256Of(module)]);
  });

  test('a tag that moved: diff tells which plugin changed', async () => {
    const registry = await startRegistry();
    const references = ['a', 'b'].map((name) => `oci://${registry.host}/plugins/${name}:1.0.0`);
    for (const name of ['a', 'b']) await push(registry, [`plugins/${name}`, '1.0.0'], [[raw()]]);
    const before = await exported(references);
    await push(registry, ['plugins/b', '1.0.0'], [[raw(other)]]);
    const after = await exported(references);
    const run = await cli([
      'diff',
      join(before.directory, 'set.tar.gz'),
      join(after.directory, 'set.tar.gz'),
      '--json',
    ]);
    expect(JSON.parse(run.stdout)).toMatchObject({
      changed: [
        {
          name: 'b',
          version: '1.0.0',
          before: { sha256: sha256Of(module) },
          after: { sha256: sha256Of(other) },
        },
      ],
      unchanged: 1,
    });
  });
});

const md5 = (bytes: Buffer): string => createHash('md5').update(bytes).digest('hex');

describe('what is stored in files', () => {
  /** An OCI layout of artifacts by name. */
  async function layout(artifacts: Readonly<Record<string, readonly PushedLayer[]>>): Promise<string> {
    const directory = join(await tempDir(), 'layout');
    await mkdir(join(directory, 'blobs/sha256'), { recursive: true });
    await writeFile(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    const manifests: object[] = [];
    for (const [name, layers] of Object.entries(artifacts)) {
      const { manifest, config: empty } = manifestOf(layers);
      for (const bytes of [manifest, ...[empty, ...layers].map((layer) => layer.bytes)])
        await writeFile(join(directory, 'blobs/sha256', sha256Of(bytes)), bytes);
      manifests.push({
        ...descriptor({ mediaType: 'application/vnd.oci.image.manifest.v1+json', bytes: manifest }),
        annotations: { 'org.opencontainers.image.ref.name': name },
      });
    }
    await writeFile(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
    return directory;
  }

  test('a layout directory, and its archive, give what is in them', async () => {
    const directory = await layout({
      'registry.example.com/plugins/waf:1.0.0': [raw()],
      '2.0.0': [packed(ociLayer, plugin(other))],
    });
    const archive = join(await tempDir(), 'layout.tar');
    execFileSync('tar', ['-C', directory, '-cf', archive, '.']);
    execFileSync('gzip', ['-k', archive]);
    for (const place of [directory, archive, `${archive}.gz`]) {
      expect((await exported([place])).error).toBe('E_SELECTION');
      const run = await exported([place, '--as', '2.0.0=key-auth@2.0.0']);
      expect(run.plugins.map(({ name }) => name)).toEqual(['key-auth', 'waf']);
      expect(run.modules).toEqual([sha256Of(other), sha256Of(module)]);
    }
    const [blob = ''] = await readdir(join(directory, 'blobs/sha256'));
    for (const name of await readdir(join(directory, 'blobs/sha256'))) {
      const path = join(directory, 'blobs/sha256', name);
      const bytes = await readFile(path);
      await writeFile(path, Buffer.concat([bytes, Buffer.from(' ')]));
    }
    expect(blob).not.toBe('');
    expect((await exported([directory])).error).toBe('E_DIGEST');
  });

  test('an archive of the older "docker save", of a plugin and of a plugin server', async () => {
    const layer = (name: string, ...entries: readonly RawEntry[]): RawEntry => ({
      name: `${name}/layer.tar`,
      body: rawTar(entries),
    });
    const save = async (images: readonly object[], ...layers: readonly RawEntry[]): Promise<string> => {
      const path = join(await tempDir(), 'saved.tar');
      await writeFile(
        path,
        rawTar([...layers, { name: 'manifest.json', body: Buffer.from(JSON.stringify(images)) }]),
      );
      return path;
    };
    const single = await save(
      [{ Config: 'c.json', RepoTags: ['r.example.com/plugins/waf:1.0.0'], Layers: ['aa/layer.tar'] }],
      layer('aa', plugin()),
    );
    expect((await exported([single])).plugins).toMatchObject([{ name: 'waf', version: '1.0.0' }]);
    const at = (path: string, body: Buffer): RawEntry => ({
      name: `usr/share/nginx/html/plugins/${path}`,
      body,
    });
    const image = await save(
      [{ Config: 'c.json', RepoTags: null, Layers: ['aa/layer.tar', 'bb/layer.tar'] }],
      layer('bb', at('a/1.0.0/plugin.wasm', other)),
      layer('aa', at('a/1.0.0/plugin.wasm', module), at('b/1.0.0/plugin.wasm', module)),
    );
    const run = await exported([image]);
    expect(run.plugins.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(run.modules).toEqual([sha256Of(other), sha256Of(module)]);
    const missing = await save([{ RepoTags: ['r.example.com/x/y:1.0.0'], Layers: ['none/layer.tar'] }]);
    expect((await exported([missing])).error).toBe('E_SOURCE');
    const strange = join(await tempDir(), 'strange.tar');
    await writeFile(strange, rawTar([{ name: 'x', body: Buffer.from('x') }]));
    expect((await exported([strange])).error).toBe('E_SOURCE');
  });
});
