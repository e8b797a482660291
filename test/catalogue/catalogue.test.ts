import { describe, expect, test } from 'vitest';
import { readCatalogue, type CatalogueKind } from '../../src/catalogue/read.js';
import { formatReference, idOfReference, parseReference } from '../../src/catalogue/reference.js';
import { isPlugferryError } from '../../src/errors.js';
import { officialNames, officialProperties } from '../helpers/official.js';

const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;
const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** `name@version reference` of each entry, in the order of the text. */
function linesOf(file: string, text: string, kind?: CatalogueKind): string[] {
  const { entries } = readCatalogue({ file, text }, kind);
  return entries.map(
    ({ id, reference }) =>
      `${id === undefined ? '?' : `${id.name}@${id.version}`} ${formatReference(reference)}`,
  );
}

function refusal(file: string, text: string): string {
  try {
    readCatalogue({ file, text });
  } catch (error) {
    if (isPlugferryError(error)) return `${error.code} ${error.message}`;
    throw error;
  }
  throw new Error('not refused');
}

describe('a reference', () => {
  test.each([
    ['oci://registry.example/plugins/key-auth:1.0.0', 'key-auth@1.0.0'],
    ['registry.example:5000/plugins/key-auth:1.0.0', 'key-auth@1.0.0'],
    ['OCI://localhost/key-auth:latest-rc1', 'key-auth@latest-rc1'],
    ['oci://registry.example/plugins/key-auth', 'key-auth@latest'],
    [`oci://registry.example/plugins/key-auth:1.0.0@${digest('a')}`, 'key-auth@1.0.0'],
    [`oci://registry.example/plugins/key-auth@${digest('a')}`, undefined],
    ['oci://registry.example/mcp-server/all-in-one:1.0.0', 'mcp-server@1.0.0'],
    ['oci://registry.example/plugins/jsonrpc-converter:2.0.1', 'json-converter@2.0.1'],
    ['oci://[::1]:5000/a/b:1', 'b@1'],
    ['http://host:8080/plugins/key-auth/1.0.0/plugin.wasm', 'key-auth@1.0.0'],
    ['https://host/software/ai-proxy-1.0.0.wasm', 'ai-proxy@1.0.0'],
    ['https://host/software/main.wasm', undefined],
    ['https://host/%2e%2e/1.0.0/plugin.wasm', undefined],
    ['file:///opt/plugins/waf/1.0.0/plugin.wasm', 'waf@1.0.0'],
  ])('%s is %s', (text, expected) => {
    const reference = parseReference(text);
    const id = reference && idOfReference(reference);
    expect(reference).toBeDefined();
    expect(id && `${id.name}@${id.version}`).toBe(expected);
  });

  test.each([
    ['no registry', 'oci://plugins/key-auth:1.0.0'],
    ['no repository', 'oci://registry.example'],
    ['a blank', 'oci://registry.example/key auth:1'],
    ['capitals in the repository', 'oci://registry.example/Key-Auth:1'],
    ['a way up', 'oci://registry.example/../key-auth:1'],
    ['a short digest', 'oci://registry.example/a@sha256:abc'],
    ['another hash', `oci://registry.example/a@sha512:${'a'.repeat(128)}`],
    ['a user', 'oci://user:password@registry.example/a:1'],
    ['a line feed', 'oci://registry.example/a:1\n'],
    ['a pattern', 'oci://registry.example/${name}:1'],
    ['no end', `oci://registry.example/${'a'.repeat(2000)}:1`],
    ['another scheme', 'ftp://registry.example/a.wasm'],
    ['a query', 'https://host/a-1.0.0.wasm?signature=x'],
  ])('%s is none', (_what, text) => {
    expect(parseReference(text)).toBeUndefined();
  });
});

