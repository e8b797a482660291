import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isPlugferryError, PlugferryError } from '../../src/errors.js';
import { digestOf } from '../../src/stream/digest.js';
import { formatMetadata, maxMetadataBytes } from '../../src/plugin/metadata.js';
import { formatPluginId } from '../../src/plugin/plugin.js';
import { directorySource } from '../../src/source/directory.js';
import type { SourcePlugin } from '../../src/source/source.js';
import { sourceFor } from '../../src/source/open.js';
import { tinyModule } from '../helpers/wasm.js';

let root: string;
beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'plugferry-source-')));
});
afterEach(() => rm(root, { recursive: true }));

/** Files by path below the temporary directory; a path that ends in `/` is an empty directory. */
async function tree(files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    const full = join(root, path);
    await mkdir(path.endsWith('/') ? full : dirname(full), { recursive: true });
    if (!path.endsWith('/')) await writeFile(full, content);
  }
}

async function link(target: string, path: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await symlink(target, join(root, path));
}

const listed = async (path: string): Promise<string[]> =>
  (await (await directorySource(join(root, path))).list()).offers.map(formatPluginId);

async function notes(path: string): Promise<readonly string[]> {
  return (await (await directorySource(join(root, path))).list()).notes;
}

async function fetched(path: string, reference: string): Promise<SourcePlugin> {
  const { offers } = await (await directorySource(join(root, path))).list();
  const offer = offers.find((candidate) => formatPluginId(candidate) === reference);
  if (offer === undefined) throw new Error(`${reference} is not offered`);
  return offer.fetch();
}

async function refusal(run: () => Promise<unknown>): Promise<PlugferryError> {
  try {
    await run();
  } catch (error) {
    if (isPlugferryError(error)) return error;
    throw error;
  }
  throw new Error('not refused');
}

const module = tinyModule('a');
const metadata = formatMetadata({ name: 'a', ...digestOf(module) });
const sha256 = createHash('sha256').update(module).digest('hex');
const ociDigest = `sha256:${'ab'.repeat(32)}`;
const inventory = (entries: unknown): string => `${JSON.stringify(entries, null, 2)}\n`;

describe('a tree is found', () => {
  const a = 'plugins/a/1.0.0/plugin.wasm';

  test('from the directory that holds plugins, and from plugins itself', async () => {
    await tree({ [a]: module, 'plugins/b/2.0.1/plugin.wasm': module, 'plugins/a/0.9/plugin.wasm': module });
    const expected = ['a@0.9', 'a@1.0.0', 'b@2.0.1'];
    expect(await listed('.')).toEqual(expected);
    expect(await listed('plugins')).toEqual(expected);
    expect(await listed('plugins/')).toEqual(expected);
  });

  test('under another name', async () => {
    await tree({ 'downloads/a/1.0.0/plugin.wasm': module });
    expect(await listed('downloads')).toEqual(['a@1.0.0']);
  });

  test('with a plugin that is itself called plugins', async () => {
    await tree({ 'plugins/plugins/1.0.0/plugin.wasm': module, [a]: module });
    const expected = ['a@1.0.0', 'plugins@1.0.0'];
    expect(await listed('.')).toEqual(expected);
    expect(await listed('plugins')).toEqual(expected);
    await rm(join(root, 'plugins/a'), { recursive: true });
    expect(await listed('.')).toEqual(['plugins@1.0.0']);
    expect(await listed('plugins')).toEqual(['plugins@1.0.0']);
  });

  test('with a stray module that has no version', async () => {
    await tree({ [a]: module, 'plugins/stray/plugin.wasm': module });
    expect(await listed('.')).toEqual(['a@1.0.0']);
    expect(await notes('.')).toEqual([
      'left out, not part of a plugin: plugins/stray/plugin.wasm',
      'left out, no version directory inside: plugins/stray',
    ]);
  });

  test('under another name, with nothing but a plugin called plugins', async () => {
    await tree({ 'downloads/plugins/1.0.0/plugin.wasm': module });
    expect(await listed('downloads')).toEqual(['plugins@1.0.0']);
  });

  test('when every download failed, with a plugin called plugins among them', async () => {
    await tree({ 'plugins/plugins/1.0.0/': '', 'plugins/a/1.0.0/': '' });
    expect(await listed('.')).toEqual(['a@1.0.0', 'plugins@1.0.0']);
    expect(await listed('plugins')).toEqual(['a@1.0.0', 'plugins@1.0.0']);
  });

  test('in a volume, where plugins is a link to the current release', async () => {
    await tree({ [`.plugferry/releases/x/${a}`]: module });
    await link('.plugferry/releases/x/plugins', 'plugins');
    expect(await listed('.')).toEqual(['a@1.0.0']);
    expect(await listed('plugins')).toEqual(['a@1.0.0']);
    expect((await fetched('.', 'a@1.0.0')).wasm).toBe(join(root, '.plugferry/releases/x', a));
  });

  test('behind links that lead out of what holds it: they are the words of the user', async () => {
    await tree({ [`elsewhere/${a}`]: module, 'volume/': '' });
    await link('../elsewhere/plugins', 'volume/plugins');
    await link('volume', 'shortcut');
    expect(await listed('volume')).toEqual(['a@1.0.0']);
    expect(await listed('shortcut')).toEqual(['a@1.0.0']);
  });

  test('from a relative path', async () => {
    await tree({ [a]: module });
    const source = await sourceFor(relative(process.cwd(), root));
    const [offer] = (await source.list()).offers;
    expect((await offer?.fetch())?.wasm).toBe(join(root, a));
  });
});

