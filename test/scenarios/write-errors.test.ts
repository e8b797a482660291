import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exportBundle } from '../../src/index.js';
import { cli } from '../helpers/cli.js';
import { testKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';

const signing = ['--signing-key', 'dev.key', '--allow-plain-key'];

/** Command lines that write what stands for OUT. */
const writers: Readonly<Record<string, readonly string[]>> = {
  export: ['export', 'plugins', '-o', 'OUT', ...signing],
  split: ['split', 'a.tar.gz', '-o', 'OUT', '--split-size', '1M'],
  keygen: ['keygen', 'OUT', '--allow-plain-key'],
  'trust init': ['trust', 'init', 'OUT'],
  import: ['import', 'a.tar.gz', '--to', 'OUT', '--public-key', 'dev.pub'],
};

interface Place {
  readonly path: string;
  readonly prepare?: (directory: string) => Promise<unknown>;
  readonly expected: RegExp;
  /** Commands that make a directory of it, or take one. */
  readonly fine?: readonly string[];
}

const places: Readonly<Record<string, Place>> = {
  'a directory that is not there': {
    path: 'nowhere/out.tar.gz',
    expected: /^2 error E_NOT_FOUND: .*nowhere\/out\.tar\.gz/,
    fine: ['import', 'trust init'],
  },
  'a parent that is a file': {
    path: 'file/out.tar.gz',
    expected: /^(2 error E_NOT_FOUND|7 error E_IO): .*file\/out\.tar\.gz/,
  },
  'a target that is a directory': {
    path: 'out.tar.gz',
    prepare: async (top) => {
      for (const name of ['out.tar.gz', 'out.tar.gz.key'])
        await mkdir(join(top, name, 'full'), { recursive: true });
    },
    expected: /^6 error E_EXISTS: .*out\.tar\.gz/,
    fine: ['import', 'split'],
  },
  'a name of more than 255 bytes': {
    path: `${'n'.repeat(250)}.tar.gz`,
    expected: /^7 error E_IO: .*n{250}\.tar\.gz/,
  },
  'links that lead in a circle': {
    path: 'circle/out.tar.gz',
    prepare: (top) => symlink('circle', join(top, 'circle')),
    expected: /^7 error E_IO: .*circle\/out\.tar\.gz.*ELOOP/,
  },
};

async function scene(): Promise<string> {
  const top = await tempDir();
  const signer = await testKey('dev');
  await signer.writeTo(top);
  await tinyTree(top, { 'waf@1.0.0': 'a' });
  await writeFile(join(top, 'file'), 'a file\n');
  await exportBundle({ source: join(top, 'plugins'), output: join(top, 'a.tar.gz'), signer, sequence: 1 });
  return top;
}

const listed = async (top: string): Promise<string[]> => (await readdir(top, { recursive: true })).toSorted();

// A start of the binary for each way to write in each place.
test.each(Object.keys(places))('%s in place of an output is told, and nothing is left', async (name) => {
  const top = await scene();
  const { path, prepare, expected, fine = [] } = places[name]!;
  await prepare?.(top);
  const before = await listed(top);
  for (const [command, words] of Object.entries(writers)) {
    if (fine.includes(command)) continue;
    const { code, stderr } = await cli(
      words.map((word) => (word === 'OUT' ? path : word)),
      { cwd: top },
    );
    const error = stderr.split('\n').find((line) => line.startsWith('error '));
    expect(`${code} ${error ?? stderr}`, command).toMatch(expected);
  }
  expect(await listed(top)).toEqual(before);
});
