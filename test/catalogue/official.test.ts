import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inspectBundle } from '../../src/index.js';
import { sha256Of } from '../../src/stream/digest.js';
import { tarGz } from '../helpers/bundle.js';
import { cli, errorCode } from '../helpers/cli.js';
import { get } from '../helpers/http.js';
import { hasNginx, startNginx } from '../helpers/nginx.js';
import {
  officialNames,
  officialProperties,
  officialRegistry,
  officialRepository,
} from '../helpers/official.js';
import {
  hasRegistry,
  moduleLayer,
  ociLayer,
  push,
  startRegistry,
  type Registry,
} from '../helpers/registry.js';
import { startServe } from '../helpers/server.js';
import { tempDir } from '../helpers/temp.js';
import { tinyModule } from '../helpers/wasm.js';

const configType = 'application/vnd.module.wasm.config.v1+json';

/** Pushes a module as one of the forms that official plugins have had: raw, raw beside its configuration, in a tar.gz. */
function pushPlugin(registry: Registry, at: readonly [string, string], seed: string): Promise<string> {
  const bytes = tinyModule(seed, 2000);
  const raw = { mediaType: moduleLayer, bytes };
  const forms = [
    [raw],
    [{ mediaType: configType, bytes: Buffer.from('{}') }, raw],
    [{ mediaType: ociLayer, bytes: tarGz([{ name: 'plugin.wasm', body: bytes }]) }],
  ];
  return push(registry, at, [forms[(seed.codePointAt(0) ?? 0) % forms.length] ?? []]);
}

const exported = async (directory: string, args: readonly string[]) =>
  cli(['export', ...args, '--plain-http'], { cwd: directory });

