import { createHash } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { exportBundle, inspectBundle, isPlugferryError, type ExportOptions } from '../../src/index.js';
import { sha256Of } from '../../src/stream/digest.js';
import {
  dockerLayer,
  hasRegistry,
  moduleLayer,
  ociLayer,
  push,
  startRegistry,
  type PushedLayer,
} from '../helpers/registry.js';
import { rawTar, type RawEntry } from '../helpers/tar.js';
import { tempDir } from '../helpers/temp.js';
import { growthOf, type Task } from '../helpers/work.js';
import { tinyModule } from '../helpers/wasm.js';
import { canMount, mounted } from '../volume/mount.js';

const [one, two] = [tinyModule('one', 2000), tinyModule('two', 2000)];
const root = 'usr/share/nginx/html/plugins';
const at = (path: string, body: Buffer | string = one): RawEntry => ({
  name: `${root}/${path}`,
  body: Buffer.from(body),
});
const directory = (path: string): RawEntry => ({ name: `${root}/${path}/`, type: '5' });
const metadataOf = (wasm: Buffer): string =>
  `Plugin Name: waf\nSize: ${wasm.length} bytes\nLast Modified: 2026-01-01T00:00:00\nCreated: 2026-01-01T00:00:00\n` +
  `MD5: ${createHash('md5').update(wasm).digest('hex')}\n`;

/** What `docker save` of before version 25 writes, with the digests that it states. */
async function saved(
  layers: readonly (readonly RawEntry[])[],
  {
    tag = 'r.example.com/higress/plugin-server:2.2.4',
    harm,
  }: { tag?: string; harm?: 'layer' | 'config' } = {},
): Promise<{ readonly path: string; readonly id: string }> {
  const tars = layers.map((entries) => rawTar(entries));
  const config = Buffer.from(
    JSON.stringify({ rootfs: { type: 'layers', diff_ids: tars.map((tar) => `sha256:${sha256Of(tar)}`) } }),
  );
  const id = sha256Of(config);
  const image = {
    Config: `${id}.json`,
    RepoTags: [tag],
    Layers: tars.map((_, index) => `${index}/layer.tar`),
  };
  const path = join(await tempDir(), 'saved.tar');
  await writeFile(
    path,
    rawTar([
      { name: `${id}.json`, body: harm === 'config' ? Buffer.concat([config, Buffer.from(' ')]) : config },
      ...tars.map((tar, index) => ({
        name: `${index}/layer.tar`,
        body: harm === 'layer' ? Buffer.concat([tar, Buffer.alloc(512)]) : tar,
      })),
      { name: 'manifest.json', body: Buffer.from(JSON.stringify([image])) },
    ]),
  );
  return { path, id: `sha256:${id}` };
}

/** `name@version` and SHA-256 of each plugin, and where they come from. */
async function exported(source: string, more: Partial<ExportOptions> = {}) {
  const output = join(await tempDir(), 'out.tar.gz');
  await exportBundle({ source, output, ...more });
  const { plugins, files } = (await inspectBundle({ bundle: output })).manifest;
  return plugins.map(({ name, version, source: { kind, digest } }) => {
    const file = files.find(({ path }) => path === `plugins/${name}/${version}/plugin.wasm`);
    return { id: `${name}@${version}`, sha256: file?.sha256, kind, digest };
  });
}

