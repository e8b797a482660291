import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { PlugferryError } from '../../src/errors.js';
import { exportBundle } from '../../src/operations/export.js';
import { inspectBundle } from '../../src/operations/inspect.js';
import { digestOf, sha256Of } from '../../src/stream/digest.js';
import { listPlugins } from '../../src/operations/list.js';
import { formatMetadata } from '../../src/plugin/metadata.js';
import { formatPluginId } from '../../src/plugin/plugin.js';
import { servePlugins } from '../../src/operations/serve.js';
import { pluginServerSource } from '../../src/source/plugin-server.js';
import type { Source } from '../../src/source/source.js';
import { surveyPlugin } from '../../src/source/survey.js';
import { hasNginx, startNginx } from '../helpers/nginx.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { tinyModule } from '../helpers/wasm.js';
import { serving, startWeb, type Handler, type Site, type Web } from '../helpers/web.js';

const module = Buffer.from(tinyModule('a', 3000));
const metadata = formatMetadata({ name: 'a', ...digestOf(module) });
const sha256 = sha256Of(module);
const ociDigest = `sha256:${'ab'.repeat(32)}`;

interface Opened {
  readonly source: Source;
  /** Where downloads may lie. */
  readonly scratch: string;
}

async function opened(location: string): Promise<Opened> {
  const scratch = await tempDir();
  const source = await pluginServerSource(location, { scratch, patience: { retryMs: [1] } });
  onTestFinished(() => source.close());
  return { source, scratch };
}

async function listed(location: string): Promise<{ ids: string[]; notes: readonly string[] }> {
  const { offers, notes } = await (await opened(location)).source.list();
  return { ids: offers.map(formatPluginId), notes };
}

async function fetched(location: string, reference: string) {
  const { source, scratch } = await opened(location);
  const offer = (await source.list()).offers.find((each) => formatPluginId(each) === reference);
  const plugin = await offer?.fetch();
  if (plugin === undefined) throw new Error(`${reference} is not offered`);
  return { plugin, bytes: await readFile(plugin.wasm), scratch, source };
}

async function refusal(work: Promise<unknown>): Promise<PlugferryError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PlugferryError);
  return error as PlugferryError;
}

/** A tree with everything that a server may have to offer. */
async function richTree(): Promise<string> {
  const directory = await tempDir();
  const long = `${'long-name-'.repeat(6)}end`;
  const root = await tinyTree(directory, {
    'waf@1.0.0': 'w',
    'waf@2.0.0+build.7': 'w2',
    'ai.proxy@latest-rc1': 'p',
    [`${long}@1.0.0`]: 'l',
  });
  await mkdir(join(root, 'a/1.0.0'), { recursive: true });
  await writeFile(join(root, 'a/1.0.0/plugin.wasm'), module);
  await writeFile(join(root, 'a/1.0.0/metadata.txt'), metadata);
  return directory;
}

const richIds = [
  'a@1.0.0',
  'ai.proxy@latest-rc1',
  `${'long-name-'.repeat(6)}end@1.0.0`,
  'waf@1.0.0',
  'waf@2.0.0+build.7',
];

async function serve(root: string): Promise<string> {
  const server = await servePlugins(
    { root, host: '127.0.0.1', port: 0, drainSeconds: 0 },
    new AbortController().signal,
  );
  onTestFinished(() => server.close());
  await server.ready;
  return server.url;
}

async function nginx(root: string, directives = ''): Promise<string> {
  const server = await startNginx(root, directives);
  onTestFinished(() => server.stop());
  return server.url;
}

