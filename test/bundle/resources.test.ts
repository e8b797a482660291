import { execFileSync } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PackedResource } from '../../src/bundle/build-manifest.js';
import { parseManifest } from '../../src/bundle/manifest.js';
import { isPlugferryError } from '../../src/errors.js';
import type { Manifest } from '../../src/schema/manifest.js';
import { documentBytes } from '../../src/schema/parse.js';
import { put, resourceBundle, tarGz } from '../helpers/bundle.js';
import { cli, errorCode } from '../helpers/cli.js';
import { testKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';

const resource = (name: string, variables: string[] = [], text = `name: ${name}\n`): PackedResource => ({
  name,
  variables,
  text: Buffer.from(text),
});
const two = [resource('waf-1.0.0'), resource('key-auth-1.0.0', ['B', 'A'])];

describe('resources in a bundle', () => {
  test('stand behind the checksums, which list them, and before the plugins', async () => {
    const directory = await tempDir();
    const { manifest, entries } = resourceBundle([await testKey()], two);
    expect(manifest.resources).toEqual([
      { name: 'key-auth-1.0.0', variables: ['A', 'B'] },
      { name: 'waf-1.0.0', variables: [] },
    ]);
    expect(manifest.files.slice(0, 5).map(({ path }) => path)).toEqual([
      'checksums.md5',
      'checksums.sha256',
      'resources/wasmplugins/key-auth-1.0.0.yaml',
      'resources/wasmplugins/waf-1.0.0.yaml',
      'plugins/key-auth/1.0.0/metadata.txt',
    ]);
    expect(parseManifest(documentBytes(manifest))).toEqual(manifest);
    const bundle = await put(directory, 'b.tar.gz', tarGz(entries));
    const unpacked = join(directory, 'unpacked');
    await mkdir(unpacked);
    execFileSync('tar', ['xzf', bundle, '-C', unpacked]);
    const lines = execFileSync('sha256sum', ['-c', 'checksums.sha256'], { cwd: unpacked }).toString();
    expect(lines).toContain('resources/wasmplugins/waf-1.0.0.yaml: OK');
  });

  test('pass through verify, sign, convert and a zip, byte for byte', async () => {
    const directory = await tempDir();
    const key = await testKey();
    const { key: keyFile, pub } = await key.writeTo(directory);
    const { entries } = resourceBundle([key], two);
    await put(directory, 'b.tar.gz', tarGz(entries));
    const run = (line: string) => cli(line.split(' '), { cwd: directory });
    const other = await testKey('bob');
    const bob = await other.writeTo(directory);
    expect(keyFile).not.toBe(bob.key);
    for (const line of [
      `verify b.tar.gz --public-key ${pub}`,
      `sign b.tar.gz --signing-key ${bob.key} --allow-plain-key --public-key ${pub}`,
      'convert b.tar.gz -o b.zip',
      `verify b.zip --public-key ${bob.pub}`,
      'convert b.zip -o c.tar.gz',
      'convert b.tar.gz -o d.tar.gz',
    ])
      expect([line, await run(line)]).toMatchObject([line, { code: 0 }]);
    expect(await readFile(join(directory, 'c.tar.gz'))).toEqual(await readFile(join(directory, 'd.tar.gz')));
  });

  test('are checked and not applied when a volume imports their bundle', async () => {
    const directory = await tempDir();
    const key = await testKey();
    const { pub } = await key.writeTo(directory);
    const { entries } = resourceBundle([key], two);
    const run = (bundle: string) =>
      cli(['import', bundle, '--to', 'volume', '--public-key', pub, '--json'], { cwd: directory });
    const at = entries.findIndex(({ name }) => name === 'resources/wasmplugins/waf-1.0.0.yaml');
    const forged = entries.with(at, { ...entries[at], body: Buffer.from('name: waf-1.0.1\n') });
    await put(directory, 'forged.tar.gz', tarGz(forged));
    expect(errorCode(await run('forged.tar.gz'))).toBe('E_DIGEST');
    await put(directory, 'b.tar.gz', tarGz(entries));
    expect(await run('b.tar.gz')).toMatchObject({ code: 0 });
    const found = execFileSync('find', ['volume', '-name', '*.yaml'], { cwd: directory }).toString();
    expect(found).toBe('');
    expect(await cli(['verify', 'volume'], { cwd: directory })).toMatchObject({ code: 0 });
  });
});

describe('a manifest is refused that', () => {
  const honest = resourceBundle([], two).manifest;
  const refusal = (change: (manifest: Manifest) => void): string | undefined => {
    const manifest = structuredClone(honest);
    change(manifest);
    try {
      parseManifest(documentBytes(manifest));
      return undefined;
    } catch (error) {
      if (isPlugferryError(error)) return error.code;
      throw error;
    }
  };
  const first = (manifest: Manifest) => manifest.resources![0]!;
  const file = (manifest: Manifest) => manifest.files[2]!;

  test.each<[string, (manifest: Manifest) => void]>([
    ['names none in a list of its own', (manifest) => (manifest.resources = [])],
    ['leaves out one that is there', (manifest) => manifest.resources!.pop()],
    ['names one that is not there', (manifest) => manifest.files.splice(2, 1)],
    ['names one twice', (manifest) => manifest.resources!.splice(0, 0, first(manifest))],
    ['has them out of order', (manifest) => manifest.resources!.reverse()],
    ['has variables out of order', (manifest) => first(manifest).variables.reverse()],
    ['has a variable twice', (manifest) => (first(manifest).variables = ['A', 'A'])],
    ['has a variable with another name', (manifest) => (first(manifest).variables = ['a b'])],
    ['has a variable that breaks a line', (manifest) => (first(manifest).variables = ['A\nB'])],
    ['stores one in another place', (manifest) => (file(manifest).path = 'plugins/x/1/plugin.wasm')],
    ['lets one be the same as a module', (manifest) => (file(manifest).sameAs = 'checksums.md5')],
    ['has an unknown key', (manifest) => Object.assign(first(manifest), { apply: true })],
    ...['', '..', 'a/b', '../a', 'A', 'a_b', '-a', 'a.', 'a..b', 'nul', 'com1.x', 'a b', 'a'.repeat(96)].map(
      (name): [string, (manifest: Manifest) => void] => [
        `calls one ${JSON.stringify(name).slice(0, 20)}`,
        (manifest) => {
          first(manifest).name = name;
          file(manifest).path = `resources/wasmplugins/${name}.yaml`;
        },
      ],
    ),
  ])('%s', (_name, change) => {
    expect(refusal(change)).toBe('E_MANIFEST');
  });

  test('has one that is larger than an object may be, or too many', () => {
    expect(refusal((manifest) => (file(manifest).size = 1024 * 1024 + 1))).toBe('E_LIMIT');
    const several = resourceBundle(
      [],
      Array.from({ length: 65 }, (_, index) => resource(`r${index}`)),
    ).manifest;
    for (const { path } of several.files.slice(2, 67)) expect(path).toMatch(/^resources/);
    expect(
      refusal((manifest) => {
        Object.assign(manifest, several);
        for (const each of manifest.files.slice(2, 67)) each.size = 1024 * 1024;
      }),
    ).toBe('E_LIMIT');
    const many = Array.from({ length: 2001 }, (_, index) => ({ name: `r${index}`, variables: [] }));
    expect(refusal((manifest) => (manifest.resources = many))).toBe('E_LIMIT');
  });

  test('is not refused as it was', () => {
    expect(refusal(() => undefined)).toBeUndefined();
  });
});