async function refusal(source: string, more: Partial<ExportOptions> = {}) {
  const scratch = await tempDir();
  const error: unknown = await exportBundle({ source, output: join(scratch, 'out.tar.gz'), ...more }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(await readdir(scratch)).toEqual([]);
  if (isPlugferryError(error)) return error;
  throw new Error(`not refused: ${String(error)}`);
}

const exportOf = async (source: string): Promise<Task> => ({
  args: ['export', source, '--plugin', 'waf', '-o', join(await tempDir(), 'out.tar.gz')],
});

describe('an image of a plugin server', () => {
  test('is known by its own digest, and its layers by theirs', async () => {
    const layers = [[at('waf/1.0.0/plugin.wasm'), at('waf/1.0.0/metadata.txt', metadataOf(one))]];
    const { path, id } = await saved(layers);
    expect(await exported(path)).toEqual([
      { id: 'waf@1.0.0', sha256: sha256Of(one), kind: 'image', digest: id },
    ]);
    for (const harm of ['layer', 'config'] as const)
      expect(await refusal((await saved(layers, { harm })).path)).toMatchObject({
        code: 'E_DIGEST',
        message: expect.stringContaining('is damaged') as string,
      });
  });

  test('may have one module under two names by a hard link', async () => {
    const link = {
      name: `${root}/waf/2.0.0/plugin.wasm`,
      type: '1',
      linkName: `${root}/waf/1.0.0/plugin.wasm`,
    };
    const { path } = await saved([[at('waf/1.0.0/plugin.wasm'), link]]);
    expect((await exported(path)).map(({ id, sha256 }) => [id, sha256])).toEqual([
      ['waf@1.0.0', sha256Of(one)],
      ['waf@2.0.0', sha256Of(one)],
    ]);
    const { path: astray } = await saved([[{ ...link, linkName: 'etc/passwd' }]]);
    expect((await refusal(astray)).message).toContain('as a link, expected a file');
  });

  test('1: a download that failed when it was built is not passed over', async () => {
    const { path } = await saved([[directory('waf/1.0.0'), at('opa/1.0.0/plugin.wasm')]]);
    expect(await refusal(path)).toMatchObject({
      code: 'E_SOURCE',
      message: expect.stringContaining(`/${root}/waf/1.0.0/plugin.wasm: there is nothing`) as string,
    });
    expect((await exported(path, { exclude: ['waf'] })).map(({ id }) => id)).toEqual(['opa@1.0.0']);
  });

  test('has nothing of what a later layer takes away, directories included', async () => {
    const first = [directory('waf/1.0.0'), directory('old/1.0.0'), at('old/1.0.0/plugin.wasm')];
    const second = [
      { name: `${root}/waf/.wh.1.0.0` },
      { name: `${root}/old/.wh..wh..opq` },
      at('old/2.0.0/plugin.wasm', two),
    ];
    expect((await exported((await saved([first, second])).path)).map(({ id }) => id)).toEqual(['old@2.0.0']);
  });

  test.each([
    ['files that are taken away one by one', (name: string) => `${name}/1.0.0/.wh.plugin.wasm`],
    ['directories that are taken away one by one', (name: string) => `.wh.${name}`],
    ['directories that are emptied one by one', (name: string) => `${name}/.wh..wh..opq`],
    ['whiteouts of what is not there', (name: string) => `no-${name}/1.0.0/.wh.plugin.wasm`],
  ])('takes work in proportion to %s', async (_what, whiteout) => {
    const { growth, runs } = await growthOf(80, async (count) => {
      const names = Array.from({ length: count }, (_, index) => `p${index}`);
      const files = names.map((name) => at(`${name}/1.0.0/plugin.wasm`, 'x'));
      const whiteouts = names.map((name) => ({ name: `${root}/${whiteout(name)}` }));
      return exportOf((await saved([files, [...whiteouts, at('waf/1.0.0/plugin.wasm')]])).path);
    });
    expect(runs).toEqual(runs.map(() => expect.objectContaining({ code: 0 }) as unknown));
    expect(growth).toBeLessThan(2.5);
  });

  test('takes work in proportion to its hard links', async () => {
    const { growth, runs } = await growthOf(80, async (count) => {
      const links = Array.from({ length: count }, (_, index) => ({
        name: `${root}/p${index}/1.0.0/plugin.wasm`,
        type: '1',
        linkName: `${root}/waf/1.0.0/plugin.wasm`,
      }));
      return exportOf((await saved([[at('waf/1.0.0/plugin.wasm'), ...links]])).path);
    });
    expect(runs).toEqual(runs.map(() => expect.objectContaining({ code: 0 }) as unknown));
    expect(growth).toBeLessThan(2.5);
  });

  test('keeps what lies beside what a layer takes away, and what a name only begins with', async () => {
    const first = [at('waf/1.0.0/plugin.wasm'), at('waf/1.0.00/plugin.wasm'), at('waf2/1.0.0/plugin.wasm')];
    const second = [
      { name: `${root}/waf/.wh.1.0.0` },
      { name: `${root}/wa/.wh..wh..opq` },
      { name: `usr/share/.wh.nginx2` },
    ];
    const kept = await exported((await saved([first, second])).path);
    expect(kept.map(({ id }) => id)).toEqual(['waf@1.0.00', 'waf2@1.0.0']);
    for (const above of ['.wh..wh..opq', '.wh.usr', 'usr/.wh.share', 'usr/share/nginx/.wh..wh..opq']) {
      const { path } = await saved([first, [{ name: above }], [at('waf/9.0.0/plugin.wasm')]]);
      expect((await exported(path)).map(({ id }) => id)).toEqual(['waf@9.0.0']);
    }
  });

  test('is held against its own inventory', async () => {
    const inventory = (wasm: Buffer): RawEntry =>
      at(
        'snapshot-inventory.json',
        JSON.stringify({
          waf: { version: '1.0.0', digest: `sha256:${'a'.repeat(64)}`, wasmSha256: sha256Of(wasm) },
        }),
      );
    const right = await saved([[at('waf/1.0.0/plugin.wasm'), inventory(one)]]);
    expect(await exported(right.path)).toHaveLength(1);
    const wrong = await saved([[at('waf/1.0.0/plugin.wasm'), inventory(two)]]);
    expect((await refusal(wrong.path)).message).toContain('but snapshot-inventory.json says');
    const missing = await saved([[at('opa/1.0.0/plugin.wasm'), inventory(one)]]);
    expect((await refusal(missing.path)).message).toContain('waf/1.0.0/plugin.wasm: there is nothing');
  });

  test.skipIf(!hasRegistry)('may have but one layer, and one plugin', async () => {
    const registry = await startRegistry();
    const bytes = gzipSync(rawTar([at('waf/1.0.0/plugin.wasm')]));
    const layers = [{ mediaType: dockerLayer, bytes }];
    await push(registry, ['higress/plugin-server', '2.2.4'], [layers, 'docker']);
    const source = `oci://${registry.host}/higress/plugin-server:2.2.4`;
    expect((await exported(source, { registries: { plainHttp: true } })).map(({ id }) => id)).toEqual([
      'waf@1.0.0',
    ]);
  });
});

test.skipIf(!canMount)('a full disk is said to be one, not a damaged image', async () => {
  const disk = await mounted('size=256k');
  const large = tinyModule('large', 400_000);
  const { path } = await saved([[at('waf/1.0.0/plugin.wasm', large)]]);
  await expect(exportBundle({ source: path, output: join(disk, 'out.tar.gz') })).rejects.toMatchObject({
    code: 'E_NO_SPACE',
  });
  expect(await readdir(disk)).toEqual([]);
});

describe('metadata.txt in an artifact', () => {
  const layer = (...entries: readonly RawEntry[]): PushedLayer => ({
    mediaType: ociLayer,
    bytes: gzipSync(rawTar(entries)),
  });
  const packed = (name: string, text: string): PushedLayer =>
    layer({ name: 'plugin.wasm', body: one }, { name, body: Buffer.from(text) });

  test.skipIf(!hasRegistry)('travels along from beside the module, if it is right', async () => {
    const registry = await startRegistry();
    const artifacts = {
      right: packed('metadata.txt', metadataOf(one)),
      wrong: packed('metadata.txt', metadataOf(two.subarray(1))),
      elsewhere: packed('docs/metadata.txt', 'not what it is called'),
      none: { mediaType: moduleLayer, bytes: one },
    };
    for (const [tag, each] of Object.entries(artifacts)) await push(registry, ['plugins/waf', tag], [[each]]);
    const more = { registries: { plainHttp: true } };
    const source = (tag: string): string => `oci://${registry.host}/plugins/waf:${tag}`;
    const output = join(await tempDir(), 'metadata.tar.gz');
    await exportBundle({ source: source('right'), output, ...more });
    const { files } = (await inspectBundle({ bundle: output })).manifest;
    const metadata = files.find(({ path }) => path === 'plugins/waf/right/metadata.txt');
    expect(metadata?.sha256).toBe(sha256Of(Buffer.from(metadataOf(one))));
    expect((await refusal(source('wrong'), more)).code).toBe('E_METADATA');
    for (const tag of ['elsewhere', 'none']) expect(await exported(source(tag), more)).toHaveLength(1);
  });
});