describe('a real server', () => {
  const servers: [string, boolean, (root: string) => Promise<string>][] = [
    ['plugferry serve', true, serve],
    ['nginx, HTML', hasNginx, (root) => nginx(root)],
    ['nginx, JSON', hasNginx, (root) => nginx(root, 'autoindex_format json;')],
  ];

  test.each(servers.filter(([, there]) => there))(
    '%s: everything is listed and fetched',
    async (_name, _there, run) => {
      const directory = await richTree();
      const url = await run(directory);
      for (const location of [url, `${url}/`, `${url}/plugins`, `${url}/plugins/`]) {
        expect(await listed(location)).toEqual({ ids: richIds, notes: [] });
      }
      const { plugin, bytes, scratch, source } = await fetched(url, 'a@1.0.0');
      expect(bytes.equals(module)).toBe(true);
      expect(plugin.metadata?.toString()).toBe(metadata);
      expect(plugin.provenance).toEqual({
        kind: 'plugin-server',
        reference: `${url}/plugins/a/1.0.0/plugin.wasm`,
      });
      expect((await surveyPlugin(plugin)).provenance.digest).toBe(`sha256:${sha256}`);
      expect(dirname(dirname(plugin.wasm))).toBe(scratch);
      const other = await fetched(url, 'waf@2.0.0+build.7');
      expect(other.plugin.metadata).toBeUndefined();
      await source.close();
      expect(await readdir(scratch)).toEqual([]);
    },
  );

  test.each(servers.filter(([, there]) => there))(
    '%s: a copy is discarded before the rest',
    async (_name, _there, run) => {
      const { plugin } = await fetched(await run(await richTree()), 'a@1.0.0');
      await plugin.discard?.();
      expect(await readdir(dirname(plugin.wasm))).toEqual([]);
    },
  );

  test('plugferry serve states digests, which list shows without fetching', async () => {
    const url = await serve(await richTree());
    const { kind, plugins } = await listPlugins({ location: url });
    expect(kind).toBe('server');
    expect(plugins.find(({ name }) => name === 'a')).toEqual({
      name: 'a',
      version: '1.0.0',
      ...digestOf(module),
      stated: true,
    });
  });

  test.skipIf(!hasNginx)('nginx states none, so list reads every module', async () => {
    const directory = await richTree();
    await writeFile(join(directory, 'plugins/waf/1.0.0/plugin.wasm'), '<html>login</html>');
    const { plugins } = await listPlugins({ location: await nginx(directory) });
    expect(plugins.find(({ name }) => name === 'a')).toEqual({
      name: 'a',
      version: '1.0.0',
      ...digestOf(module),
    });
    expect(plugins.find(({ name }) => name === 'waf')?.problem).toContain('HTML');
  });

  test.skipIf(!hasNginx)('nginx: what is not a plugin is left out with a word', async () => {
    const directory = await tempDir();
    const root = await tinyTree(directory, { 'waf@1.0.0': 'w', 'Waf@1.0.0': 'x', 'waf@bad version': 'y' });
    await mkdir(join(root, 'empty'));
    await writeFile(join(root, 'README.md'), '');
    await writeFile(join(root, 'waf/notes.txt'), '');
    for (const directives of ['', 'autoindex_format json;']) {
      const { ids, notes } = await listed(await nginx(directory, directives));
      expect(ids).toEqual(['waf@1.0.0']);
      expect(notes).toEqual([
        'left out, not a plugin name or version: Waf/, waf/bad version/',
        'left out, no versions listed: empty/',
        'left out, not part of a plugin: README.md, waf/notes.txt',
      ]);
    }
  });

  test.skipIf(!hasNginx)('nginx without autoindex is listed by its snapshot inventory', async () => {
    const directory = await tempDir();
    await mkdir(join(directory, 'plugins/a/1.0.0'), { recursive: true });
    await writeFile(join(directory, 'plugins/a/1.0.0/plugin.wasm'), module);
    const url = await nginx(directory, 'autoindex off;');
    expect(await refusal(listed(url))).toMatchObject({
      code: 'E_SOURCE',
      details: { file: `${url}/plugins/` },
    });
    const entry = { version: '1.0.0', digest: ociDigest, wasmSha256: sha256 };
    await writeFile(join(directory, 'plugins/snapshot-inventory.json'), JSON.stringify({ a: entry }));
    expect((await listed(url)).ids).toEqual(['a@1.0.0']);
    expect((await fetched(url, 'a@1.0.0')).bytes.equals(module)).toBe(true);
  });

  test('an export of it is a bundle of it, and leaves nothing beside', async () => {
    const url = await serve(await richTree());
    const directory = await tempDir();
    const output = join(directory, 'set.tar.gz');
    const result = await exportBundle({ source: `${url}/plugins/`, output, include: ['a', 'waf'] });
    expect(result.plugins.map(formatPluginId)).toEqual(['a@1.0.0', 'waf@1.0.0', 'waf@2.0.0+build.7']);
    expect(await readdir(directory)).toEqual(['set.tar.gz']);
    const { manifest } = await inspectBundle({ bundle: output });
    expect(manifest.plugins[0]?.source).toEqual({
      kind: 'plugin-server',
      reference: `${url}/plugins/a/1.0.0/plugin.wasm`,
      digest: `sha256:${sha256}`,
    });
  });
});

