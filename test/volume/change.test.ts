import { link, mkdir, open, readdir, readFile, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { PlugferryError } from '../../src/errors.js';
import { digestOf } from '../../src/stream/digest.js';
import { changeVolume } from '../../src/volume/change.js';
import { checkVolume } from '../../src/volume/check.js';
import { readVolume } from '../../src/volume/read.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { actor, arrive, currentLink, importInto, keyId, plainTree, served } from './scene.js';

const control = (root: string, ...rest: string[]): string => join(root, '.plugferry', ...rest);
const releaseIn = (root: string, id: string, ...rest: string[]): string =>
  control(root, 'releases', id, ...rest);
const leftovers = async (root: string): Promise<string[]> => [
  ...(await readdir(control(root, 'staging'))),
  ...(await readdir(control(root))).filter((name) => name.startsWith('lock')),
];

test('the first import makes a volume whose link is relative and whose files anybody may read', async () => {
  const root = join(await tempDir(), 'new', 'volume');
  const { release, outcome, previous } = await importInto(root, { plugins: { 'waf@1.0.0': 'one' } });
  expect([outcome, previous]).toEqual(['published', undefined]);
  expect(await currentLink(root)).toBe(`.plugferry/releases/${release.id}/plugins`);
  expect(await served(root, 'waf@1.0.0')).toBe('one');
  expect((await stat(join(root, 'plugins/waf/1.0.0/plugin.wasm'))).mode & 0o777).toBe(0o644);
  expect((await stat(join(root, 'plugins/waf/1.0.0'))).mode & 0o777).toBe(0o755);
  expect(await leftovers(root)).toEqual([]);
});

test('a release keeps the manifest and the signatures that brought it', async () => {
  const root = await tempDir();
  const { release } = await importInto(root, { plugins: { 'waf@1.0.0': 'one' } });
  const { manifestSha256 } = release.plugins[0]!;
  const evidence = releaseIn(root, release.id, 'evidence', manifestSha256!);
  expect(await readFile(join(evidence, 'manifest.json'), 'utf8')).toContain('manifest 1');
  expect(await readFile(join(evidence, 'signatures', `${keyId}.sig`), 'utf8')).toBe('signature');
});

test('a merged release keeps the evidence of the bundles before it', async () => {
  const root = await tempDir();
  const first = await importInto(root, { plugins: { 'waf@1.0.0': 'one' } });
  const { release } = await importInto(root, { plugins: { 'cors@1.0.0': 'two' }, sequence: 2 });
  expect((await readdir(releaseIn(root, release.id, 'evidence'))).toSorted()).toEqual(
    release.plugins.map(({ manifestSha256 }) => manifestSha256).toSorted(),
  );
  expect(release.plugins.map(({ name }) => name)).toEqual(['cors', 'waf']);
  expect(first.release.plugins[0]!.manifestSha256).toBe(release.plugins[1]!.manifestSha256);
});

test('bytes are stored once, however many releases and versions hold them', async () => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'waf@1.0.0': 'same', 'waf@2.0.0': 'same' } });
  await importInto(root, { plugins: { 'cors@1.0.0': 'other' }, sequence: 2 });
  const { ino, nlink } = await stat(join(root, 'plugins/waf/1.0.0/plugin.wasm'));
  expect((await stat(join(root, 'plugins/waf/2.0.0/plugin.wasm'))).ino).toBe(ino);
  expect(nlink).toBe(5);
});

test('the same content again changes nothing and says so', async () => {
  const root = await tempDir();
  const arrival = { plugins: { 'waf@1.0.0': 'one' } };
  const first = await importInto(root, arrival);
  const before = await treeOf(control(root, 'releases'));
  const second = await importInto(root, arrival);
  expect(second).toEqual({
    release: first.release,
    previous: first.release.id,
    outcome: 'unchanged',
    warnings: [],
  });
  expect(await treeOf(control(root, 'releases'))).toEqual(before);
  expect((await readVolume(root)).state.history).toHaveLength(1);
});