describe.skipIf(!hasRegistry)('the official lists, from a registry of the tests', () => {
  test('the 43 lines of plugin-server: one command, and all its URLs are answered, by serve and by nginx', async () => {
    const registry = await startRegistry();
    for (const name of officialNames) await pushPlugin(registry, [officialRepository(name), '2.0.0'], name);
    const directory = await tempDir();
    await writeFile(join(directory, 'plugins.properties'), officialProperties());
    const line = [
      'plugins.properties',
      '-o',
      'edge.tar.gz',
      '--mirror',
      registry.host,
      '--also-version',
      '1.0.0',
    ];
    const run = await exported(directory, line);
    expect([run.code, run.stderr.match(/^reading /gm)?.length]).toEqual([0, 86]);

    const { plugins } = (await inspectBundle({ bundle: join(directory, 'edge.tar.gz') })).manifest;
    expect(plugins).toHaveLength(86);
    for (const { source } of plugins) {
      expect(source.reference).toMatch(
        new RegExp(`^oci://${registry.host}/(?:plugins|mcp-server)/[a-z-]+:2\\.0\\.0$`),
      );
      expect(source.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    }
    const into = ['import', 'edge.tar.gz', '--to', 'volume', '--insecure-skip-signature'];
    expect(await cli(into, { cwd: directory })).toMatchObject({ code: 0 });

    const volume = join(directory, 'volume');
    const server = await startServe(volume);
    const nginx = hasNginx ? await startNginx(volume) : undefined;
    try {
      for (const url of [server.url, ...(nginx === undefined ? [] : [nginx.url])]) {
        for (const path of ['/', '/plugins/'])
          expect([path, (await get(url, path)).status]).toEqual([path, 200]);
        for (const name of officialNames) {
          expect((await get(url, `/plugins/${name}/`)).status).toBe(200);
          for (const version of ['1.0.0', '2.0.0']) {
            const path = `/plugins/${name}/${version}/`;
            expect([path, (await get(url, path)).status]).toEqual([path, 200]);
            const { status, body, headers } = await get(url, `${path}plugin.wasm`);
            expect([status, headers['content-type'], headers['content-length']]).toEqual([
              200,
              'application/wasm',
              String(body.length),
            ]);
            expect(sha256Of(body)).toBe(sha256Of(tinyModule(name, 2000)));
            const metadata = await get(url, `${path}metadata.txt`);
            expect([metadata.status, String(metadata.body).split('\n')[0]]).toEqual([
              200,
              `Plugin Name: ${name}`,
            ]);
          }
        }
      }
    } finally {
      await server.stop();
      await nginx?.stop();
    }
  });

  test('a tag that moved: diff tells which plugin changed', async () => {
    const registry = await startRegistry();
    const directory = await tempDir();
    const names = ['waf', 'cors', 'opa'];
    for (const name of names) await pushPlugin(registry, [`plugins/${name}`, '1.0.0'], name);
    const lines = names.map((name) => `${name}=oci://${registry.host}/plugins/${name}:1.0.0`);
    await writeFile(join(directory, 'plugins.properties'), lines.join('\n'));
    expect(await exported(directory, ['plugins.properties', '-o', 'one.tar.gz'])).toMatchObject({ code: 0 });
    await pushPlugin(registry, ['plugins/cors', '1.0.0'], 'cors, moved');
    expect(await exported(directory, ['plugins.properties', '-o', 'two.tar.gz'])).toMatchObject({ code: 0 });
    const run = await cli(['diff', 'one.tar.gz', 'two.tar.gz', '--json', '--exit-code'], { cwd: directory });
    const result = JSON.parse(run.stdout) as {
      changed: { name: string }[];
      added: unknown[];
      removed: unknown[];
    };
    expect(run.code).toBe(20);
    expect(result.changed.map(({ name }) => name)).toEqual(['cors']);
    expect([result.added, result.removed]).toEqual([[], []]);
  });

  test('a snapshot and a lock: by digest, with aliases; what has another digest is refused', async () => {
    const registry = await startRegistry();
    const directory = await tempDir();
    const examples = join(import.meta.dirname, '../../examples/catalogues');
    const converter = await pushPlugin(registry, ['plugins/jsonrpc-converter', '2.0.1'], 'json-converter');
    const auth = await pushPlugin(registry, ['plugins/key-auth', '2.0.0'], 'key-auth');
    const [snapshot, lock] = await Promise.all(
      ['snapshot.json', 'unmanaged-plugins.lock.json'].map((file) => readFile(join(examples, file), 'utf8')),
    );
    const sha256 = sha256Of(tinyModule('key-auth', 2000));
    await writeFile(
      join(directory, 'snapshot.json'),
      snapshot?.replace(/sha256:[0-9a-f]{64}/, converter) ?? '',
    );
    await writeFile(
      join(directory, 'lock.json'),
      lock?.replace(/sha256:[0-9a-f]{64}/, auth).replace(/"[0-9a-f]{64}"/, `"${sha256}"`) ?? '',
    );
    const mirror = ['--mirror', `${officialRegistry}=${registry.host}`];
    const run = await exported(directory, ['snapshot.json', 'lock.json', '-o', 'out.tar.gz', ...mirror]);
    expect(run.code).toBe(0);
    const { plugins } = (await inspectBundle({ bundle: join(directory, 'out.tar.gz') })).manifest;
    expect(plugins.map(({ name, version, source }) => [`${name}@${version}`, source.digest])).toEqual([
      ['json-converter@2.0.1', converter],
      ['jsonrpc-converter@2.0.1', converter],
      ['key-auth@2.0.0', auth],
    ]);

    await writeFile(
      join(directory, 'other.json'),
      lock?.replace(/sha256:[0-9a-f]{64}/, auth).replace(/"[0-9a-f]{64}"/, `"${'e'.repeat(64)}"`) ?? '',
    );
    const other = await exported(directory, ['other.json', '-o', 'other.tar.gz', ...mirror, '--json']);
    expect(errorCode(other)).toBe('E_SOURCE');
    expect(other.stderr).toContain(`other.json: "key-auth": the module has sha256 ${sha256}`);

    await writeFile(join(directory, 'gone.json'), snapshot ?? '');
    const gone = await exported(directory, ['gone.json', '-o', 'gone.tar.gz', ...mirror, '--json']);
    expect(gone.code).not.toBe(0);
    expect(gone.stderr).toContain('gone.json: jsonrpc-converter: ');
  });
});