const page = (...hrefs: readonly string[]): string =>
  `<html><body><h1>Index</h1><pre>${hrefs.map((href) => `<a href="${href}">cut off..&gt;</a>`).join('\n')}</pre></body></html>`;

/** A server with one plugin `a@1.0.0`, listed in HTML, and whatever a test puts in its place. */
const siteWith = (changes: Site = {}): Site => ({
  '/plugins/': page('../', 'a/'),
  '/plugins/a/': page('../', '1.0.0/'),
  '/plugins/a/1.0.0/plugin.wasm': module,
  '/plugins/a/1.0.0/metadata.txt': metadata,
  ...changes,
});
const web = (changes: Site = {}): Promise<Web> => startWeb(serving(siteWith(changes)));

const file = (name: string, bytes: Buffer, changes: object = {}) => {
  const digest = digestOf(bytes);
  return { name, path: `/plugins/a/1.0.0/${name}`, ...digest, etag: `"${digest.sha256}"`, ...changes };
};
const wasmFile = (changes: object = {}) => file('plugin.wasm', module, changes);
const index = (files: readonly object[], plugin: object = {}, more: object = {}): string =>
  JSON.stringify({
    type: 'plugferry.index/v1',
    plugins: [{ name: 'a', version: '1.0.0', files, ...plugin }],
    ...more,
  });

