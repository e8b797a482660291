import { execFileSync } from 'node:child_process';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { exportBundle, inspectBundle, isPlugferryError, type ExportOptions } from '../../src/index.js';
import { sha256Of } from '../../src/stream/digest.js';
import { cli, errorCode } from '../helpers/cli.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { canMount, mounted } from '../volume/mount.js';
import { serving, startWeb } from '../helpers/web.js';
import { tinyModule } from '../helpers/wasm.js';
import { rawZip, type RawZipEntry } from '../helpers/zip.js';

const wasm = (seed: string): Buffer => tinyModule(seed, 3000);

async function put(directory: string, files: Readonly<Record<string, string | Buffer>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), content);
  }
}

/** `name@version sha256 kind reference` of each plugin of an export. */
async function exported(source: string, more: Partial<ExportOptions> = {}): Promise<string[]> {
  const output = join(await tempDir(), 'out.tar.gz');
  await exportBundle({ source, output, ...more });
  const { plugins, files } = (await inspectBundle({ bundle: output })).manifest;
  return plugins.map(({ name, version, source: { kind, reference } }) => {
    const file = files.find(({ path }) => path === `plugins/${name}/${version}/plugin.wasm`);
    return `${name}@${version} ${file?.sha256 ?? ''} ${kind} ${reference}`;
  });
}

