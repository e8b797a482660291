import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { exportBundle } from '../../src/index.js';
import { cli, errorCode } from '../helpers/cli.js';
import { testKey, type TestKey } from '../helpers/keys.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { tinyModule } from '../helpers/wasm.js';

const mib = 1024 * 1024;

let dev: TestKey;
let qa: TestKey;
beforeAll(async () => {
  dev = await testKey('dev');
  qa = await testKey('qa');
});

interface Media {
  readonly directory: string;
  /** The part files, by number. */
  readonly parts: string[];
  /** The manifest that was signed. */
  readonly manifestSha256: string;
}

/** A signed bundle that left export in parts of 1 MiB, and nothing else of it; with the keys of dev and qa. */
async function onMedia(parity: string, output = 'edge.tar.gz'): Promise<Media> {
  const directory = await tempDir();
  for (const name of ['waf', 'key-auth']) {
    await mkdir(join(directory, 'plugins', name, '1.0.0'), { recursive: true });
    await writeFile(join(directory, 'plugins', name, '1.0.0/plugin.wasm'), tinyModule(name, 1.4 * mib));
  }
  const { key } = await dev.writeTo(directory);
  await qa.writeTo(directory);
  const run = await cli(
    ['export', 'plugins', '-o', output, '--split-size', '1M', '--parity', parity, '--json'].concat([
      '--signing-key',
      key,
      '--allow-plain-key',
    ]),
    { cwd: directory, env: { SOURCE_DATE_EPOCH: '1790000000' } },
  );
  expect(run).toMatchObject({ code: 0 });
  const { parts, manifestSha256 } = JSON.parse(run.stdout) as {
    parts: { file: string }[];
    manifestSha256: string;
  };
  await rm(join(directory, 'plugins'), { recursive: true });
  return { directory, parts: parts.map(({ file }) => file), manifestSha256 };
}

const overwrite = async (path: string, at: number, length: number): Promise<void> => {
  const file = await open(path, 'r+');
  await file.write(Buffer.alloc(length, 0xa5), 0, length, at);
  await file.close();
};

const verified = (directory: string, ...parts: string[]): ReturnType<typeof cli> =>
  cli(['verify', ...parts, '--public-key', 'dev.pub', '--json'], { cwd: directory });

describe('export in parts', () => {
  test('writes the parts, none larger than asked for, and no whole bundle', async () => {
    const { directory, parts } = await onMedia('40%');
    expect(parts).toEqual([1, 2, 3, 4, 5, 6].map((part) => `edge.tar.gz.part00${part}`));
    for (const part of parts) expect((await stat(join(directory, part))).size).toBeLessThanOrEqual(mib);
    expect((await readdir(directory)).sort()).toEqual(
      [...parts, 'dev.key', 'dev.pub', 'qa.key', 'qa.pub'].sort(),
    );
  });

  test('cuts the very bytes that an export in one file has', async () => {
    const { directory, parts } = await onMedia('0%');
    const run = await cli(['join', ...parts, '-o', 'joined.tar.gz', '--json'], { cwd: directory });
    expect(run).toMatchObject({ code: 0 });
    for (const name of ['waf', 'key-auth']) {
      await mkdir(join(directory, 'plugins', name, '1.0.0'), { recursive: true });
      await writeFile(join(directory, 'plugins', name, '1.0.0/plugin.wasm'), tinyModule(name, 1.4 * mib));
    }
    await exportBundle({
      source: join(directory, 'plugins'),
      output: join(directory, 'whole.tar.gz'),
      createdAt: new Date(1_790_000_000_000),
      signer: dev,
    });
    const [joined, whole] = await Promise.all(
      ['joined', 'whole'].map((name) => readFile(join(directory, `${name}.tar.gz`))),
    );
    expect(joined!.equals(whole!)).toBe(true);
  });

  test('replaces no part without --force, and leaves none of its own then', async () => {
    const { directory, parts } = await onMedia('0%');
    await mkdir(join(directory, 'plugins/waf/1.0.0'), { recursive: true });
    await writeFile(join(directory, 'plugins/waf/1.0.0/plugin.wasm'), tinyModule('other', 2 * mib));
    await rm(join(directory, parts[0]!));
    const before = await treeOf(directory);
    const again = ['export', 'plugins', '-o', 'edge.tar.gz', '--split-size', '1M', '--json'];
    const refused = await cli(again, { cwd: directory });
    expect([refused.code, errorCode(refused)]).toEqual([6, 'E_EXISTS']);
    expect(await treeOf(directory)).toEqual(before);
    expect(await cli([...again, '--force'], { cwd: directory })).toMatchObject({ code: 0 });
  });

  test('needs a size for parity', async () => {
    const { directory } = await onMedia('0%');
    const run = await cli(['export', '.', '-o', 'x.tar.gz', '--parity', '10%', '--json'], { cwd: directory });
    expect([run.code, errorCode(run)]).toEqual([2, 'E_USAGE']);
  });
});

