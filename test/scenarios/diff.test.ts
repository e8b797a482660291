import { mkdir, readdir, rm, writeFile, readFile, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { compare, compareModules, type Comparable } from '../../src/inventory/comparison.js';
import { diff, type Difference } from '../../src/operations/diff.js';
import { exportBundle } from '../../src/operations/export.js';
import { importBundle } from '../../src/operations/import.js';
import { digestOf, sha256Of } from '../../src/stream/digest.js';
import { formatMetadata } from '../../src/plugin/metadata.js';
import { formatPluginId, parsePluginId } from '../../src/plugin/plugin.js';
import type { ModuleFacts } from '../../src/schema/manifest.js';
import { servePlugins } from '../../src/operations/serve.js';
import { cli } from '../helpers/cli.js';
import { testKey } from '../helpers/keys.js';
import { hasNginx, startNginx } from '../helpers/nginx.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { customSection, tinyModule, wasmModule, wasmName, wasmSection, wasmVector } from '../helpers/wasm.js';

const item = (reference: string, seed = reference, metadata?: string): Comparable => ({
  ...parsePluginId(reference),
  ...digestOf(Buffer.from(seed)),
  metadataSha256: metadata === undefined ? undefined : sha256Of(Buffer.from(metadata)),
});

/** A comparison in short. */
const short = (a: readonly Comparable[], b: readonly Comparable[]) => {
  const { added, removed, changed, metadataChanged, unchanged, upgrades } = compare(a, b);
  return {
    added: added.map(formatPluginId),
    removed: removed.map(formatPluginId),
    changed: changed.map(({ after }) => formatPluginId(after)),
    metadataChanged: metadataChanged.map(({ after }) => formatPluginId(after)),
    unchanged: unchanged.map(formatPluginId),
    upgrades: upgrades.map(({ before, after }) => `${formatPluginId(before)} -> ${after.version}`),
  };
};
const nothing = { added: [], removed: [], changed: [], metadataChanged: [], unchanged: [], upgrades: [] };

describe('compare', () => {
  test('tells what came, went, changed and stayed, in order', () => {
    const a = [item('waf@1.0.0'), item('b@1.0.0'), item('a@1.0.0'), item('c@1.0.0', 'old')];
    const b = [item('c@1.0.0', 'new'), item('z@1.0.0'), item('a@1.0.0'), item('waf@2.0.0')];
    expect(short(a, b)).toEqual({
      ...nothing,
      added: ['waf@2.0.0', 'z@1.0.0'],
      removed: ['b@1.0.0', 'waf@1.0.0'],
      changed: ['c@1.0.0'],
      unchanged: ['a@1.0.0'],
      upgrades: ['waf@1.0.0 -> 2.0.0'],
    });
    expect(short(a, a)).toEqual({ ...nothing, unchanged: ['a@1.0.0', 'b@1.0.0', 'c@1.0.0', 'waf@1.0.0'] });
    expect(short([], [])).toEqual(nothing);
  });

  test('the same backwards', () => {
    const [a, b] = [
      [item('a@1.0.0'), item('b@1.0.0', 'x')],
      [item('b@1.0.0', 'y'), item('c@1.0.0')],
    ];
    const [there, back] = [short(a, b), short(b, a)];
    expect(there).toMatchObject({ added: back.removed, removed: back.added, changed: back.changed });
  });

  test.each([
    ['the next lower', ['1.0.0', '1.9.0', '1.10.0', '3.0.0'], '2.0.0', '1.10.0'],
    ['the highest, where none is lower', ['1.1.0', '2.0.0'], '1.0.0', '2.0.0'],
    ['a tag above numbers', ['2.0.0', 'latest-rc1'], 'latest-rc2', 'latest-rc1'],
  ])('an added version is held against %s', (...[, before, after, against]) => {
    const a = before.map((version) => item(`waf@${version}`));
    expect(short(a, [...a, item(`waf@${after}`)]).upgrades).toEqual([`waf@${against} -> ${after}`]);
  });

  test('missing metadata counts as what an export makes of it', () => {
    const ours = formatMetadata({ name: 'a', ...digestOf(Buffer.from('x')) });
    const [none, made, other] = [
      item('a@1.0.0', 'x'),
      item('a@1.0.0', 'x', ours),
      item('a@1.0.0', 'x', 'other'),
    ];
    expect(short([none], [made]).unchanged).toEqual(['a@1.0.0']);
    expect(short([made], [other]).metadataChanged).toEqual(['a@1.0.0']);
    expect(short([other], [none]).metadataChanged).toEqual(['a@1.0.0']);
    expect(short([other], [item('a@1.0.0', 'y', ours)])).toEqual({ ...nothing, changed: ['a@1.0.0'] });
  });

  test('of two modules, what they ask for', () => {
    const before: ModuleFacts = {
      abi: ['proxy_abi_version_0_2_0'],
      start: ['_start'],
      toolchain: 'tinygo 0.29',
      imports: [{ module: 'env', names: ['proxy_log', 'proxy_old'] }],
      exports: ['a'],
    };
    const after: ModuleFacts = {
      abi: ['proxy_abi_version_0_2_1'],
      start: ['_initialize'],
      imports: [
        { module: 'wasi_snapshot_preview1', names: ['fd_write', 'clock_time_get'] },
        { module: 'env', names: ['proxy_log'] },
      ],
      exports: ['b'],
    };
    expect(compareModules(before, after)).toEqual({
      imports: {
        added: ['wasi_snapshot_preview1.clock_time_get', 'wasi_snapshot_preview1.fd_write'],
        removed: ['env.proxy_old'],
      },
      abi: { added: ['proxy_abi_version_0_2_1'], removed: ['proxy_abi_version_0_2_0'] },
      start: { added: ['_initialize'], removed: ['_start'] },
      toolchain: { before: 'tinygo 0.29', after: null },
    });
    const same = { added: [], removed: [] };
    expect(compareModules(after, after)).toEqual({ imports: same, abi: same, start: same, toolchain: null });
  });
});

/** A module that asks for one more function, and names no ABI. */
const hungryModule = (): Buffer =>
  wasmModule([
    wasmSection(1, wasmVector([Buffer.from([0x60, 0, 0])])),
    wasmSection(
      2,
      wasmVector([Buffer.concat([wasmName('env'), wasmName('proxy_define_metric'), Buffer.from([0, 0])])]),
    ),
    customSection('x', Buffer.from('hungry')),
  ]);

async function put(
  root: string,
  reference: string,
  [bytes, metadata]: readonly [Buffer, string?],
): Promise<void> {
  const { name, version } = parsePluginId(reference);
  await mkdir(join(root, name, version), { recursive: true });
  await writeFile(join(root, name, version, 'plugin.wasm'), bytes);
  if (metadata !== undefined) await writeFile(join(root, name, version, 'metadata.txt'), metadata);
}

const official = (bytes: Buffer): string =>
  formatMetadata({ name: 'meta', ...digestOf(bytes) }).replaceAll(
    '1980-01-01T00:00:00',
    '2026-01-02T03:04:05.678901',
  );

/** An old and a new plugin tree, the new one as bundle, volume and served, and what is between them. */
async function scene() {
  const directory = await tempDir();
  const [old, recent] = [join(directory, 'old'), join(directory, 'new')];
  await tinyTree(old, { 'same@1.0.0': 's', 'gone@1.0.0': 'g', 'waf@1.0.0': 'w', 'key-auth@1.0.0': 'k' });
  await tinyTree(recent, { 'same@1.0.0': 's', 'waf@2.0.0': 'w', 'fresh@1.0.0': 'f' });
  await put(join(recent, 'plugins'), 'key-auth@1.0.0', [hungryModule()]);
  const meta = Buffer.from(tinyModule('meta'));
  await put(join(old, 'plugins'), 'meta@1.0.0', [meta, official(meta)]);
  await put(join(recent, 'plugins'), 'meta@1.0.0', [
    meta,
    formatMetadata({ name: 'meta', ...digestOf(meta) }),
  ]);
  return { directory, old, recent };
}

const expected = {
  different: true,
  added: [
    { name: 'fresh', version: '1.0.0' },
    { name: 'waf', version: '2.0.0' },
  ],
  removed: [
    { name: 'gone', version: '1.0.0' },
    { name: 'waf', version: '1.0.0' },
  ],
  changed: [
    {
      name: 'key-auth',
      version: '1.0.0',
      after: { sha256: sha256Of(hungryModule()), size: hungryModule().length },
      module: {
        imports: { added: ['env.proxy_define_metric'], removed: ['env.proxy_log'] },
        abi: { added: [], removed: ['proxy_abi_version_0_2_1'] },
        start: { added: [], removed: ['_initialize'] },
        toolchain: null,
      },
    },
  ],
  metadataChanged: [{ name: 'meta', version: '1.0.0' }],
  upgrades: [{ name: 'waf', from: '1.0.0', to: '2.0.0', module: null }],
  unchanged: 1,
};

/** A volume that holds the old tree, then the new one, each from a signed bundle. */
async function volumeOf({ directory, old, recent }: Awaited<ReturnType<typeof scene>>) {
  const key = await testKey('dev');
  const volume = join(directory, 'volume');
  const releases: string[] = [];
  for (const [sequence, source] of [old, recent].entries()) {
    const output = join(directory, `${sequence}.tar.gz`);
    await exportBundle({ source, output, sequence: sequence + 1, signer: key });
    const trust = { publicKeys: [key.trusted] };
    const { release } = await importBundle({
      bundle: output,
      to: volume,
      mode: 'replace',
      trust,
      allowOverwrite: true,
    });
    releases.push(typeof release === 'string' ? release : '');
  }
  return {
    key,
    volume,
    releases,
    bundles: [join(directory, '0.tar.gz'), join(directory, '1.tar.gz')] as const,
  };
}

async function serve(root: string): Promise<string> {
  const server = await servePlugins(
    { root, host: '127.0.0.1', port: 0, drainSeconds: 0 },
    new AbortController().signal,
  );
  onTestFinished(() => server.close());
  await server.ready;
  return server.url;
}

describe('every kind of place', () => {
  test('against every other: the same differences, and what each rests on', async () => {
    const made = await scene();
    const { directory, old, recent } = made;
    const { key, volume, releases, bundles } = await volumeOf(made);
    const before = await treeOf(directory);
    const places: [kind: string, basis: string, old: string, recent: string][] = [
      ['tree', 'read', old, join(recent, 'plugins')],
      ['bundle', 'claimed', bundles[0], bundles[1]],
      ['release', 'recorded', `${volume}@${releases[0]!.slice(0, 8)}`, volume],
      ['server', 'stated', await serve(old), `${await serve(volume)}/plugins/`],
    ];
    for (const [kind, basis, a] of places) {
      for (const [otherKind, otherBasis, , b] of places) {
        const found = await diff({ before: a, after: b });
        expect(found, `${kind} to ${otherKind}`).toMatchObject(expected);
        expect(found.before).toMatchObject({ location: a, kind, basis });
        expect(found.after).toMatchObject({ location: b, kind: otherKind, basis: otherBasis });
      }
      expect(await diff({ before: a, after: a })).toMatchObject({
        different: false,
        unchanged: 5,
        changed: [],
      });
    }
    const signed = await diff({ before: old, after: bundles[1], trust: { publicKeys: [key.trusted] } });
    expect(signed).toMatchObject({ ...expected, after: { basis: 'signed' } });
    // Nothing was written anywhere.
    expect(await treeOf(directory)).toEqual(before);
  });

  test.skipIf(!hasNginx)('also nginx, whose modules are read one by one', async () => {
    const { old, recent } = await scene();
    const server = await startNginx(old);
    onTestFinished(() => server.stop());
    const found = await diff({ before: server.url, after: recent });
    expect(found).toMatchObject({ ...expected, before: { kind: 'server', basis: 'read' } });
  });
});

describe('a bundle', () => {
  test('that nobody known signed is refused where a key is given', async () => {
    const made = await scene();
    const { bundles } = await volumeOf(made);
    const trust = { publicKeys: [(await testKey('other')).trusted] };
    await expect(diff({ before: made.old, after: bundles[1], trust })).rejects.toMatchObject({
      code: 'E_SIGNER_UNKNOWN',
    });
    const unsigned = join(made.directory, 'unsigned.tar.gz');
    await exportBundle({ source: made.old, output: unsigned });
    await expect(diff({ before: unsigned, after: made.old, trust })).rejects.toMatchObject({
      code: 'E_UNSIGNED',
    });
  });
});

describe('a release', () => {
  test('whose module was altered is not described by what is there now', async () => {
    const made = await scene();
    const { volume, bundles } = await volumeOf(made);
    const module = join(volume, 'plugins/key-auth/1.0.0/plugin.wasm');
    const bytes = await readFile(module);
    await rm(module);
    await writeFile(module, tinyModule('forged'));
    await expect(diff({ before: bundles[0], after: volume })).rejects.toMatchObject({ code: 'E_RELEASE' });
    // Of the same size and an older time: nobody knows before it is read.
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await writeFile(module, bytes);
    await utimes(module, new Date(0), new Date(0));
    const { changed } = await diff({ before: bundles[0], after: volume });
    expect(changed[0]).toMatchObject({ name: 'key-auth', module: null });
    expect(changed[0]?.problem).toContain('was altered since its import');
  });

  test('that is not kept, and a volume that is not there', async () => {
    const { directory, old } = await scene();
    const { volume } = await volumeOf({ directory, old, recent: old });
    await expect(diff({ before: `${volume}@00000000`, after: volume })).rejects.toMatchObject({
      code: 'E_NOT_FOUND',
    });
    await expect(diff({ before: `${directory}/no@00000000`, after: volume })).rejects.toMatchObject({
      code: 'E_NOT_FOUND',
    });
  });

  test('is meant by VOLUME@ID only where no file or directory has that name', async () => {
    const { directory, old } = await scene();
    const named = join(directory, 'set@12345678');
    await tinyTree(named, { 'same@1.0.0': 's' });
    expect((await diff({ before: named, after: old })).before).toMatchObject({ kind: 'tree' });
  });

  test('of a volume that is still empty holds nothing', async () => {
    const { directory, old } = await scene();
    await mkdir(join(directory, 'empty/.plugferry'), { recursive: true });
    const { before, added } = await diff({ before: join(directory, 'empty'), after: old });
    expect([before.kind, before.release, added.length]).toEqual(['release', undefined, 5]);
  });
});

test('a module that no gateway loads has a digest, and a problem in place of facts', async () => {
  const { old, recent } = await scene();
  await put(join(recent, 'plugins'), 'key-auth@1.0.0', [Buffer.from('<html>not found</html>')]);
  const { changed, different } = await diff({ before: old, after: recent });
  expect(different).toBe(true);
  expect(changed).toMatchObject([
    { name: 'key-auth', module: null, problem: expect.stringContaining('HTML') },
  ]);
});

test('an interrupt ends it', async () => {
  const { old, recent } = await scene();
  const reason = new Error('stop');
  await expect(diff({ before: old, after: recent, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

test('the command: a table, JSON, exit code 20 only when asked for and due', async () => {
  const made = await scene();
  const { directory } = made;
  const output = join(directory, 'new.tar.gz');
  await exportBundle({ source: made.recent, output });
  const run = (...args: string[]) => cli(['diff', ...args], { cwd: directory });
  const human = await run('old', 'new.tar.gz');
  expect([human.code, human.stderr]).toEqual([0, '']);
  expect(human.stdout).toContain('NOT VERIFIED: what the bundle says of itself');
  expect(human.stdout).toContain('2 added, 2 removed, 1 changed, 1 with other metadata, 1 unchanged');
  expect(human.stdout).toMatch(/^\+ +waf +2\.0\.0 .*against 1\.0\.0: the same bytes$/m);
  expect(human.stdout).toMatch(
    /^~ +key-auth +1\.0\.0 .*imports \+env\.proxy_define_metric -env\.proxy_log; abi -proxy_abi/m,
  );
  const json = await run('old', 'new.tar.gz', '--json', '--exit-code');
  expect(json.code).toBe(20);
  expect(JSON.parse(json.stdout) as Difference).toMatchObject(expected);
  const same = await run('new', 'new.tar.gz', '--exit-code');
  expect([same.code, same.stdout]).toEqual([
    0,
    expect.stringContaining('no differences: 5 plugins are the same'),
  ]);
  expect((await readdir(directory)).sort()).toEqual(['new', 'new.tar.gz', 'old']);
});