describe('a listing in HTML', () => {
  test.each([
    ['the site', '/x', ['/x']],
    ['other hosts', 'http://evil.invalid/a/', ['http://evil.invalid/a/']],
    ['other hosts without a scheme', '//evil.invalid/a/', ['//evil.invalid/a/']],
    ['this host by its full address', '/plugins/b/', ['/plugins/b/']],
    ['further up', '../../etc/', ['../../etc/']],
    ['further down', 'b/1.0.0/', ['b/1.0.0/']],
    ['encoded dots', '%2e%2e/', ['%2e%2e/']],
    ['an encoded slash', '..%2f..%2fetc/', ['..%2f..%2fetc/']],
    ['an encoded backslash', 'b%5cc/', ['b%5cc/']],
    ['an encoded NUL', 'b%00/', ['b%00/']],
    ['a backslash', '..\\etc/', ['..\\etc/']],
    ['a script', 'javascript:alert(1)/', ['javascript:alert(1)/']],
    ['broken encoding', 'b%zz/', ['b%zz/']],
    ['a query behind a name', 'b/?x=1', ['b/?x=1']],
  ])('links to %s are noted, and not followed', async (_what, href, notes) => {
    const server = await web({ '/plugins/': page('a/', href) });
    const found = await listed(server.url);
    expect(found.ids).toEqual(['a@1.0.0']);
    expect(found.notes).toEqual([`links not followed, they lead elsewhere: ${notes.join(', ')}`]);
    expect(server.asked.sort()).toEqual(
      ['/plugins/', '/plugins/a/', '/plugins/index.json', '/plugins/snapshot-inventory.json'].sort(),
    );
  });

  test('what every listing has is not worth a word', async () => {
    const { url } = await web({
      '/plugins/': page(
        '../',
        './',
        '/',
        '',
        '?C=N;O=D',
        '#top',
        'a/',
        './a/',
        'index.json',
        'snapshot-inventory.json',
      ),
    });
    expect(await listed(url)).toEqual({ ids: ['a@1.0.0'], notes: [] });
  });

  test('only links count, and what they point to', async () => {
    const { url } = await web({
      '/plugins/':
        '<!-- <a href="b/">b</a> --><base href="http://evil.invalid/"><link href="c/"><script>"<a href=\'d/\'>"</script>' +
        '<A HREF=a/>A<a name="e/">e/</a>',
    });
    expect(await listed(url)).toEqual({ ids: ['a@1.0.0'], notes: [] });
  });

  test('that lists itself for ever is two levels deep', async () => {
    const server = await startWeb((request, response) => {
      const there = (request.url ?? '').endsWith('/');
      response.writeHead(there ? 200 : 404, { 'content-type': 'text/html' }).end(page('a/', 'b/'));
    });
    expect((await listed(server.url)).ids).toEqual(['a@a', 'a@b', 'b@a', 'b@b']);
    expect(server.asked).toHaveLength(5);
  });

  test.each<[string, Site, string]>([
    [
      'more names than there are plugins',
      { '/plugins/': page(...Array.from({ length: 2001 }, (_, n) => `p${n}/`)) },
      'E_LIMIT',
    ],
    [
      'more versions than there are plugins',
      { '/plugins/a/': page(...Array.from({ length: 10_001 }, (_, n) => `${n}/`)) },
      'E_LIMIT',
    ],
    ['a page without end', { '/plugins/': page('a/'.repeat(3_000_000)) }, 'E_LIMIT'],
    ['no plugins', { '/plugins/': page('../') }, 'E_SELECTION'],
    ['nothing', { '/plugins/': (_request, response) => void response.writeHead(404).end() }, 'E_SOURCE'],
    [
      'a picture',
      {
        '/plugins/': (_request, response) =>
          void response.writeHead(200, { 'content-type': 'image/png' }).end(),
      },
      'E_SOURCE',
    ],
  ])('of %s is an error', async (_what, changes, code) => {
    const server = await web(changes);
    expect((await refusal(listed(server.url))).code).toBe(code);
    expect(server.asked.length).toBeLessThan(5);
  });

  test('below a prefix stays there', async () => {
    const site = Object.fromEntries(
      Object.entries(siteWith()).map(([path, there]) => [`/eu/edge${path}`, there]),
    );
    const server = await startWeb(serving(site));
    expect((await listed(`${server.url}/eu/edge`)).ids).toEqual(['a@1.0.0']);
    await fetched(`${server.url}/eu/edge/plugins/`, 'a@1.0.0');
    expect(server.asked.filter((path) => !path.startsWith('/eu/edge/plugins/'))).toEqual([]);
  });
});

describe('a listing in JSON', () => {
  const json = (...rows: readonly object[]): Handler => {
    return (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(rows));
    };
  };

  test('takes names as they are, and no steps astray', async () => {
    const names = ['a', 'a', '..', '.', '', '../x', 'b/c', 'b\\c', 'b%2fc'];
    const { url } = await web({ '/plugins/': json(...names.map((name) => ({ name, type: 'directory' }))) });
    expect(await listed(url)).toEqual({
      ids: ['a@1.0.0'],
      notes: [
        'left out, not a plugin name or version: b%2fc/',
        'links not followed, they lead elsewhere: .., ., , ../x, b/c and 1 more',
      ],
    });
  });

  test.each([
    ['a number', [{ name: 1, type: 'directory' }]],
    ['null', [null as unknown as object]],
    ['no type', [{ name: 'a' }]],
  ])('of another shape is refused: %s', async (_what, rows) => {
    const { url } = await web({ '/plugins/': json(...rows) });
    expect(await refusal(listed(url))).toMatchObject({
      code: 'E_SOURCE',
      details: { file: `${url}/plugins/` },
    });
  });
});

