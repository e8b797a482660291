import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  exportBundle,
  inspectBundle,
  isPlugferryError,
  type ExportOptions,
  type Manifest,
} from '../../src/index.js';
import { sha256Of } from '../../src/stream/digest.js';
import { cli, errorCode } from '../helpers/cli.js';
import { bundleParts, put, tarGz } from '../helpers/bundle.js';
import { testKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { tinyModule } from '../helpers/wasm.js';

const skip = { insecureSkipSignature: true } as const;

async function bundleOf(
  directory: string,
  plugins: Readonly<Record<string, string>>,
  more: Partial<ExportOptions> = {},
): Promise<string> {
  const source = await tinyTree(await tempDir(), plugins);
  const output = join(
    directory,
    `${Object.keys(plugins).join('+')}-${Object.values(plugins).join('')}.tar.gz`,
  );
  await exportBundle({ source, output, ...more });
  return output;
}

const manifestOf = async (bundle: string): Promise<Manifest> => (await inspectBundle({ bundle })).manifest;
const idsOf = ({ plugins }: { plugins: readonly { name: string; version: string }[] }): string[] =>
  plugins.map(({ name, version }) => `${name}@${version}`);

async function refusal(work: Promise<unknown>) {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isPlugferryError(error)) throw new Error(`not refused: ${String(error)}`);
  return error;
}

describe('a bundle as source', () => {
  test('a part of it keeps bytes, metadata and provenance', async () => {
    const directory = await tempDir();
    const key = await testKey('dev');
    const { manifest, entries } = bundleParts([key]);
    const bundle = await put(directory, 'whole.tar.gz', tarGz(entries));
    const output = join(directory, 'part.tar.gz');
    const trust = { publicKeys: [key.trusted] };
    const result = await exportBundle({ source: bundle, output, include: ['waf@2.0.0', 'key-auth'], trust });
    const part = await manifestOf(output);
    expect(idsOf(part)).toEqual(['key-auth@1.0.0', 'waf@2.0.0']);
    expect(part.plugins.map(({ source }) => source)).toEqual(
      manifest.plugins
        .filter(({ version, name }) => name !== 'waf' || version === '2.0.0')
        .map(({ source }) => source),
    );
    const digestIn = ({ files }: Manifest, path: string) => files.find((file) => file.path === path)?.sha256;
    for (const path of ['plugins/waf/2.0.0/plugin.wasm', 'plugins/waf/2.0.0/metadata.txt']) {
      expect(digestIn(part, path)).toBe(digestIn(manifest, path));
    }
    expect(result.failures).toEqual([]);
    expect((await readdir(directory)).sort()).toEqual(['part.tar.gz', 'whole.tar.gz']);
  });

  test.each(['.tar.gz', '.zip'])('%s is verified, or refused', async (kind) => {
    const directory = await tempDir();
    await tinyTree(directory, { 'waf@1.0.0': 'a' });
    const key = await testKey('dev');
    const signed = join(directory, `signed${kind}`);
    await exportBundle({ source: directory, output: signed, signer: key });
    const unsigned = join(directory, `unsigned${kind}`);
    await exportBundle({ source: directory, output: unsigned });
    const run = (source: string, trust?: ExportOptions['trust']) =>
      exportBundle({
        source,
        output: join(directory, 'out.tar.gz'),
        ...(trust === undefined ? {} : { trust }),
      });
    expect((await refusal(run(signed))).code).toBe('E_TRUST_MISSING');
    expect((await refusal(run(unsigned, { publicKeys: [key.trusted] }))).code).toBe('E_UNSIGNED');
    const other = await testKey('other');
    expect((await refusal(run(signed, { publicKeys: [other.trusted] }))).code).toBe('E_SIGNER_UNKNOWN');
    expect(await readdir(directory)).not.toContain('out.tar.gz');
    await run(signed, { publicKeys: [key.trusted] });
    expect(idsOf(await manifestOf(join(directory, 'out.tar.gz')))).toEqual(['waf@1.0.0']);
  });

  test('what nobody signed is marked where it goes next', async () => {
    const directory = await tempDir();
    const bundle = await bundleOf(directory, { 'waf@1.0.0': 'a' });
    const output = join(directory, 'next.tar.gz');
    await exportBundle({ source: bundle, output, trust: skip });
    expect((await manifestOf(output)).plugins[0]?.source).toMatchObject({
      kind: 'unverified-bundle',
      reference: 'plugins/waf/1.0.0/plugin.wasm',
    });
  });

  test('inspect says where each plugin came from, and what nobody vouched for', async () => {
    const directory = await tempDir();
    const root = await tinyTree(directory, { 'waf@1.0.0': 'a', 'opa@1.0.0': 'b' });
    const sha256 = sha256Of(await readFile(join(root, 'opa/1.0.0/plugin.wasm')));
    const entry = { version: '1.0.0', digest: `sha256:${'d'.repeat(64)}`, wasmSha256: sha256 };
    await writeFile(join(root, 'snapshot-inventory.json'), JSON.stringify({ opa: entry }));
    await exportBundle({ source: directory, output: join(directory, 'one.tar.gz') });
    await exportBundle({
      source: join(directory, 'one.tar.gz'),
      output: join(directory, 'two.tar.gz'),
      trust: skip,
    });
    const shown = async (bundle: string): Promise<string> =>
      (await cli(['inspect', bundle], { cwd: directory })).stdout;
    expect(await shown('one.tar.gz')).toMatch(/ directory: plugins\/waf\/1\.0\.0\/plugin\.wasm *$/m);
    const pinned = 'plugins/opa/1.0.0/plugin.wasm (sha256:dddddddddddddddd)';
    expect(await shown('one.tar.gz')).toContain(` directory: ${pinned}`);
    expect(await shown('two.tar.gz')).toContain(` unverified-bundle: ${pinned}`);
  });

  test('one with a damaged payload gives nothing, not even what was not damaged', async () => {
    const directory = await tempDir();
    const key = await testKey('dev');
    const { entries } = bundleParts([key]);
    const damaged = entries.map((entry) =>
      entry.name?.endsWith('waf/1.0.0/plugin.wasm') === true && entry.body !== undefined
        ? { ...entry, body: Buffer.concat([entry.body.subarray(0, -1), Buffer.from([1])]) }
        : entry,
    );
    const bundle = await put(directory, 'damaged.tar.gz', tarGz(damaged));
    for (const keepGoing of [false, true]) {
      const trust = { publicKeys: [key.trusted] };
      const output = join(directory, 'out.tar.gz');
      const error = await refusal(
        exportBundle({ source: bundle, output, include: ['key-auth'], trust, keepGoing }),
      );
      expect(error.code).toBe('E_DIGEST');
      expect(await readdir(directory)).toEqual(['damaged.tar.gz']);
    }
  });
});