describe.each(['edge.tar.gz', 'edge.zip'])('%s in parts', (output) => {
  test('is verified, inspected and imported from them, renamed and in any order', async () => {
    const { directory, parts, manifestSha256 } = await onMedia('0%', output);
    await mkdir(join(directory, 'disc 2'));
    await rename(join(directory, parts[0]!), join(directory, 'z last'));
    await rename(join(directory, parts[2]!), join(directory, 'disc 2/x'));
    const places = ['disc 2', parts[3]!, parts[1]!, 'z last'];
    const run = await verified(directory, ...places);
    // Nothing was repaired, so nothing is said but what it came to.
    expect([run.code, run.stderr]).toEqual([0, expect.stringMatching(/^verified [^\n]*\n$/)]);
    expect(JSON.parse(run.stdout)).toMatchObject({ verified: true, manifestSha256 });
    const looked = await cli(['inspect', ...places, '--json'], { cwd: directory });
    expect(JSON.parse(looked.stdout)).toMatchObject({ manifestSha256, claimedSigners: [dev.keyId] });
    const imported = await cli(['import', ...places, '--to', 'volume', '--public-key', 'dev.pub', '--json'], {
      cwd: directory,
    });
    expect(imported).toMatchObject({ code: 0, stderr: expect.not.stringContaining('warning') });
    const served = await readFile(join(directory, 'volume/plugins/waf/1.0.0/plugin.wasm'));
    expect(served.equals(tinyModule('waf', 1.4 * mib))).toBe(true);
    // The parts were read where they are: no whole bundle came of it.
    expect((await readdir(directory)).filter((name) => name === output)).toEqual([]);
  });

  test('is imported though a part is gone and another scratched, and each repair is said', async () => {
    const { directory, parts } = await onMedia('50%', output);
    await rm(join(directory, parts[0]!));
    await overwrite(join(directory, parts[2]!), 600, 300_000);
    const run = await cli(['import', '.', '--to', 'volume', '--public-key', 'dev.pub', '--json'], {
      cwd: directory,
    });
    expect(run).toMatchObject({ code: 0 });
    expect(run.stderr).toContain('warning: repaired from parity: part 1 of 6 is missing (bytes 0-');
    expect(run.stderr).toContain('part 3 of 6 is damaged');
    const served = await readFile(join(directory, 'volume/plugins/waf/1.0.0/plugin.wasm'));
    expect(served.equals(tinyModule('waf', 1.4 * mib))).toBe(true);
  });
});

describe('too little of a bundle is left', () => {
  test.each([
    ['missing', async (path: string) => rm(path)],
    ['damaged', async (path: string) => overwrite(path, 700, 10)],
  ])('a part is %s: it is named with the bytes, and the volume stays as it was', async (kind, harm) => {
    const { directory, parts } = await onMedia('0%');
    await harm(join(directory, parts[2]!));
    const left = (await readdir(directory)).filter((name) => name.startsWith('edge.'));
    for (const args of [
      ['verify', ...left, '--public-key', 'dev.pub'],
      ['import', ...left, '--to', 'volume', '--public-key', 'dev.pub'],
      ['sign', ...left, '-o', 'signed.tar.gz', '--signing-key', 'qa.key', '--allow-plain-key'],
    ]) {
      const run = await cli([...args, '--json'], { cwd: directory });
      expect([args[0], run.code, errorCode(run)]).toEqual([args[0], 3, 'E_PARTS']);
      expect(run.stderr).toMatch(new RegExp(`part 3 of 4 is ${kind}.*bytes \\d+-\\d+`));
    }
    // The volume may have been made ready; there is nothing in it that could be served.
    const after = (await readdir(directory)).filter((name) => name !== 'volume').sort();
    expect(after).toEqual([...left, 'dev.key', 'dev.pub', 'qa.key', 'qa.pub'].sort());
    expect(await readdir(join(directory, 'volume')).catch(() => [])).not.toContain('plugins');
  });

  test('one part alone is told that the others are missing', async () => {
    const { directory, parts } = await onMedia('0%');
    const run = await verified(directory, parts[1]!);
    expect([run.code, errorCode(run)]).toEqual([3, 'E_PARTS']);
    expect(run.stderr).toContain('part 1 of 4 is missing');
    expect(run.stderr).toContain('part 4 of 4 is missing');
  });

  test('a part of another bundle and a file that is none are named', async () => {
    const { directory, parts } = await onMedia('0%');
    const other = await onMedia('20%');
    await rename(join(other.directory, other.parts[0]!), join(directory, 'stray'));
    expect((await verified(directory, ...parts, 'stray')).stderr).toContain('stray');
    await rm(join(directory, parts[0]!));
    const run = await verified(directory, 'dev.pub', ...parts.slice(1));
    expect([run.code, errorCode(run)]).toEqual([3, 'E_PARTS']);
    expect(run.stderr).toContain('dev.pub cannot be read as a part');
  });
});

describe('trust does not depend on parts', () => {
  test('parts that fit each other are refused all the same when another key signed', async () => {
    const { directory, parts } = await onMedia('0%');
    const run = await cli(['import', ...parts, '--to', 'volume', '--public-key', 'qa.pub', '--json'], {
      cwd: directory,
    });
    expect(run.code).toBe(4);
    expect(await readdir(directory)).not.toContain('volume');
  });

  test('sign makes a whole bundle of them, or a signature file, and never changes a part', async () => {
    const { directory, parts } = await onMedia('40%');
    const key = ['--signing-key', 'qa.key', '--allow-plain-key', '--public-key', 'dev.pub', '--json'];
    const nowhere = await cli(['sign', ...parts, ...key], { cwd: directory });
    expect([nowhere.code, errorCode(nowhere)]).toEqual([2, 'E_USAGE']);
    await rm(join(directory, parts[1]!));
    const before = await treeOf(directory);
    const left = parts.filter((_, at) => at !== 1);
    expect(await cli(['sign', ...left, '-o', 'both.tar.gz', ...key], { cwd: directory })).toMatchObject({
      code: 0,
    });
    const detached = await cli(['sign', ...left, '--detached', '-o', 'qa.sig', ...key], { cwd: directory });
    expect(detached).toMatchObject({ code: 0 });
    const after = await treeOf(directory);
    for (const [name, content] of before) expect(after.get(name) === content, name).toBe(true);
    for (const pub of ['dev.pub', 'qa.pub']) {
      expect(await cli(['verify', 'both.tar.gz', '--public-key', pub], { cwd: directory })).toMatchObject({
        code: 0,
      });
    }
  });
});