describe('index.json', () => {
  const text = file('metadata.txt', Buffer.from(metadata));

  test('is believed as to what there is, and nothing else is asked', async () => {
    const server = await web({ '/plugins/index.json': index([text, wasmFile()]) });
    await fetched(server.url, 'a@1.0.0');
    expect(server.asked).toEqual([
      '/plugins/index.json',
      '/plugins/snapshot-inventory.json',
      '/plugins/a/1.0.0/plugin.wasm',
      '/plugins/a/1.0.0/metadata.txt',
    ]);
  });

  test('that names no metadata is not asked for it', async () => {
    const server = await web({ '/plugins/index.json': index([wasmFile()]) });
    expect((await fetched(server.url, 'a@1.0.0')).plugin.metadata).toBeUndefined();
    expect(server.asked).not.toContain('/plugins/a/1.0.0/metadata.txt');
  });

  test('may be written in another form, by other hands', async () => {
    const pretty = JSON.stringify(JSON.parse(index([wasmFile()])), null, 7);
    const { url } = await web({ '/plugins/index.json': `\n${pretty}` });
    expect((await listed(url)).ids).toEqual(['a@1.0.0']);
  });

  test.each([
    ['another sha256', [wasmFile({ sha256: '0'.repeat(64) })], 'sha256 is'],
    ['another md5', [wasmFile({ md5: '0'.repeat(32) })], 'md5 is'],
    ['another size', [wasmFile({ size: 5 })], 'size is'],
    ['other metadata', [wasmFile(), { ...text, sha256: '0'.repeat(64) }], 'metadata.txt: sha256 is'],
  ])('that states %s than the bytes have is caught', async (_what, files, says) => {
    const { url } = await web({ '/plugins/index.json': index(files) });
    const { source, scratch } = await opened(url);
    const [offer] = (await source.list()).offers;
    const error = await refusal(offer!.fetch());
    expect(error.code).toBe('E_SOURCE');
    expect(error.message).toContain(says);
    expect(error.message).toContain('index.json says');
    expect(await readdir(join(scratch, (await readdir(scratch))[0]!))).toEqual([]);
  });

  test('that names files which are not there is caught', async () => {
    const gone: Handler = (_request, response) => void response.writeHead(404).end();
    const { url } = await web({
      '/plugins/index.json': index([wasmFile(), text]),
      '/plugins/a/1.0.0/metadata.txt': gone,
    });
    expect((await refusal(fetched(url, 'a@1.0.0'))).message).toContain('metadata.txt: there is nothing');
  });

  test.each([
    ['a name that is a path', index([wasmFile()], { name: '../a' })],
    ['a version that is a path', index([wasmFile()], { version: '..' })],
    ['a file of another plugin', index([wasmFile({ path: '/plugins/b/1.0.0/plugin.wasm' })])],
    ['a file twice', index([wasmFile(), wasmFile()])],
    ['a file that is no plugin’s', index([wasmFile({ name: 'x.sh' })])],
    ['a module beyond 256 MiB', index([wasmFile({ size: 2 ** 28 + 1 })])],
    ['an unknown field', index([wasmFile()], {}, { extra: 1 })],
    [
      'a plugin twice',
      index([], {}, { plugins: [0, 1].map(() => ({ name: 'a', version: '1', files: [] })) }),
    ],
    ['half a document', index([wasmFile()]).slice(0, -3)],
  ])('that is malformed is refused, not passed over: %s', async (_what, document) => {
    const { url } = await web({ '/plugins/index.json': document });
    const error = await refusal(listed(url));
    expect(error.code).toBe('E_SOURCE');
    expect(error.message).toContain(`${url}/plugins/index.json`);
  });

  test.each([
    ['of another program', '{"plugins":["b"]}'],
    ['that is a page', '<html>'],
    ['of a later format', index([]).replace('/v1', '/v2')],
  ])('%s is passed over with a word', async (_what, document) => {
    const { url } = await web({ '/plugins/index.json': document });
    expect(await listed(url)).toEqual({
      ids: ['a@1.0.0'],
      notes: [`${url}/plugins/index.json is not an index of plugins and was not used`],
    });
  });
});

