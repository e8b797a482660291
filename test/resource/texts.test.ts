import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { readConsoleSpecs } from '../../src/resource/plugin-spec.js';
import { readResourceTexts } from '../../src/resource/texts.js';
import { tempDir } from '../helpers/temp.js';

const none = Readable.from([]);

test('a directory is read to its bottom, in order, each file once', async () => {
  const root = await tempDir();
  // A ConfigMap's mount: the files are links into a directory that changes as a whole.
  await mkdir(join(root, '..2026_11_26'));
  await writeFile(join(root, '..2026_11_26', 'b.yaml'), 'b: 1');
  await symlink('..2026_11_26', join(root, '..data'));
  await symlink('..data/b.yaml', join(root, 'b.yaml'));
  await mkdir(join(root, 'a', 'deep.yaml'), { recursive: true });
  await writeFile(join(root, 'a', 'deep.yaml', 'x.YML'), 'x: 1');
  await writeFile(join(root, 'a', 'README.md'), 'no');
  await symlink(root, join(root, 'loop'));
  expect(await readResourceTexts(root, none)).toEqual([
    { file: join(root, 'a', 'deep.yaml', 'x.YML'), text: 'x: 1' },
    { file: join(root, 'b.yaml'), text: 'b: 1' },
  ]);
});

test('"-" is standard input, and bytes that are no text are refused by name', async () => {
  const stdin = Readable.from([Buffer.from('a: 中')]);
  expect(await readResourceTexts('-', stdin)).toEqual([{ file: 'standard input', text: 'a: 中' }]);
  const file = join(await tempDir(), 'x.yaml');
  await writeFile(file, Buffer.from([0x61, 0xff]));
  await expect(readResourceTexts(file, none)).rejects.toMatchObject({
    code: 'E_SOURCE',
    message: expect.stringContaining(file),
  });
  const endless = Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(1024 * 1024);
    })(),
  );
  await expect(readResourceTexts('-', endless)).rejects.toMatchObject({ code: 'E_LIMIT' });
  await expect(readResourceTexts(`${file}.none`, none)).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
});

test('specs of the Console: name and version, or the file at fault', async () => {
  const root = await tempDir();
  await expect(readConsoleSpecs(root)).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
  for (const name of ['waf', 'key-auth']) {
    await mkdir(join(root, name));
    await writeFile(
      join(root, name, 'spec.yaml'),
      `apiVersion: 1.0.0\ninfo:\n  name: ${name}\n  version: 1.0.0\n`,
    );
  }
  expect((await readConsoleSpecs(root)).map(({ name, version }) => `${name}@${version}`)).toEqual([
    'key-auth@1.0.0',
    'waf@1.0.0',
  ]);
  // A version that YAML reads as a number is none that a URL can be made of.
  await writeFile(join(root, 'waf', 'spec.yaml'), 'info: {name: waf, version: 1.0}\n');
  await expect(readConsoleSpecs(root)).rejects.toMatchObject({
    code: 'E_SOURCE',
    message: expect.stringContaining(join('waf', 'spec.yaml')),
  });
});