describe('several sources', () => {
  test('become one bundle; equal bytes under one name and version are no conflict', async () => {
    const directory = await tempDir();
    const one = await bundleOf(directory, { 'waf@1.0.0': 'a', 'key-auth@1.0.0': 'k' });
    const two = await bundleOf(directory, { 'waf@1.0.0': 'a', 'waf@2.0.0': 'b' });
    const tree = await tinyTree(await tempDir(), { 'bot-detect@1.0.0': 'd' });
    const output = join(directory, 'all.tar.gz');
    await exportBundle({ source: [one, two, tree], output, trust: skip });
    expect(idsOf(await manifestOf(output))).toEqual([
      'bot-detect@1.0.0',
      'key-auth@1.0.0',
      'waf@1.0.0',
      'waf@2.0.0',
    ]);
  });

  test('other bytes under one name and version are refused, naming both origins', async () => {
    const directory = await tempDir();
    const one = await bundleOf(directory, { 'waf@1.0.0': 'a' });
    const tree = await tinyTree(await tempDir(), { 'waf@1.0.0': 'b', 'key-auth@1.0.0': 'k' });
    const run = await cli(['export', one, tree, '-o', 'all.tar.gz', '--insecure-skip-signature', '--json'], {
      cwd: directory,
    });
    expect([run.code, errorCode(run)]).toEqual([6, 'E_CONFLICT']);
    for (const origin of [one, tree, 'waf@1.0.0']) expect(run.stderr).toContain(origin);
    expect(await readdir(directory)).not.toContain('all.tar.gz');
    const partial = await exportBundle({
      source: [one, tree],
      output: join(directory, 'rest.tar.gz'),
      trust: skip,
      keepGoing: true,
    });
    expect(idsOf(partial)).toEqual(['key-auth@1.0.0']);
    expect(partial.failures.map(({ code }) => code)).toEqual(['E_CONFLICT']);
    const named = join(directory, 'named.tar.gz');
    const namings = [{ from: 'waf@1.0.0', id: { name: 'waf', version: '1.0.1' } }];
    expect(
      (await refusal(exportBundle({ source: [one, tree], output: named, trust: skip, namings }))).code,
    ).toBe('E_CONFLICT');
  });
});