describe('plugins.properties', () => {
  test('the 43 lines of plugin-server, in its order', () => {
    const lines = linesOf('plugins.properties', officialProperties());
    expect(lines.map((line) => line.split('@')[0])).toEqual([...officialNames]);
    expect(lines).toHaveLength(43);
    expect(lines).toContain(
      'mcp-server@2.0.0 oci://higress-registry.cn-hangzhou.cr.aliyuncs.com/mcp-server/all-in-one:2.0.0',
    );
    expect(lines).toContain(
      'json-converter@2.0.0 oci://higress-registry.cn-hangzhou.cr.aliyuncs.com/plugins/jsonrpc-converter:2.0.0',
    );
  });

  test.each([
    ['blanks around', '  waf  =  oci://r.example/p/waf:1.0.0  '],
    ['no scheme', 'waf=r.example/p/waf:1.0.0'],
    ['CRLF', '# c\r\nwaf=oci://r.example/p/waf:1.0.0\r\n'],
    ['a byte order mark', '\ufeff# c\nwaf=oci://r.example/p/waf:1.0.0'],
    ['a colon, as Java has it', 'waf: oci://r.example/p/waf:1.0.0'],
    ['a blank, as Java has it', 'waf oci://r.example/p/waf:1.0.0'],
    ['a comment, as Java has it', '! c\nwaf=oci://r.example/p/waf:1.0.0'],
    ['escapes, as Java has them', 'w\\u0061f=oci\\://r.example/p/waf\\:1.0.0'],
    ['a line that goes on, as in Java', 'waf=oci://r.example/\\\n    p/waf:1.0.0'],
    ['the same behind CRLF', 'waf=oci://r.example/\\\r\n    p/waf:1.0.0\r\n'],
  ])('%s', (_what, text) => {
    expect(linesOf('plugins.properties', text)).toEqual(['waf@1.0.0 oci://r.example/p/waf:1.0.0']);
  });

  test.each([
    ['no separator', 'waf=oci://r.example/p/waf:1\n\nbroken\n', ':3: nothing is said of "broken"'],
    ['no value', 'waf=\n', ':1: nothing is said of "waf"'],
    ['a name twice', 'waf=r.example/a:1\n# c\nwaf=r.example/a:2\n', ':3: "waf" is there already in line 1'],
    ['a name twice, in an escape', 'waf=r.example/a:1\nw\\u0061f=r.example/a:1', ':2: "waf"'],
    ['a name that leads up', '../waf=r.example/a:1', ':1: "../waf" is not a plugin name'],
    [
      'a reference that is none',
      'waf=oci://r.example/a:1 # c',
      ':1: "oci://r.example/a:1 # c" is not a reference',
    ],
    [
      'a line that swallows the next',
      'waf=r.example/a:1\\\ncors=r.example/b:1',
      ':1: "r.example/a:1cors=r.example/b:1"',
    ],
    ['behind CR alone', '# c\rwaf=r.example/a:1\rbroken', ':3: nothing is said of "broken"'],
    ['a password', 'waf=oci://user:secret@r.example/a:1', ':1: "oci://r.example/a:1"'],
  ])('%s is refused with its line', (_what, text, says) => {
    expect(refusal('plugins.properties', text)).toContain(`E_SOURCE plugins.properties${says}`);
  });

  test('a digest alone leaves the version open', () => {
    expect(linesOf('plugins.properties', `waf=r.example/p/waf@${digest('a')}`)).toEqual([
      `? oci://r.example/p/waf@${digest('a')}`,
    ]);
  });

  test.each(['', '# nothing\n'])('an empty one names no plugin', (text) => {
    expect(refusal('plugins.properties', text)).toContain('E_SELECTION');
  });
});

const snapshotPlugin = (more: object = {}): object => ({
  logicalId: 'key-auth',
  image: 'plugins/key-auth',
  version: '2.0.1',
  ociRef: 'r.example/plugins/key-auth:2.0.1',
  digest: digest('a'),
  consumers: { pluginServer: { inventoryKey: 'key-auth', httpPath: 'key-auth' } },
  ...more,
});