describe('a tree is not found', () => {
  test('nothing there', async () => {
    const error = await refusal(() => directorySource(join(root, 'absent')));
    expect(error).toMatchObject({ code: 'E_NOT_FOUND', details: { file: join(root, 'absent') } });
  });

  test('a file', async () => {
    await tree({ 'bundle.tar.gz': 'x' });
    const error = await refusal(() => directorySource(join(root, 'bundle.tar.gz')));
    expect(error.code).toBe('E_NOT_FOUND');
    expect(error.message).toContain('is a file, expected a directory');
    expect((await refusal(() => directorySource(join(root, 'bundle.tar.gz/x')))).code).toBe('E_NOT_FOUND');
  });

  test.each(['empty/', 'plugins/', 'plugins/README.md'])('no plugins in %s', async (path) => {
    await tree({ [path]: '' });
    const error = await refusal(() => listed('.'));
    expect(error.code).toBe('E_SELECTION');
    expect(error.hint).toContain('plugins/<name>/<version>/');
  });

  test('two trees, one in the other', async () => {
    await tree({ 'a/1.0.0/plugin.wasm': module, 'plugins/b/1.0.0/plugin.wasm': module });
    const error = await refusal(() => listed('.'));
    expect(error.code).toBe('E_SOURCE');
    expect(await listed('plugins')).toEqual(['b@1.0.0']);
  });

  test.each(['oci://registry/plugins/a:1.0.0', 'sftp://example.org/plugins'])('%s', async (location) => {
    expect((await refusal(() => sourceFor(location))).code).toBe('E_USAGE');
  });
});