async function refusal(source: string, more: Partial<ExportOptions> = {}) {
  const scratch = await tempDir();
  const output = join(scratch, 'out.tar.gz');
  const error: unknown = await exportBundle({ source, output, ...more }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(await readdir(scratch)).toEqual([]);
  if (isPlugferryError(error)) return error;
  throw new Error(`not refused: ${String(error)}`);
}

const naming = (from: string | undefined, name: string) => [{ from, id: { name, version: '1.0.0' } }];

describe('a flat directory', () => {
  test('names plugins as files of a plain file server are named', async () => {
    const directory = await tempDir();
    await put(directory, {
      'ai-proxy-1.0.0.wasm': wasm('a'),
      'ai-proxy-2.0.0-rc.1.wasm': wasm('b'),
      'waf_1.2.wasm': wasm('c'),
      'opa@v3.1.4.WASM': wasm('d'),
      'README.md': 'modules',
      '.cache/x-1.0.0.wasm': 'not looked at',
    });
    expect(await exported(directory)).toEqual([
      `ai-proxy@1.0.0 ${sha256Of(wasm('a'))} file ai-proxy-1.0.0.wasm`,
      `ai-proxy@2.0.0-rc.1 ${sha256Of(wasm('b'))} file ai-proxy-2.0.0-rc.1.wasm`,
      `opa@v3.1.4 ${sha256Of(wasm('d'))} file opa@v3.1.4.WASM`,
      `waf@1.2 ${sha256Of(wasm('c'))} file waf_1.2.wasm`,
    ]);
  });

  test('what builds leave is named by --as, and missed when nobody names it', async () => {
    const directory = await tempDir();
    await put(directory, { 'key-auth/main.wasm': wasm('a'), 'waf/main.wasm': wasm('b') });
    const run = await cli(['export', '.', '-o', 'x.tar.gz', '--json'], { cwd: directory });
    expect([run.code, errorCode(run)]).toEqual([2, 'E_SELECTION']);
    for (const says of ['key-auth/main.wasm', 'waf/main.wasm', '--as FROM=name@version']) {
      expect(run.stderr).toContain(says);
    }
    const names = ['--as', 'key-auth/main.wasm=key-auth@1.0.0', '--as', 'waf/main.wasm=waf@1.0.0'];
    expect(await cli(['export', '.', '-o', 'x.tar.gz', ...names], { cwd: directory })).toMatchObject({
      code: 0,
    });
    const { plugins } = (await inspectBundle({ bundle: join(directory, 'x.tar.gz') })).manifest;
    expect(plugins.map(({ name, source }) => [name, source.reference])).toEqual([
      ['key-auth', 'key-auth/main.wasm'],
      ['waf', 'waf/main.wasm'],
    ]);
  });

  test('links inside are followed, links out of it are refused', async () => {
    const outside = await tempDir();
    await put(outside, { 'secret.wasm': wasm('x') });
    const directory = await tempDir();
    await put(directory, { 'store/a.wasm': wasm('a') });
    await symlink('store/a.wasm', join(directory, 'waf-1.0.0.wasm'));
    expect(await exported(directory, { include: ['waf'] })).toHaveLength(1);
    await symlink(join(outside, 'secret.wasm'), join(directory, 'waf-2.0.0.wasm'));
    expect((await refusal(directory, { include: ['waf'] })).code).toBe('E_SOURCE');
  });

  test('a name that would lead elsewhere names nothing', async () => {
    const directory = await tempDir();
    await put(directory, {
      '..-1.0.0.wasm': wasm('a'),
      'Waf-1.0.0.wasm': wasm('b'),
      'x\n-1.0.0.wasm': wasm('c'),
    });
    const error = await refusal(directory);
    expect(error.code).toBe('E_SELECTION');
    expect(error.details['nameless']).toEqual(['Waf-1.0.0.wasm', 'x\n-1.0.0.wasm']);
    expect(await exported(directory, { include: ['w'], namings: naming('x\n-1.0.0.wasm', 'w') })).toEqual([
      `w@1.0.0 ${sha256Of(wasm('c'))} file x\\u{a}-1.0.0.wasm`,
    ]);
  });

  test('a plugin-server tree stays one, whatever else lies in it', async () => {
    const directory = await tempDir();
    await tinyTree(directory, { 'waf@1.0.0': 'a' });
    await put(directory, { 'plugins/other-1.0.0.wasm': wasm('b'), 'stray-1.0.0.wasm': wasm('c') });
    expect((await exported(directory)).map((line) => line.split(' ')[0])).toEqual(['waf@1.0.0']);
  });

  test('a page that was saved as a module is refused', async () => {
    const directory = await tempDir();
    await put(directory, { 'waf-1.0.0.wasm': '<html>please log in</html>' });
    expect((await refusal(directory)).code).toBe('E_WASM');
  });
});

describe('one module', () => {
  test('is named by its file, or by --as', async () => {
    const directory = await tempDir();
    await put(directory, { 'waf-1.0.0.wasm': wasm('a'), 'main.wasm': wasm('b'), build: wasm('c') });
    expect(await exported(join(directory, 'waf-1.0.0.wasm'))).toEqual([
      `waf@1.0.0 ${sha256Of(wasm('a'))} file waf-1.0.0.wasm`,
    ]);
    for (const [file, seed] of [
      ['main.wasm', 'b'],
      ['build', 'c'],
    ] as const) {
      expect((await refusal(join(directory, file))).code).toBe('E_SELECTION');
      expect(await exported(join(directory, file), { namings: naming(undefined, 'waf') })).toEqual([
        `waf@1.0.0 ${sha256Of(wasm(seed))} file ${file}`,
      ]);
    }
  });

  test.each([
    ['an empty file', 'x.wasm', '', 'E_WASM'],
    ['a page', 'x.wasm', '<html>', 'E_WASM'],
    ['a cut module', 'x.wasm', tinyModule('a', 100).subarray(0, 60), 'E_WASM'],
  ])('%s is refused', async (...[, file, content, code]) => {
    const directory = await tempDir();
    await put(directory, { [file]: content });
    expect((await refusal(join(directory, file), { namings: naming(undefined, 'waf') })).code).toBe(code);
  });

  test('behind a URL: named by its path, or by --as; a page or nothing is refused', async () => {
    const web = await startWeb(
      serving({
        '/software/ai-proxy-1.0.0.wasm': wasm('a'),
        '/x/waf/2.0.0/plugin.wasm': wasm('b'),
        '/build/main.wasm': wasm('c'),
        '/login.wasm': (_request, response) => {
          response.writeHead(200, { 'content-type': 'text/html' }).end('<html>please log in</html>');
        },
      }),
    );
    const at = (path: string): string => web.url + path;
    expect(await exported(at('/software/ai-proxy-1.0.0.wasm'))).toEqual([
      `ai-proxy@1.0.0 ${sha256Of(wasm('a'))} http ${at('/software/ai-proxy-1.0.0.wasm')}`,
    ]);
    expect((await exported(at('/x/waf/2.0.0/plugin.wasm')))[0]).toMatch(/^waf@2\.0\.0 /);
    expect(web.asked).toEqual(['/software/ai-proxy-1.0.0.wasm', '/x/waf/2.0.0/plugin.wasm']);
    expect((await refusal(at('/build/main.wasm'))).code).toBe('E_SELECTION');
    expect(await exported(at('/build/main.wasm'), { namings: naming(undefined, 'waf') })).toHaveLength(1);
    expect((await refusal(at('/login.wasm'), { namings: naming(undefined, 'waf') })).code).toBe('E_SOURCE');
    expect((await refusal(at('/none-1.0.0.wasm'))).code).toBe('E_SOURCE');
    expect(web.asked.every((path) => path.endsWith('.wasm'))).toBe(true);
  });
});

describe('a zip of a build', () => {
  const zipped = async (entries: readonly RawZipEntry[], file = 'ci.zip'): Promise<string> => {
    const directory = await tempDir();
    await put(directory, { [file]: rawZip(entries) });
    return join(directory, file);
  };

  test.each([
    ['zip', ['zip', '-q', '-r', '../ci.zip', '.']],
    ['zip that stores', ['zip', '-q', '-0', '-r', '../ci.zip', '.']],
    ['Python', ['python3', '-m', 'zipfile', '-c', '../ci.zip', 'dist/', 'plugins/', 'README.md']],
  ])('written by %s', async (...[, [program = '', ...args]]) => {
    const directory = await tempDir();
    await put(join(directory, 'tree'), {
      'dist/ai-proxy-1.0.0.wasm': wasm('a'),
      'plugins/waf/2.0.0/plugin.wasm': wasm('b'),
      'README.md': 'a build',
    });
    execFileSync(program, args, { cwd: join(directory, 'tree') });
    expect(await exported(join(directory, 'ci.zip'))).toEqual([
      `ai-proxy@1.0.0 ${sha256Of(wasm('a'))} zip ci.zip: dist/ai-proxy-1.0.0.wasm`,
      `waf@2.0.0 ${sha256Of(wasm('b'))} zip ci.zip: plugins/waf/2.0.0/plugin.wasm`,
    ]);
    expect((await readdir(directory)).sort()).toEqual(['ci.zip', 'tree']);
  });

  test('what has no name is named by --as', async () => {
    const zip = await zipped([{ name: 'key-auth/main.wasm', body: wasm('a') }]);
    expect((await refusal(zip)).code).toBe('E_SELECTION');
    expect(await exported(zip, { namings: naming('key-auth/main.wasm', 'key-auth') })).toHaveLength(1);
  });

  const body = wasm('a');
  test.each<[string, readonly RawZipEntry[], string, string]>([
    ['a name that leads up', [{ name: '../../waf-1.0.0.wasm', body }], 'E_SOURCE', 'invalid relative path'],
    ['an absolute name', [{ name: '/waf-1.0.0.wasm', body }], 'E_SOURCE', 'absolute path'],
    [
      'the same name twice',
      [
        { name: 'waf-1.0.0.wasm', body },
        { name: 'waf-1.0.0.wasm', body: wasm('b') },
      ],
      'E_SOURCE',
      'the same name twice',
    ],
    ['a wrong CRC-32', [{ name: 'waf-1.0.0.wasm', body, crc32: 1 }], 'E_SOURCE', 'CRC-32'],
    [
      'a link',
      [{ name: 'waf-1.0.0.wasm', body, attributes: (0o120777 << 16) >>> 0 }],
      'E_SOURCE',
      'not a regular file',
    ],
    [
      'a method of its own',
      [{ name: 'waf-1.0.0.wasm', body, method: 99 }],
      'E_SOURCE',
      'compression method 99',
    ],
    [
      'an encrypted entry',
      [{ name: 'waf-1.0.0.wasm', body, central: (record) => record.writeUInt16LE(9, 8) }],
      'E_SOURCE',
      'encrypted',
    ],
    [
      'more bytes than it says',
      [{ name: 'waf-1.0.0.wasm', body, central: (record) => record.writeUInt32LE(100, 24) }],
      'E_SOURCE',
      'too many bytes',
    ],
    [
      'a size beyond all modules',
      [{ name: 'waf-1.0.0.wasm', body, central: (record) => record.writeUInt32LE(0x7fffffff, 24) }],
      'E_LIMIT',
      'at most',
    ],
    [
      'damaged bytes',
      [{ name: 'waf-1.0.0.wasm', body, packed: Buffer.from('garbage!') }],
      'E_SOURCE',
      'cannot be used',
    ],
    ['no modules', [{ name: 'README.md', body: Buffer.from('x') }], 'E_SELECTION', 'holds no .wasm files'],
    ['a page', [{ name: 'waf-1.0.0.wasm', body: Buffer.from('<html>') }], 'E_WASM', 'waf'],
  ])('with %s is refused', async (...[, entries, code, says]) => {
    const error = await refusal(await zipped(entries));
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(says)]);
  });

  test.skipIf(!canMount)('on a full disk: that is said, and not that the zip is damaged', async () => {
    const directory = await mounted('size=1m');
    const zip = await zipped([
      { name: 'waf-1.0.0.wasm', body: Buffer.concat([body, Buffer.alloc(4_000_000)]) },
    ]);
    const run = await cli(['export', zip, '-o', 'out.tar.gz', '--keep-going', '--json'], { cwd: directory });
    expect([run.code, errorCode(run)]).toEqual([7, 'E_NO_SPACE']);
    expect(await readdir(directory)).toEqual([]);
  });

  test('cut off anywhere is refused', async () => {
    const whole = rawZip([{ name: 'waf-1.0.0.wasm', body }]);
    const directory = await tempDir();
    for (const length of [4, 40, whole.length - 30, whole.length - 1]) {
      await put(directory, { 'cut.zip': whole.subarray(0, length) });
      expect((await refusal(join(directory, 'cut.zip'))).code).toBe('E_SOURCE');
    }
  });
});

test('anything else is refused, saying what is expected', async () => {
  const directory = await tempDir();
  await put(directory, { 'x.bin': Buffer.from([0, 1, 2, 3, 255]) });
  expect((await refusal(join(directory, 'x.bin'))).code).toBe('E_SOURCE');
});