describe('a release snapshot', () => {
  test('names what plugin-server serves, with aliases, by digest; and the rest', () => {
    const text = json({
      schemaVersion: 1,
      plugins: [
        snapshotPlugin(),
        snapshotPlugin({
          logicalId: 'jsonrpc-converter',
          ociRef: 'r.example/plugins/jsonrpc-converter:2.0.1',
          digest: digest('b'),
          consumers: {
            pluginServer: {
              inventoryKey: 'json-converter',
              httpPath: 'json-converter',
              aliases: ['jsonrpc-converter'],
            },
          },
        }),
        snapshotPlugin({
          logicalId: 'mcp-router',
          ociRef: 'r.example/plugins/mcp-router:2.0.1',
          consumers: {},
        }),
      ],
    });
    expect(linesOf('2.2.4.json', text)).toEqual([
      `key-auth@2.0.1 oci://r.example/plugins/key-auth:2.0.1@${digest('a')}`,
      `json-converter@2.0.1 oci://r.example/plugins/jsonrpc-converter:2.0.1@${digest('b')}`,
      `jsonrpc-converter@2.0.1 oci://r.example/plugins/jsonrpc-converter:2.0.1@${digest('b')}`,
      `mcp-router@2.0.1 oci://r.example/plugins/mcp-router:2.0.1@${digest('a')}`,
    ]);
    expect(readCatalogue({ file: '2.2.4.json', text }).notes.join()).toContain('mcp-router');
  });

  test.each([
    ['the placeholder of plugin-server', { schemaVersion: 0, note: 'x' }, 'schemaVersion is "0", expected 1'],
    ['no plugins', { schemaVersion: 1, plugins: [] }, 'there are no plugins'],
    [
      'no digest',
      { schemaVersion: 1, plugins: [snapshotPlugin({ digest: undefined })] },
      'digest is missing',
    ],
    [
      'a digest in capitals',
      { schemaVersion: 1, plugins: [snapshotPlugin({ digest: digest('A') })] },
      'key-auth: digest',
    ],
    [
      'another tag',
      { schemaVersion: 1, plugins: [snapshotPlugin({ version: '2.0.0' })] },
      'is not the version 2.0.0',
    ],
    [
      'a name that leads up',
      { schemaVersion: 1, plugins: [snapshotPlugin({ logicalId: '../x' })] },
      'logicalId',
    ],
    [
      'an alias that leads up',
      {
        schemaVersion: 1,
        plugins: [
          snapshotPlugin({
            consumers: { pluginServer: { inventoryKey: 'a', httpPath: 'a', aliases: ['../x'] } },
          }),
        ],
      },
      'aliases',
    ],
    ['a plugin that is none', { schemaVersion: 1, plugins: [null] }, 'plugins[0]: expected an object'],
  ])('%s is refused', (_what, document, says) => {
    expect(refusal('snapshot.json', json(document))).toContain(says);
  });
});

const locked = (more: object = {}): object => ({
  logicalKey: 'key-auth',
  servedPath: 'key-auth',
  servedVersion: '2.0.0',
  repository: 'r.example/plugins/key-auth',
  tag: '2.0.0',
  digest: digest('a'),
  wasmSha256: 'b'.repeat(64),
  ...more,
});

describe('unmanaged-plugins.lock.json', () => {
  test('names both digests', () => {
    const text = json({ schemaVersion: 1, plugins: { 'key-auth': locked() } });
    expect(linesOf('unmanaged-plugins.lock.json', text)).toEqual([
      `key-auth@2.0.0 oci://r.example/plugins/key-auth:2.0.0@${digest('a')}`,
    ]);
    expect(readCatalogue({ file: 'x', text }).entries[0]?.wasmSha256).toBe('b'.repeat(64));
  });

  test.each([
    ['another key', { waf: locked() }, 'logicalKey is "key-auth"'],
    ['no hash', { 'key-auth': locked({ wasmSha256: undefined }) }, 'wasmSha256 is missing'],
    ['a tag in the repository', { 'key-auth': locked({ repository: 'r.example/a:1' }) }, 'not a reference'],
    ['nothing', {}, 'there are no plugins'],
  ])('%s is refused', (_what, plugins, says) => {
    expect(refusal('lock.json', json({ schemaVersion: 1, plugins }))).toContain(says);
  });
});

const resource = (spec: string, labels = ''): string =>
  `apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata:
  name: some-1.0.0
  namespace: higress-system
${labels}spec:
${spec
  .split('\n')
  .map((line) => `  ${line}`)
  .join('\n')}
`;
const labels = (name: string, version: string): string =>
  `  labels:\n    higress.io/wasm-plugin-name: ${name}\n    higress.io/wasm-plugin-version: ${version}\n`;

