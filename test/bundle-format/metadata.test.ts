import { execFileSync } from 'node:child_process';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { digestOf } from '../../src/stream/digest.js';
import { exportBundle, verifyBundle } from '../../src/index.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';

test('a module that a tree offers under another version travels with a metadata.txt that speaks of that', async () => {
  const directory = await tempDir();
  const source = await tinyTree(directory, { 'waf@1.0.0': 'a' });
  const written = join(source, 'waf/1.0.0/metadata.txt');
  const { size, md5 } = digestOf(await readFile(join(source, 'waf/1.0.0/plugin.wasm')));
  const time = '2026-01-01T00:00:00.123456';
  const lines = [`Size: ${size} bytes`, `Last Modified: ${time}`, `Created: ${time}`, `MD5: ${md5}`, ''];
  const speaking = ['File: waf:1.0.0', ...lines].join('\n');
  await writeFile(written, speaking);
  await symlink('1.0.0', join(source, 'waf/latest'));
  const bundle = join(directory, 'edge.tar.gz');
  await exportBundle({ source, output: bundle });
  await verifyBundle({ bundle, trust: { insecureSkipSignature: true } });
  const unpacked = await tempDir();
  execFileSync('tar', ['xzf', bundle], { cwd: unpacked });
  const carried = (version: string): Promise<string> =>
    readFile(join(unpacked, 'plugins/waf', version, 'metadata.txt'), 'utf8');
  expect(await carried('1.0.0')).toBe(speaking);
  const ours = speaking
    .replace('File: waf:1.0.0', 'Plugin Name: waf')
    .replaceAll(time, '1980-01-01T00:00:00');
  expect(await carried('latest')).toBe(ours);
});