describe('a plugin is fetched', () => {
  test('with metadata.txt, byte for byte', async () => {
    const windows = metadata.replaceAll('\n', '\r\n');
    await tree({ 'plugins/a/1.0.0/plugin.wasm': module, 'plugins/a/1.0.0/metadata.txt': windows });
    expect(await fetched('.', 'a@1.0.0')).toEqual({
      name: 'a',
      version: '1.0.0',
      wasm: join(root, 'plugins/a/1.0.0/plugin.wasm'),
      metadata: Buffer.from(windows),
      provenance: { kind: 'directory', reference: 'plugins/a/1.0.0/plugin.wasm' },
    });
  });

  test('with metadata.txt of the other dialect', async () => {
    const other = metadata.replace('Plugin Name: a', 'File: a:1.0.0');
    await tree({ 'plugins/a/1.0.0/plugin.wasm': module, 'plugins/a/1.0.0/metadata.txt': other });
    expect((await fetched('.', 'a@1.0.0')).metadata?.toString()).toBe(other);
  });

  test('without metadata.txt, and with no path of this machine in its provenance', async () => {
    await tree({ 'downloads/a/latest-rc1/plugin.wasm': module });
    const plugin = await fetched('downloads', 'a@latest-rc1');
    expect(plugin.metadata).toBeUndefined();
    expect(JSON.stringify(plugin.provenance)).not.toContain(root);
    expect(plugin.provenance.reference).toBe('plugins/a/latest-rc1/plugin.wasm');
  });

  test('through links that stay inside', async () => {
    await tree({ 'plugins/a/1.0.0/plugin.wasm': module });
    await link('a', 'plugins/alias');
    await link('1.0.0', 'plugins/a/latest');
    await link('../../a/1.0.0/plugin.wasm', 'plugins/b/1.0.0/plugin.wasm');
    expect(await listed('.')).toEqual(['a@1.0.0', 'a@latest', 'alias@1.0.0', 'alias@latest', 'b@1.0.0']);
    for (const reference of ['alias@latest', 'b@1.0.0']) {
      expect((await fetched('.', reference)).wasm).toBe(join(root, 'plugins/a/1.0.0/plugin.wasm'));
    }
    expect((await fetched('.', 'b@1.0.0')).provenance.reference).toBe('plugins/b/1.0.0/plugin.wasm');
  });

  test('listing reads no module', async () => {
    await tree({ 'plugins/a/1.0.0/plugin.wasm': 'not a module', 'plugins/a/1.0.0/metadata.txt': 'nor this' });
    expect(await listed('.')).toEqual(['a@1.0.0']);
  });
});

describe('a failed download is not passed over', () => {
  test('an empty version directory is offered, and fails when fetched', async () => {
    await tree({ 'plugins/a/1.0.0/': '', 'plugins/b/1.0.0/plugin.wasm': module });
    expect(await listed('.')).toEqual(['a@1.0.0', 'b@1.0.0']);
    const error = await refusal(() => fetched('.', 'a@1.0.0'));
    expect(error.code).toBe('E_SOURCE');
    expect(error.details.file).toBe(join(root, 'plugins/a/1.0.0/plugin.wasm'));
    await expect(fetched('.', 'b@1.0.0')).resolves.toBeDefined();
  });

  test('a directory or a FIFO in place of the module', async () => {
    await tree({ 'plugins/a/1.0.0/plugin.wasm/': '', 'plugins/b/1.0.0/': '' });
    execFileSync('mkfifo', [join(root, 'plugins/b/1.0.0/plugin.wasm')]);
    for (const reference of ['a@1.0.0', 'b@1.0.0']) {
      expect((await refusal(() => fetched('.', reference))).message).toContain('not a regular file');
    }
  });

  test.each([
    ['malformed', 'Plugin Name: a\nSize: many\n', 'E_METADATA'],
    ['larger than any', 'x'.repeat(maxMetadataBytes + 1), 'E_LIMIT'],
  ])('metadata.txt that is %s', async (_what, text, code) => {
    await tree({ 'plugins/a/1.0.0/plugin.wasm': module, 'plugins/a/1.0.0/metadata.txt': text });
    const error = await refusal(() => fetched('.', 'a@1.0.0'));
    expect(error.code).toBe(code);
    expect(error.message).toContain('plugins/a/1.0.0/metadata.txt');
  });

  test('a module that went away after the listing', async () => {
    await tree({ 'plugins/a/1.0.0/plugin.wasm': module });
    const [offer] = (await (await directorySource(root)).list()).offers;
    await rm(join(root, 'plugins/a'), { recursive: true });
    expect((await refusal(async () => offer?.fetch())).code).toBe('E_SOURCE');
  });
});