describe('--keep-going', () => {
  async function brokenTree(): Promise<string> {
    const directory = await tempDir();
    const root = await tinyTree(directory, { 'a@1.0.0': 'a', 'b@1.0.0': 'b', 'c@1.0.0': 'c' });
    await writeFile(join(root, 'b/1.0.0/plugin.wasm'), '<html>login</html>');
    await mkdir(join(root, 'd/1.0.0'), { recursive: true });
    return directory;
  }

  test('without it one bad plugin is the end, and nothing is written', async () => {
    const directory = await brokenTree();
    const run = await cli(['export', '.', '-o', 'x.tar.gz', '--json'], { cwd: directory });
    expect(['E_WASM', 'E_SOURCE']).toContain(errorCode(run));
    expect(await readdir(directory)).toEqual(['plugins']);
  });

  test('with it the rest is a bundle, and a list takes up what was left out', async () => {
    const directory = await brokenTree();
    const line = ['export', '.', '-o', 'x.tar.gz', '--keep-going', '--failures', 'left.txt', '--json'];
    const run = await cli(line, { cwd: directory });
    expect(run.code).toBe(9);
    const result = JSON.parse(run.stdout) as { failures: { name: string; code: string }[] };
    expect(result.failures.map(({ name, code }) => [name, code])).toEqual([
      ['b', 'E_WASM'],
      ['d', 'E_SOURCE'],
    ]);
    for (const name of ['b@1.0.0', 'd@1.0.0']) expect(run.stderr).toContain(`left out ${name}`);
    expect(idsOf(await manifestOf(join(directory, 'x.tar.gz')))).toEqual(['a@1.0.0', 'c@1.0.0']);
    const list = await readFile(join(directory, 'left.txt'), 'utf8');
    expect(list.split('\n').filter((each) => /^[^#]/.test(each))).toEqual(['b@1.0.0', 'd@1.0.0']);

    // The source is mended, and the list is fed back.
    for (const name of ['b', 'd']) {
      await writeFile(join(directory, 'plugins', name, '1.0.0/plugin.wasm'), tinyModule(name, 10));
    }
    const rest = ['export', '.', '-o', 'rest.tar.gz', '--plugin', '@left.txt'];
    expect(await cli(rest, { cwd: directory })).toMatchObject({ code: 0 });
    expect(idsOf(await manifestOf(join(directory, 'rest.tar.gz')))).toEqual(['b@1.0.0', 'd@1.0.0']);
    const both = ['export', 'x.tar.gz', 'rest.tar.gz', '-o', 'both.tar.gz', '--insecure-skip-signature'];
    expect(await cli(both, { cwd: directory })).toMatchObject({ code: 0 });
    expect((await manifestOf(join(directory, 'both.tar.gz'))).plugins).toHaveLength(4);
  });

  test('nothing left out is success, and the list of nothing does not mean everything', async () => {
    const directory = await tempDir();
    await tinyTree(directory, { 'a@1.0.0': 'a' });
    const line = ['export', '.', '-o', 'x.tar.gz', '--keep-going', '--failures', 'left.txt'];
    expect(await cli(line, { cwd: directory })).toMatchObject({ code: 0 });
    const again = await cli(['export', '.', '-o', 'y.tar.gz', '--plugin', '@left.txt', '--json'], {
      cwd: directory,
    });
    expect([again.code, errorCode(again)]).toEqual([2, 'E_USAGE']);
    expect((await readdir(directory)).sort()).toEqual(['left.txt', 'plugins', 'x.tar.gz']);
  });

  test('everything left out is an error', async () => {
    const directory = await brokenTree();
    for (const name of ['a', 'c']) await rm(join(directory, 'plugins', name, '1.0.0/plugin.wasm'));
    const run = await cli(['export', '.', '-o', 'x.tar.gz', '--keep-going', '--json'], { cwd: directory });
    expect(run.code).toBe(3);
    expect(await readdir(directory)).toEqual(['plugins']);
  });

  test.each([
    ['--failures without it', ['--failures', 'left.txt'], 'E_USAGE'],
    ['a list that exists', ['--failures', 'there.txt', '--keep-going'], 'E_EXISTS'],
    ['a list in the place of a directory', ['--failures', 'plugins', '--keep-going'], 'E_EXISTS'],
    ['a list of plugins that is not there', ['--plugin', '@none.txt'], 'E_NOT_FOUND'],
    ['no jobs', ['--jobs', '0'], 'E_USAGE'],
    ['jobs without end', ['--jobs', '1000'], 'E_USAGE'],
  ])('%s is refused before the work', async (_what, more, code) => {
    const directory = await tempDir();
    await tinyTree(directory, { 'a@1.0.0': 'a' });
    await writeFile(join(directory, 'there.txt'), 'mine');
    const run = await cli(['export', '.', '-o', 'x.tar.gz', ...more, '--json'], { cwd: directory });
    expect([run.code, errorCode(run)]).toEqual([code === 'E_EXISTS' ? 6 : 2, code]);
    expect(await readFile(join(directory, 'there.txt'), 'utf8')).toBe('mine');
    expect((await readdir(directory)).sort()).toEqual(['plugins', 'there.txt']);
  });
});

test('the bytes do not depend on how many are fetched at once, and each plugin has its line', async () => {
  const directory = await tempDir();
  const plugins = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`plugin-${i}@1.0.0`, String(i)]));
  await tinyTree(directory, plugins);
  const env = { SOURCE_DATE_EPOCH: '1700000000' };
  const outputs: Buffer[] = [];
  for (const jobs of ['1', '16']) {
    const { code, stderr } = await cli(['export', '.', '-o', `${jobs}.tar.gz`, '--jobs', jobs], {
      cwd: directory,
      env,
    });
    expect(code).toBe(0);
    expect(stderr.match(/^reading plugin-\d+@1\.0\.0 \(\d+ of 20\)$/gm)).toHaveLength(20);
    outputs.push(await readFile(join(directory, `${jobs}.tar.gz`)));
  }
  expect(outputs[0]?.equals(outputs[1] ?? Buffer.alloc(0))).toBe(true);
});

