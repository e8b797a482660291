import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cli } from '../helpers/cli.js';
import { testKey } from '../helpers/keys.js';
import { secret } from '../helpers/secrets.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { wasmPlugin } from '../helpers/wasm-plugin.js';

const faults = join(import.meta.dirname, '../helpers/unreadable.mjs');
/** What a system says where a medium, a network file system or the machine itself fails. */
const codes = [
  'EIO',
  'ESTALE',
  'EREMOTEIO',
  'ENXIO',
  'ENODATA',
  'EUCLEAN',
  'EBADMSG',
  'ESHUTDOWN',
  'EISDIR',
  'ENOMEM',
];

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'plugferry-unreadable-'));
  await (await testKey('dev')).writeTo(home);
  await tinyTree(home, { 'waf@1.0.0': 'a' });
  await writeFile(join(home, 'pass'), secret('the words of the test'), { mode: 0o600 });
  await writeFile(join(home, 'waf.yaml'), wasmPlugin('waf', 'http://s/plugins/waf/1.0.0/plugin.wasm'));
  await writeFile(join(home, 'one.properties'), 'waf=http://127.0.0.1:1/waf/1.0.0/plugin.wasm\n');
  const runs = [
    'export plugins -o b.tar.gz --signing-key dev.key --allow-plain-key',
    'convert b.tar.gz -o b.zip',
    'trust init trust',
    'trust add trust dev.pub --name dev --role dev',
    'import b.tar.gz --to volume --public-key dev.pub',
  ];
  for (const line of runs) {
    const run = await cli(line.split(' '), { cwd: home });
    expect(run.code, `${line}: ${run.stderr}`).toBe(0);
  }
});

afterAll(() => rm(home, { recursive: true, force: true }));

const reads: readonly (readonly [line: string, file: string])[] = [
  ['verify b.tar.gz --public-key dev.pub', 'b.tar.gz'],
  ['verify b.zip --public-key dev.pub', 'b.zip'],
  ['verify b.tar.gz --public-key dev.pub', 'dev.pub'],
  ['verify b.tar.gz --trust trust', 'trust/trust.json'],
  ['inspect b.tar.gz', 'b.tar.gz'],
  ['inspect b.zip', 'b.zip'],
  ['import b.tar.gz --to other --public-key dev.pub', 'b.tar.gz'],
  ['convert b.tar.gz -o c.zip', 'b.tar.gz'],
  ['convert b.zip -o c.tar.gz', 'b.zip'],
  ['sign b.tar.gz --signing-key dev.key --allow-plain-key', 'b.tar.gz'],
  ['sign b.tar.gz --signing-key dev.key --allow-plain-key', 'dev.key'],
  ['keygen new --passphrase-file pass', 'pass'],
  ['diff b.tar.gz b.zip', 'b.zip'],
  ['list volume', 'volume/.plugferry/state.json'],
  ['export plugins -o c.tar.gz', 'plugins/waf/1.0.0/plugin.wasm'],
  ['export plugins -o c.tar.gz', 'plugins/waf'],
  ['export plugins/waf/1.0.0/plugin.wasm --as waf@1.0.0 -o c.tar.gz', 'plugins/waf/1.0.0/plugin.wasm'],
  ['export one.properties -o c.tar.gz', 'one.properties'],
  ['export waf.yaml -o c.tar.gz', 'waf.yaml'],
  ['diff volume b.tar.gz', 'volume/.plugferry/state.json'],
];

async function failing(line: string, file: string, code: string) {
  const order = { path: join(home, file), code };
  const run = await cli(line.split(' '), {
    cwd: home,
    node: ['--import', faults],
    env: { PLUGFERRY_TEST_UNREADABLE: JSON.stringify(order) },
  });
  return { run, said: `${line} (${code} at ${file}): ${run.stderr}` };
}

describe('a file that the medium does not give', () => {
  test.each(reads.map(([line, file], index) => [line, file, codes[index % codes.length] ?? 'EIO'] as const))(
    '%s with %s: %s',
    async (line, file, code) => {
      const before = await readdir(home);
      const { run, said } = await failing(line, file, code);
      expect([run.code, run.signal], said).toEqual([7, null]);
      expect(run.stderr, said).toContain(file);
      expect(run.stderr, said).toContain(code);
      expect(await readdir(home)).toEqual(before);
    },
  );

  test.each(codes)('%s of a bundle is never a defect of ours', async (code) => {
    const { run, said } = await failing('verify b.tar.gz --public-key dev.pub', 'b.tar.gz', code);
    expect(run.code, said).toBe(7);
    expect(run.stderr).toContain('b.tar.gz');
  });

  test('the memory of a process, which reads as EIO', async () => {
    if (!existsSync('/proc/self/mem')) return;
    const target = await tempDir();
    for (const args of [
      ['import', '/proc/self/mem', '--to', target, '--public-key', join(home, 'dev.pub')],
      ['verify', join(home, 'b.tar.gz'), '--public-key', '/proc/self/mem'],
      ['inspect', '/proc/self/mem'],
    ]) {
      const run = await cli(args);
      expect([run.code, run.stderr]).toEqual([7, expect.stringContaining('/proc/self/mem') as unknown]);
    }
  });
});