describe('links that lead astray are refused', () => {
  const outside = 'outside/plugin.wasm';
  test.each([
    ['a plugin', '../outside', 'plugins/b'],
    ['a version', '../../outside', 'plugins/b/1.0.0'],
    ['a plugin, nowhere', '../nowhere', 'plugins/b'],
    ['a plugin, round and round', 'b', 'plugins/b'],
    ['a plugin, absolute', '/etc', 'plugins/b'],
  ])('%s', async (_what, target, path) => {
    await tree({ [outside]: module, 'plugins/a/1.0.0/plugin.wasm': module });
    await link(target, path);
    const error = await refusal(() => listed('.'));
    expect(error.code).toBe('E_SOURCE');
    expect(error.message).toContain(join(root, path));
  });

  test.each(['plugin.wasm', 'metadata.txt'])('%s', async (file) => {
    await tree({ [outside]: module, 'plugins/a/1.0.0/plugin.wasm': module });
    await rm(join(root, 'plugins/a/1.0.0', file), { force: true });
    await link('../../../outside/plugin.wasm', `plugins/a/1.0.0/${file}`);
    const error = await refusal(() => fetched('.', 'a@1.0.0'));
    expect(error.code).toBe('E_SOURCE');
    expect(error.message).toContain(join(root, 'plugins/a/1.0.0', file));
  });

  test('a sibling whose name begins like the root is outside', async () => {
    await tree({ 'plugins-old/x/1.0.0/plugin.wasm': module, 'plugins/a/1.0.0/plugin.wasm': module });
    await link('../plugins-old/x', 'plugins/x');
    expect((await refusal(() => listed('plugins'))).code).toBe('E_SOURCE');
  });
});

describe('names', () => {
  test.each([
    ['plugins/Key-Auth/1.0.0/plugin.wasm', 'plugins/Key-Auth', 'lower-case'],
    ['plugins/a b/1.0.0/plugin.wasm', 'plugins/a b', 'lower-case'],
    ['plugins/a\u001b[2J/1.0.0/plugin.wasm', 'plugins/a\u001b[2J', 'lower-case'],
    ['plugins/nul/1.0.0/plugin.wasm', 'plugins/nul', 'device'],
    ['plugins/a/v 1/plugin.wasm', 'plugins/a/v 1', 'at most 64'],
    ['plugins/a/1..0/plugin.wasm', 'plugins/a/1..0', 'no ".."'],
    [`plugins/a/${'1'.repeat(65)}/plugin.wasm`, `plugins/a/${'1'.repeat(65)}`, 'at most 64'],
  ])('%j is refused with path and rule', async (file, path, rule) => {
    await tree({ [file]: module, 'plugins/ok/1.0.0/plugin.wasm': module });
    const error = await refusal(() => listed('.'));
    expect(error.code).toBe('E_SOURCE');
    expect(error.message).toContain(join(root, path));
    expect(error.message).toContain(rule);
  });
});

describe('what else lies around', () => {
  test('is noted in one line each kind, and not offered', async () => {
    await tree({
      'plugins/.gitkeep': '',
      'plugins/.git/config': '',
      'plugins/README.md': '',
      'plugins/lost+found/': '',
      'plugins/docs/README.md': '',
      'plugins/a/spec.yaml': '',
      'plugins/a/1.0.0/plugin.wasm': module,
      'plugins/a/1.0.0/README.md': '',
      'plugins/a/1.0.0/src/main.go': '',
    });
    await link('/etc/passwd', 'plugins/.lock');
    expect(await listed('.')).toEqual(['a@1.0.0']);
    expect(await notes('.')).toEqual([
      'left out, not part of a plugin: plugins/.git, plugins/.gitkeep, plugins/.lock, plugins/README.md, plugins/lost+found and 4 more',
      'left out, no version directory inside: plugins/docs',
    ]);
  });

  test('a clean tree has no notes', async () => {
    await tree({
      'plugins/a/1.0.0/plugin.wasm': module,
      'plugins/a/1.0.0/metadata.txt': metadata,
      'plugins/snapshot-inventory.json': inventory({}),
    });
    expect(await notes('.')).toEqual([]);
  });
});