describe('--as', () => {
  test('renames, and gives one module several versions', async () => {
    const directory = await tempDir();
    await tinyTree(directory, { 'key-auth@2.0.0': 'k', 'waf@1.0.0': 'w' });
    await writeFile(
      join(directory, 'names.txt'),
      '# the Console asks for 1.0.0\nkey-auth@2.0.0=key-auth@1.0.0\n\nkey-auth@2.0.0 = key-auth@2.0.0\n',
    );
    const line = [
      'export',
      '.',
      '-o',
      'x.tar.gz',
      '--mapping',
      'names.txt',
      '--as',
      'waf@1.0.0=firewall@1.0.0',
    ];
    expect(await cli(line, { cwd: directory })).toMatchObject({ code: 0 });
    expect(idsOf(await manifestOf(join(directory, 'x.tar.gz')))).toEqual([
      'firewall@1.0.0',
      'key-auth@1.0.0',
      'key-auth@2.0.0',
    ]);
  });

  test.each([
    ['a name of nothing', ['--as', 'none@1.0.0=a@1.0.0'], 'E_SELECTION', 'none@1.0.0'],
    ['one for many', ['--as', 'x@1.0.0'], 'E_USAGE', 'FROM=name@version'],
    ['no version', ['--as', 'a@1.0.0=x'], 'E_USAGE', '"a@1.0.0=x"'],
    ['a name that is none', ['--as', 'a@1.0.0=../x@1.0.0'], 'E_USAGE', '../x@1.0.0'],
    ['a name given twice', ['--as', 'a@1.0.0=x@1.0.0', '--as', 'b@1.0.0=x@1.0.0'], 'E_CONFLICT', 'x@1.0.0'],
    ['a line of a mapping', ['--mapping', 'bad.txt'], 'E_USAGE', 'bad.txt:2'],
    ['two lines of a mapping', ['--mapping', 'twice.txt'], 'E_USAGE', 'lines 1 and 3'],
  ])('%s is refused', async (...[, more, code, says]) => {
    const directory = await tempDir();
    await tinyTree(directory, { 'a@1.0.0': 'a', 'b@1.0.0': 'b' });
    await writeFile(join(directory, 'bad.txt'), '# names\na@1.0.0\n');
    await writeFile(join(directory, 'twice.txt'), 'a@1.0.0=x@1.0.0\n\nb@1.0.0=x@1.0.0\n');
    const run = await cli(['export', '.', '-o', 'x.tar.gz', ...more, '--json'], { cwd: directory });
    expect(errorCode(run)).toBe(code);
    expect(run.stderr).toContain(says);
    expect(await readdir(directory)).not.toContain('x.tar.gz');
  });
});