test('the same content from a newer bundle raises the floor and renews the evidence without a switch', async () => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'waf@1.0.0': 'one' } });
  const link = await stat(join(root, '.plugferry'));
  const { release, outcome } = await importInto(root, { plugins: { 'waf@1.0.0': 'one' }, sequence: 7 });
  expect(link.isDirectory()).toBe(true);
  expect(outcome).toBe('unchanged');
  expect(release.origin.bundle?.sequence).toBe(7);
  const { state, current } = await readVolume(root);
  expect(state.sets).toMatchObject([{ set: 'edge', sequence: 7 }]);
  expect(current).toEqual(release);
  expect(await readdir(releaseIn(root, release.id, 'evidence'))).toHaveLength(2);
});

test('a countersigned bundle adds its signature to what is kept', async () => {
  const root = await tempDir();
  const plugins = { 'waf@1.0.0': 'one' };
  await importInto(root, { plugins });
  const qa = 'b'.repeat(64);
  const { release } = await importInto(root, { plugins, signatures: { [keyId]: 'signature', [qa]: 'qa' } });
  expect(release.origin.signers?.map((signer) => signer.keyId)).toEqual([keyId, qa]);
  const { manifestSha256 } = release.plugins[0]!;
  const kept = await readdir(releaseIn(root, release.id, 'evidence', manifestSha256!, 'signatures'));
  expect(kept.toSorted()).toEqual([`${keyId}.sig`, `${qa}.sig`]);
});

test('an unsigned bundle is marked plugin by plugin, raises no floor and takes no signature away', async () => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'waf@1.0.0': 'one' }, sequence: 3 });
  const { release } = await importInto(root, {
    plugins: { 'waf@1.0.0': 'one', 'cors@1.0.0': 'two' },
    sequence: 999,
    unsigned: true,
  });
  expect(release.plugins.map(({ name, unsigned }) => [name, unsigned])).toEqual([
    ['cors', true],
    ['waf', undefined],
  ]);
  expect(release.origin.unsigned).toBe(true);
  expect((await readVolume(root)).state.sets).toMatchObject([{ sequence: 3 }]);
  const next = await importInto(root, { plugins: { 'key-auth@1.0.0': 'three' }, sequence: 4 });
  expect(next.release.plugins.find(({ name }) => name === 'cors')?.unsigned).toBe(true);
});

test('a floor is never lowered, also not by an older bundle that is published', async () => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'waf@1.0.0': 'one' }, sequence: 9 });
  await importInto(root, { plugins: { 'waf@1.1.0': 'two' }, sequence: 4 });
  expect((await readVolume(root)).state.sets).toMatchObject([{ sequence: 9 }]);
});

test('a plain tree becomes the first release, its modules in files of our own; nothing of it is lost', async () => {
  const root = await tempDir();
  await plainTree(root, { 'waf@1.0.0': 'one', 'cors@1.0.0': 'two' });
  await writeFile(join(root, 'plugins/snapshot-inventory.json'), '{}');
  await mkdir(join(root, 'plugins/waf/BAD NAME'), { recursive: true });
  const before = await open(join(root, 'plugins/waf/1.0.0/plugin.wasm'));
  onTestFinished(() => before.close());
  const { release, previous, warnings } = await changeVolume(root, { actor }, async (change) => {
    expect(change.plain).toBe(true);
    expect(change.current?.plugins.map(({ name }) => name)).toEqual(['cors', 'waf']);
    return arrive(change, { plugins: { 'key-auth@1.0.0': 'three', 'waf@1.0.0': 'one' } });
  });
  expect(release.plugins.map(({ name }) => name)).toEqual(['cors', 'key-auth', 'waf']);
  expect((await stat(join(root, 'plugins/waf/1.0.0/plugin.wasm'))).ino).not.toBe((await before.stat()).ino);
  expect(await readFile(releaseIn(root, previous!, 'plugins/snapshot-inventory.json'), 'utf8')).toBe('{}');
  expect(warnings.join()).toContain('snapshot-inventory.json');
  const { state } = await readVolume(root);
  expect(state.history.map(({ action }) => action)).toEqual(['adopt', 'import']);
});