describe('snapshot-inventory.json', () => {
  const entry = { version: '1.0.0', digest: ociDigest, wasmSha256: sha256 };
  const inventory = (rows: object): Site => ({ '/plugins/snapshot-inventory.json': JSON.stringify(rows) });

  test('agrees with the bytes, with and without an OCI digest', async () => {
    for (const row of [entry, { version: '1.0.0', wasmSha256: sha256 }]) {
      const { url } = await web(inventory({ a: row }));
      const { plugin, bytes } = await fetched(url, 'a@1.0.0');
      expect(bytes.equals(module)).toBe(true);
      expect(plugin.provenance.digest).toBe('digest' in row ? ociDigest : undefined);
    }
  });

  test('catches other bytes, also behind an index that agrees with them', async () => {
    const wrong = inventory({ a: { ...entry, wasmSha256: '0'.repeat(64) } });
    for (const changes of [wrong, { ...wrong, '/plugins/index.json': index([wasmFile()]) }]) {
      const { url } = await web(changes);
      const error = await refusal(fetched(url, 'a@1.0.0'));
      expect(error).toMatchObject({ code: 'E_SOURCE', details: { expected: '0'.repeat(64), found: sha256 } });
    }
  });

  test('names what the listing lacks, which then fails and is not silently missing', async () => {
    const { url } = await web(inventory({ a: entry, gone: entry }));
    expect((await listed(url)).ids).toEqual(['a@1.0.0', 'gone@1.0.0']);
    expect((await refusal(fetched(url, 'gone@1.0.0'))).message).toContain(
      'gone/1.0.0/plugin.wasm: there is nothing',
    );
  });

  test('that is malformed is refused', async () => {
    const { url } = await web(inventory({ '../a': entry }));
    expect((await refusal(listed(url))).code).toBe('E_SOURCE');
  });
});