describe('YAML', () => {
  test('WasmPlugins: a URL names itself, labels name an artifact, the sha256 of an artifact is that of its manifest', () => {
    const sha256 = 'c'.repeat(64);
    const text = [
      resource(`url: http://s/plugins/waf/2.0.0/plugin.wasm\nsha256: ${sha256}`, labels('waf', '1.0.0')),
      resource(`url: oci://r.example/plugins/key-auth:2.0.0\nsha256: ${sha256}`, labels('key-auth', '1.0.0')),
      resource('url: r.example/mcp-server/all-in-one:1.0.0\ndefaultConfigDisable: true'),
      'apiVersion: v1\nkind: ConfigMap\ndata:\n  text: see oci://r.example/a:1\n',
    ].join('---\n');
    expect(linesOf('plugins.yaml', text)).toEqual([
      'waf@2.0.0 http://s/plugins/waf/2.0.0/plugin.wasm',
      `key-auth@1.0.0 oci://r.example/plugins/key-auth:2.0.0@sha256:${sha256}`,
      'mcp-server@1.0.0 oci://r.example/mcp-server/all-in-one:1.0.0',
    ]);
    const { entries } = readCatalogue({ file: 'plugins.yaml', text });
    expect(entries.map((entry) => entry.wasmSha256)).toEqual([sha256, undefined, undefined]);
    expect(entries[1]?.place).toMatch(/^plugins\.yaml:\d+ \(WasmPlugin higress-system\/some-1\.0\.0\)$/);
  });

  test('what kubectl prints, as YAML and as JSON', () => {
    const item = {
      apiVersion: 'extensions.higress.io/v1alpha1',
      kind: 'WasmPlugin',
      metadata: { name: 'a' },
      spec: { url: 'oci://r.example/p/waf:1.0.0' },
    };
    const list = { apiVersion: 'v1', kind: 'List', items: [item] };
    expect(linesOf('standard input', json(list))).toEqual(['waf@1.0.0 oci://r.example/p/waf:1.0.0']);
  });

  test('Helm values and Deployments: whole values only, each with its place; a pattern is noted', () => {
    const text = `
controller:
  env:
    - name: MCP_SERVER_WASM_IMAGE_URL
      value: r.example/mcp-server/all-in-one:1.0.0
plugins: [{ url: "oci://r.example/p/waf:1.0.0" }]
image: r.example/higress/gateway:2.2.4
chart: https://r.example/charts
urlPattern: http://s/plugins/\${name}/\${version}/plugin.wasm
`;
    expect(linesOf('values.yaml', text)).toEqual([
      'mcp-server@1.0.0 oci://r.example/mcp-server/all-in-one:1.0.0',
      'waf@1.0.0 oci://r.example/p/waf:1.0.0',
    ]);
    const { entries, notes } = readCatalogue({ file: 'values.yaml', text });
    expect(entries.map(({ place }) => place)).toEqual([
      'values.yaml: controller.env[0].value',
      'values.yaml: plugins[0].url',
    ]);
    expect(notes).toEqual(['values.yaml: urlPattern is a pattern for URLs and names no plugin']);
  });

  test.each([
    ['a WasmPlugin without URL', resource('phase: AUTHN'), 'it has no spec.url'],
    ['a URL that is none', resource('url: "ftp://x/y"'), '"ftp://x/y" is not a reference'],
    ['a sha256 that is none', resource('url: r.example/a:1\nsha256: abc'), 'sha256 is "abc"'],
    [
      'two digests',
      resource(`url: r.example/a@${digest('a')}\nsha256: ${'b'.repeat(64)}`),
      `but its URL names ${digest('a')}`,
    ],
    [
      'a value that only looks like a reference',
      'a: { b: "oci://r.example" }',
      'a.b: "oci://r.example" is not a reference',
    ],
    [
      'a URL with a key to it, which is not shown,',
      'a: { b: "https://host/x.wasm?signature=abc" }',
      'a.b: "https://host/x.wasm?(...)" is not a reference',
    ],
    ['nothing', 'a: b\n', 'E_SELECTION x.yaml names no plugin'],
    ['no YAML', 'a: [', 'E_SOURCE x.yaml'],
  ])('%s is refused', (_what, text, says) => {
    expect(refusal('x.yaml', text)).toContain(says);
  });
});

describe('variables', () => {
  test('of compose and of shells', () => {
    const text = `
# plugins
export MCP_SERVER_WASM_IMAGE_URL="http://plugin-server:8080/plugins/mcp-server/2.0.1/plugin.wasm"
HIGRESS_ADMIN_WASM_PLUGIN_CUSTOM_IMAGE_URL_PATTERN=http://plugin-server:8080/plugins/\${name}/\${version}/plugin.wasm
NACOS_SERVER_URL='http://nacos:8848/nacos'
EMPTY=
`;
    for (const file of ['.env', 'compose/.env', 'all.env', 'settings']) {
      expect(linesOf(file, text)).toEqual([
        'mcp-server@2.0.1 http://plugin-server:8080/plugins/mcp-server/2.0.1/plugin.wasm',
      ]);
      const { entries, notes } = readCatalogue({ file, text });
      expect(entries[0]?.place).toBe(`${file}:3`);
      expect(notes).toHaveLength(1);
    }
  });
});

test.each([
  ['properties', 'waf=oci://r.example/waf:1.0.0', 'waf@1.0.0 oci://r.example/waf:1.0.0'],
  ['YAML', resource('url: oci://r.example/waf:1.0.0'), 'waf@1.0.0 oci://r.example/waf:1.0.0'],
  ['values', 'x:\n  y: oci://r.example/waf:1.0.0', 'waf@1.0.0 oci://r.example/waf:1.0.0'],
])('%s are known by their text', (_what, text, expected) => {
  expect(linesOf('standard input', text)).toEqual([expected]);
});