test('a refused change leaves a plain tree as it was', async () => {
  const root = await tempDir();
  await plainTree(root, { 'waf@1.0.0': 'one' });
  const before = await treeOf(join(root, 'plugins'));
  const refused = importInto(root, { plugins: { 'waf@1.0.0': 'other bytes' } });
  await expect(refused).rejects.toMatchObject({ code: 'E_CONFLICT', details: { plugins: ['waf@1.0.0'] } });
  expect(await treeOf(join(root, 'plugins'))).toEqual(before);
  expect(await leftovers(root)).toEqual([]);
});

test('bytes that are not those announced reach no reader and no store', async () => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'waf@1.0.0': 'one' } });
  const before = await treeOf(join(root, 'plugins'));
  const change = changeVolume(root, { actor }, async (session) => {
    const expected = { path: 'plugins/x/1/plugin.wasm', ...digestOf(Buffer.from('good')) };
    await session.receive(expected, Readable.from([Buffer.from('evil')]));
  });
  await expect(change).rejects.toMatchObject({ code: 'E_DIGEST' });
  expect(await treeOf(join(root, 'plugins'))).toEqual(before);
  expect(await readdir(control(root, 'blobs/sha256'))).toHaveLength(2);
  expect(await leftovers(root)).toEqual([]);
});

test('what a caller quotes as a warning can always be read back', async () => {
  const root = await tempDir();
  const { release } = await changeVolume(root, { actor }, (change) =>
    change.publish({
      plugins: [],
      origin: {
        kind: 'import',
        warnings: ['evil \u001b[2J \u202e', 'x'.repeat(5000), ...Array<string>(2000).fill('w')],
      },
    }),
  );
  expect(release.origin.warnings?.[0]).toBe('evil \\u{1b}[2J \\u{202e}');
  expect(release.origin.warnings).toHaveLength(1000);
  expect((await readVolume(root)).current).toEqual(release);
});

test('a description that could not be read back is not published', async () => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'waf@1.0.0': 'one' } });
  const publication = changeVolume(root, { actor: { ...actor, tool: 'caf\u00e9' } }, (change) =>
    change.publish({ plugins: [], origin: { kind: 'import' } }),
  );
  await expect(publication).rejects.toMatchObject({ code: 'E_INTERNAL' });
  expect(await served(root, 'waf@1.0.0')).toBe('one');
});

test('a stop on the way leaves the old release and nothing else', async () => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'waf@1.0.0': 'one' } });
  const reason = new PlugferryError('E_TERMINATED', 'stopped');
  const stop = new AbortController();
  const stopped = changeVolume(root, { actor, signal: stop.signal }, async (change) => {
    const content = Buffer.alloc(1000);
    const halting = async function* () {
      yield content.subarray(0, 500);
      stop.abort(reason);
      await sleep(10_000, undefined, { ref: false });
    };
    await change.receive({ path: 'plugins/x/1/plugin.wasm', ...digestOf(content) }, Readable.from(halting()));
  });
  await expect(stopped).rejects.toBe(reason);
  expect(await served(root, 'waf@1.0.0')).toBe('one');
  expect(await leftovers(root)).toEqual([]);
  expect(await readdir(control(root, 'blobs/sha256'))).toHaveLength(2);
});

test('a link that somebody deleted is put back by the next change', async () => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'waf@1.0.0': 'one' } });
  const link = await currentLink(root);
  await unlink(join(root, 'plugins'));
  await changeVolume(root, { actor }, async (change) => {
    expect(change.current?.plugins).toHaveLength(1);
  });
  expect(await currentLink(root)).toBe(link);
});

test('a directory that was put in the place of the link is adopted anew and kept aside', async () => {
  const root = await tempDir();
  const plugins = { 'waf@1.0.0': 'one' };
  const { release } = await importInto(root, { plugins });
  await unlink(join(root, 'plugins'));
  await plainTree(root, plugins);
  await writeFile(join(root, 'plugins/notes.txt'), 'by hand');
  await importInto(root, { plugins: { 'cors@1.0.0': 'two' }, sequence: 2 });
  expect(await served(root, 'cors@1.0.0')).toBe('two');
  const aside = (await readdir(root)).find((name) => name.startsWith('plugins.replaced-'));
  expect(await readFile(join(root, aside!, 'notes.txt'), 'utf8')).toBe('by hand');
  const { state } = await readVolume(root);
  expect(state.history.map(({ action }) => action)).toEqual(['import', 'adopt', 'import']);
  expect(state.history[1]?.release).toBe(release.id);
});