describe('a plugin', () => {
  const answer =
    (type: string, bytes: string | Buffer): Handler =>
    (_request, response) => {
      response.writeHead(200, { 'content-type': type }).end(bytes);
    };
  const wasm = '/plugins/a/1.0.0/plugin.wasm';
  const text = '/plugins/a/1.0.0/metadata.txt';

  test.each<[string, Site, string, string]>([
    [
      'a listed module that is not there',
      { [wasm]: (_request, response) => void response.writeHead(404).end() },
      'E_SOURCE',
      'there is nothing',
    ],
    [
      'a page in its place',
      { [wasm]: answer('text/html; charset=utf-8', '<html>login</html>') },
      'E_SOURCE',
      'sends a page',
    ],
    [
      'a page under the type of a module',
      { [wasm]: answer('application/wasm', '<html>login</html>') },
      'E_WASM',
      'HTML',
    ],
    ['a module cut off by the server', { [wasm]: module.subarray(0, 900) }, 'E_WASM', 'cut short'],
    [
      'metadata of another module',
      { [text]: formatMetadata({ name: 'a', size: 1, md5: '0'.repeat(32) }) },
      'E_METADATA',
      'Size',
    ],
    ['metadata that is a page', { [text]: answer('text/html', '<html>') }, 'E_METADATA', 'line 1'],
    ['metadata without end', { [text]: 'x'.repeat(70_000) }, 'E_LIMIT', '65536'],
    [
      'a module of 10 GB',
      {
        [wasm]: (_request, response) => {
          response.writeHead(200, { 'content-length': 10_000_000_000 });
          response.write(module);
        },
      },
      'E_LIMIT',
      '268435456',
    ],
    [
      'a module elsewhere',
      {
        [wasm]: (_request, response) =>
          void response.writeHead(302, { location: 'http://evil.invalid/plugin.wasm' }).end(),
      },
      'E_NETWORK',
      'redirect to http://evil.invalid',
    ],
  ])('%s: export says so, and nothing is written', async (...[, changes, code, says]) => {
    const { url } = await web(changes);
    const directory = await tempDir();
    const error = await refusal(exportBundle({ source: url, output: join(directory, 'set.tar.gz') }));
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(says)]);
    expect(error.message).toContain('a/1.0.0/');
    expect(await readdir(directory)).toEqual([]);
  });

  test('that breaks off is fetched again', async () => {
    let turn = 0;
    const { url } = await web({
      [wasm]: (_request, response) => {
        turn += 1;
        if (turn > 2) response.writeHead(200, { 'content-type': 'application/wasm' }).end(module);
        else if (turn > 1) response.writeHead(503).end();
        else {
          response.writeHead(200, { 'content-length': module.length });
          response.write(module.subarray(0, 1000), () => response.socket?.end());
        }
      },
    });
    const directory = await tempDir();
    const { plugins } = await exportBundle({ source: url, output: join(directory, 'set.tar.gz') });
    expect(plugins).toMatchObject([{ name: 'a', version: '1.0.0', sha256 }]);
    expect(turn).toBe(3);
  });

  test('of a server that breaks down is an error of the network', async () => {
    const { url } = await web({ [wasm]: (request) => void request.socket.destroy() });
    const error = await refusal(fetched(url, 'a@1.0.0'));
    expect([error.code, error.message]).toEqual(['E_NETWORK', expect.stringContaining(`${url}${wasm}`)]);
    expect(error.hint).toBeDefined();
  });

  test('without metadata gets ours', async () => {
    const { url } = await web({ [text]: (_request, response) => void response.writeHead(404).end() });
    expect((await fetched(url, 'a@1.0.0')).plugin.metadata).toBeUndefined();
  });

  test('of a server that wants a login is fetched with it, and the bundle does not tell', async () => {
    const expected = `Basic ${Buffer.from('ada:secret').toString('base64')}`;
    const handler = serving(siteWith());
    const server = await startWeb((request, response) => {
      if (request.headers.authorization === expected) handler(request, response);
      else response.writeHead(401).end();
    });
    const directory = await tempDir();
    const output = join(directory, 'set.tar.gz');
    await exportBundle({ source: server.url.replace('//', '//ada:secret@'), output });
    const inspection = await inspectBundle({ bundle: output });
    expect(JSON.stringify(inspection)).not.toContain('secret');
    expect(inspection.manifest.plugins[0]?.source.reference).toBe(`${server.url}${wasm}`);
    const error = await refusal(listed(server.url.replace('//', '//ada:secrets@')));
    expect([error.code, error.message]).toEqual(['E_NETWORK', expect.not.stringContaining('secrets')]);
    expect(error.message).toContain('status 401');
  });
});

describe('an interrupt', () => {
  const reason = new PlugferryError('E_INTERRUPTED', 'interrupted');

  test.each([
    ['the list', '/plugins/'],
    ['a module', '/plugins/a/1.0.0/plugin.wasm'],
    ['metadata', '/plugins/a/1.0.0/metadata.txt'],
  ])('while %s comes leaves nothing', async (_what, path) => {
    const controller = new AbortController();
    const { url } = await web({
      [path]: (_request, response) => {
        response.writeHead(200, { 'content-type': path.endsWith('/') ? 'text/html' : 'text/plain' });
        response.write('x', () => {
          controller.abort(reason);
        });
      },
    });
    const directory = await tempDir();
    const output = join(directory, 'set.tar.gz');
    await expect(exportBundle({ source: url, output, signal: controller.signal })).rejects.toBe(reason);
    expect(await readdir(directory)).toEqual([]);
  });
});

test.each([
  ['ftp://host/plugins/', 'not a kind of source'],
  ['http://host/plugins/?x=1', 'query'],
  ['http://', 'not an http'],
])('%s is a wrong call', async (source, says) => {
  const output = join(await tempDir(), 'set.tar.gz');
  const error = await refusal(exportBundle({ source, output }));
  expect([error.code, error.message]).toEqual(['E_USAGE', expect.stringContaining(says)]);
});