describe('snapshot-inventory.json', () => {
  const entry = { version: '1.0.0', digest: ociDigest, wasmSha256: sha256 };

  test('gives the digest of what was pulled', async () => {
    await tree({
      'plugins/a/1.0.0/plugin.wasm': module,
      'plugins/b/1.0.0/plugin.wasm': 'unmanaged',
      'plugins/snapshot-inventory.json': inventory({ a: entry }),
    });
    expect((await fetched('.', 'a@1.0.0')).provenance.digest).toBe(ociDigest);
    expect((await fetched('plugins', 'b@1.0.0')).provenance).not.toHaveProperty('digest');
  });

  test('refuses other bytes, naming both digests', async () => {
    const other = '0'.repeat(64);
    await tree({
      'plugins/a/1.0.0/plugin.wasm': module,
      'plugins/snapshot-inventory.json': inventory({ a: { ...entry, wasmSha256: other } }),
    });
    const error = await refusal(() => fetched('.', 'a@1.0.0'));
    expect(error).toMatchObject({ code: 'E_SOURCE', details: { expected: other, found: sha256 } });
    expect(error.message).toContain(sha256);
    expect(error.message).toContain(other);
  });

  test('a plugin that it names and the tree lacks is offered, and fails when fetched', async () => {
    await tree({
      'plugins/a/1.0.0/plugin.wasm': module,
      'plugins/snapshot-inventory.json': inventory({ a: { ...entry, version: '2.0.0' }, gone: entry }),
    });
    expect(await listed('.')).toEqual(['a@1.0.0', 'a@2.0.0', 'gone@1.0.0']);
    for (const reference of ['a@2.0.0', 'gone@1.0.0']) {
      expect((await refusal(() => fetched('.', reference))).code).toBe('E_SOURCE');
    }
  });

  test.each([
    ['not JSON', '{'],
    ['not UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['a list', '[]'],
    ['null', 'null'],
    ['an entry that is null', '{"a":null}'],
    ['a name that is a path', inventory({ '../a': entry })],
    ['__proto__', `{"__proto__":${JSON.stringify(entry)}}`],
    ['a version that is a path', inventory({ a: { ...entry, version: '../1' } })],
    ['a version that is a number', inventory({ a: { ...entry, version: 1 } })],
    ['a digest without algorithm', inventory({ a: { ...entry, digest: 'ab'.repeat(32) } })],
    ['a digest in capitals', inventory({ a: { ...entry, wasmSha256: sha256.toUpperCase() } })],
    ['no wasmSha256', inventory({ a: { version: '1.0.0', digest: ociDigest } })],
  ])('that is malformed is refused: %s', async (_what, text) => {
    await tree({ 'plugins/a/1.0.0/plugin.wasm': module, 'plugins/snapshot-inventory.json': text });
    const error = await refusal(() => listed('.'));
    expect(error.code).toBe('E_SOURCE');
    expect(error.message).toContain('snapshot-inventory.json');
  });
});

describe('an interrupt', () => {
  const reason = new PlugferryError('E_INTERRUPTED', 'interrupted');

  test('before listing and before fetching', async () => {
    await tree({ 'plugins/a/1.0.0/plugin.wasm': module });
    const source = await directorySource(root);
    const [offer] = (await source.list()).offers;
    await expect(source.list(AbortSignal.abort(reason))).rejects.toBe(reason);
    await expect(offer?.fetch(AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  test('while a module is hashed', async () => {
    const large = Buffer.alloc(8 * 1024 * 1024);
    await tree({
      'plugins/a/1.0.0/plugin.wasm': large,
      'plugins/snapshot-inventory.json': inventory({
        a: { version: '1.0.0', digest: ociDigest, wasmSha256: digestOf(large).sha256 },
      }),
    });
    const [offer] = (await (await directorySource(root)).list()).offers;
    await expect(offer?.fetch()).resolves.toBeDefined();
    const controller = new AbortController();
    const fetching = offer?.fetch(controller.signal);
    controller.abort(reason);
    await expect(fetching).rejects.toBe(reason);
  });
});