test('bytes that were removed from the store come back from the current release', async () => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'waf@1.0.0': 'one' } });
  await rm(control(root, 'blobs/sha256'), { recursive: true });
  await importInto(root, { plugins: { 'cors@1.0.0': 'two' }, sequence: 2 });
  expect(await served(root, 'waf@1.0.0')).toBe('one');
  expect((await checkVolume(root)).findings).toEqual([]);
});

test('replace drops what the bundle does not name; the bytes stay for a rollback', async () => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'waf@1.0.0': 'one' } });
  await importInto(root, { plugins: { 'cors@1.0.0': 'two' }, sequence: 2, mode: 'replace' });
  expect(await served(root, 'waf@1.0.0')).toBeUndefined();
  expect(await served(root, 'cors@1.0.0')).toBe('two');
  expect(await readdir(control(root, 'blobs/sha256'))).toHaveLength(3);
});

test('a file damaged in place is brought anew by the same import, without moving the link', async () => {
  const root = await tempDir();
  const arrival = { plugins: { 'waf@1.0.0': 'one', 'cors@1.0.0': 'two' } };
  await importInto(root, arrival);
  const before = await currentLink(root);
  await writeFile(join(root, 'plugins/waf/1.0.0/plugin.wasm'), 'onx');
  expect((await importInto(root, arrival)).outcome).toBe('unchanged');
  expect(await served(root, 'waf@1.0.0')).toBe('one');
  expect(await currentLink(root)).toBe(before);
  expect((await checkVolume(root)).findings).toEqual([]);
});

test.each([
  ['a link to elsewhere', async (root: string) => symlink('/etc', join(root, 'plugins')), 'E_RELEASE'],
  ['a file', async (root: string) => writeFile(join(root, 'plugins'), ''), 'E_RELEASE'],
  [
    'a control directory that everybody may write',
    async (root: string) => {
      await mkdir(join(root, '.plugferry'));
      const { chmod } = await import('node:fs/promises');
      await chmod(join(root, '.plugferry'), 0o777);
    },
    'E_RELEASE',
  ],
  [
    'a control directory that is a link',
    async (root: string) => symlink('/tmp', join(root, '.plugferry')),
    'E_RELEASE',
  ],
])('refuses a volume with %s', async (_, spoil, code) => {
  const root = await tempDir();
  await spoil(root);
  await expect(importInto(root, { plugins: { 'waf@1.0.0': 'one' } })).rejects.toMatchObject({ code });
});

test('a damaged state is refused with a way out, and is not overwritten', async () => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'waf@1.0.0': 'one' } });
  await writeFile(control(root, 'state.json'), '{"type":"plugferry.state/v1","serial":1}\n');
  const refused = importInto(root, { plugins: { 'waf@2.0.0': 'two' } });
  await expect(refused).rejects.toMatchObject({
    code: 'E_RELEASE',
    hint: expect.stringContaining('move it away'),
  });
  expect(await readFile(control(root, 'state.json'), 'utf8')).toBe(
    '{"type":"plugferry.state/v1","serial":1}\n',
  );
});

test('hard links put under the store from outside are no reason to trust their bytes', async () => {
  const root = await tempDir();
  await importInto(root, { plugins: { 'waf@1.0.0': 'one' } });
  const planted = digestOf(Buffer.from('two'));
  await writeFile(join(root, 'evil'), 'tw0');
  await link(join(root, 'evil'), control(root, 'blobs/sha256', planted.sha256));
  await importInto(root, { plugins: { 'cors@1.0.0': 'two' }, sequence: 2 });
  expect(await served(root, 'cors@1.0.0')).toBe('two');
});
