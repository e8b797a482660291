import { lstat, mkdir, readdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { PlugferryError } from '../../../src/errors.js';
import type { FileSystem } from '../../../src/files/file-system.js';
import { openSftpDirectory, type SftpDirectory } from '../../../src/transport/sftp/file-system.js';
import { changeVolume } from '../../../src/volume/change.js';
import { checkVolume } from '../../../src/volume/check.js';
import { history } from '../../../src/volume/history.js';
import { prune } from '../../../src/volume/prune.js';
import { readVolume } from '../../../src/volume/read.js';
import { rollback } from '../../../src/volume/rollback.js';
import { startCutter } from '../../helpers/cut.js';
import { hasSshd, startSshd, type SshdOptions } from '../../helpers/sshd.js';
import { tempDir, treeOf } from '../../helpers/temp.js';
import { expectClean, floorOf, servedBy } from '../../volume/invariants.js';
import { canMount, mounted } from '../../volume/mount.js';
import { actor, importInto, plainTree, type Plugins } from '../../volume/scene.js';

interface Scene {
  /** The directory as this machine sees it: the server serves our own disk. */
  readonly root: string;
  readonly remote: SftpDirectory;
  readonly files: FileSystem;
}

async function scene(options: SshdOptions = {}): Promise<Scene> {
  const sshd = await startSshd(options);
  const root = join(await tempDir(), 'volume');
  const settings = { hostKeys: [sshd.fingerprint], identities: [sshd.identity] };
  const remote = await openSftpDirectory(sshd.url(root), settings);
  onTestFinished(() => remote.close());
  return { root, remote, files: remote.files };
}

const waf = (text: string): Plugins => ({ 'waf@1.0.0': text });
/** Over the 256 KiB from which on the server is asked to hash. */
const large = 'x'.repeat(3_000_000);

describe.skipIf(!hasSshd)('a volume on a server', () => {
  test('has the layout of one on this machine, to the byte, and every command on the server reads it', async () => {
    const { root, files } = await scene();
    const there = join(await tempDir(), 'volume');
    const clock = (): Date => new Date('2026-03-01T12:00:00Z');
    const arrivals = [
      { plugins: { 'waf@1.0.0': large, 'waf@2.0.0': 'two' }, sequence: 1 },
      { plugins: { 'waf@2.0.0': 'two', 'jwt@1.0.0': '' }, sequence: 2, metadata: 'Name: jwt\n' },
    ];
    for (const arrival of arrivals) {
      const near = await importInto(there, { ...arrival, options: { clock } });
      expect(await importInto(root, { ...arrival, options: { clock, files } })).toEqual(near);
    }
    expect(await treeOf(root)).toEqual(await treeOf(there));
    for (const path of ['', 'plugins/waf/1.0.0/plugin.wasm', '.plugferry/state.json', '.plugferry/staging']) {
      expect((await lstat(join(root, path))).mode, path).toBe((await lstat(join(there, path))).mode);
    }
    await expectClean(root);
    await rollback(root, {}, { actor });
    expect(await servedBy(root)).toEqual({ 'waf@1.0.0': large, 'waf@2.0.0': 'two' });
    await expectClean(root);
  });

  test('is read, checked, rolled back and pruned from afar', async () => {
    const { root, files } = await scene();
    for (const sequence of [1, 2, 3]) {
      await importInto(root, {
        plugins: waf(`v${sequence}`),
        sequence,
        allowOverwrite: true,
        options: { files },
      });
    }
    await rollback(root, {}, { actor, files });
    expect(await servedBy(root)).toEqual(waf('v2'));
    expect((await history(root, files)).lines.map(({ action }) => action)).toEqual([
      'rollback',
      'import',
      'import',
      'import',
    ]);
    expect(await readVolume(root, files)).toEqual(await readVolume(root));
    const clock = (): Date => new Date(Date.now() + 3 * 3_600_000);
    expect(await prune(root, { keep: 1 }, { actor, files, clock })).toMatchObject({ files: 2 });
    await expectClean(root);
    expect((await checkVolume(root, { files: files })).findings).toEqual([]);
    await writeFile(join(root, 'plugins/waf/1.0.0/plugin.wasm'), 'bad');
    expect((await checkVolume(root, { files: files })).findings).toEqual((await checkVolume(root)).findings);
    expect((await checkVolume(root, { files: files })).findings).not.toEqual([]);
  });

  test('a plain tree is adopted', async () => {
    const { root, files } = await scene();
    await plainTree(root, waf('old'));
    await importInto(root, { plugins: { 'jwt@1.0.0': 'new' }, options: { files } });
    expect(await servedBy(root)).toEqual({ ...waf('old'), 'jwt@1.0.0': 'new' });
    await rollback(root, {}, { actor });
    expect(await servedBy(root)).toEqual(waf('old'));
    await expectClean(root);
  });

  test('without a shell, digests are made from bytes that are read back', async () => {
    const { root, files } = await scene({ config: ['ForceCommand internal-sftp'] });
    await importInto(root, { plugins: waf(large), options: { files } });
    await importInto(root, { plugins: { ...waf(large), 'jwt@1.0.0': 'x' }, sequence: 2, options: { files } });
    expect(await servedBy(root)).toEqual({ 'jwt@1.0.0': 'x', ...waf(large) });
    expect((await checkVolume(root, { files: files })).findings).toEqual([]);
    await expectClean(root);
  });

  test('whoever is at work there keeps others out, from near and from afar', async () => {
    const { root, files } = await scene();
    const attempt = (mine?: FileSystem): Promise<unknown> =>
      importInto(root, { plugins: waf('two'), options: mine === undefined ? {} : { files: mine } });
    const refusal = { code: 'E_LOCKED', message: expect.stringContaining('ada@bench') };
    for (const [holder, other] of [[files], [undefined, files]] as const) {
      await changeVolume(root, { actor, ...(holder === undefined ? {} : { files: holder }) }, async () => {
        await expect(attempt(other)).rejects.toMatchObject(refusal);
        await expect(attempt(holder)).rejects.toMatchObject(refusal);
      });
    }
    await attempt(files);
    await expectClean(root);
    // A lock of another machine: its processes are not ours to see.
    const lock = join(root, '.plugferry/lock');
    const elsewhere = { machineId: 'm', bootId: 'b', pidNamespace: 'n', processStart: '1' };
    const owner = { ...actor, ...elsewhere, token: 'f'.repeat(32), since: '2026-01-01T00:00:00Z' };
    await mkdir(lock);
    await writeFile(join(lock, 'owner.json'), JSON.stringify(owner));
    await writeFile(join(lock, 'heartbeat'), '');
    await expect(attempt(files)).rejects.toMatchObject(refusal);
    const longAgo = new Date(Date.now() - 11 * 60_000);
    await utimes(join(lock, 'heartbeat'), longAgo, longAgo);
    await attempt(files);
    await expectClean(root);
  });

  test('what is no volume is refused, and left alone', async () => {
    const { root, files } = await scene();
    const arrival = { plugins: waf('one'), options: { files } };
    await importInto(root, arrival);
    const control = join(root, '.plugferry');
    await rename(control, `${control}.away`);
    await symlink(`${control}.away`, control);
    await expect(importInto(root, arrival)).rejects.toMatchObject({ code: 'E_RELEASE' });
    await rm(control);
    await writeFile(control, 'a file');
    await expect(importInto(root, arrival)).rejects.toMatchObject({ code: 'E_RELEASE' });
    await rm(control);
    await rename(`${control}.away`, control);
    await rm(join(root, 'plugins'));
    await symlink('/etc', join(root, 'plugins'));
    await expect(importInto(root, arrival)).rejects.toMatchObject({ code: 'E_RELEASE' });
    await expect(importInto('/dev/null/volume', arrival)).rejects.toMatchObject({ code: 'E_IO' });
    await expect(rollback(join(root, 'none'), {}, { actor, files })).rejects.toMatchObject({
      code: 'E_NOT_FOUND',
    });
    await expect(readVolume(join(root, 'none'), files)).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
  });

  test('a log that is a link is not written through', async () => {
    const { root, files } = await scene();
    await importInto(root, { plugins: waf('one'), options: { files } });
    const [log, victim] = [join(root, '.plugferry/audit.jsonl'), join(await tempDir(), 'victim')];
    await writeFile(victim, 'precious');
    await rm(log);
    await symlink(victim, log);
    await expect(importInto(root, { plugins: waf('one'), options: { files } })).rejects.toMatchObject({
      code: 'E_RELEASE',
    });
    expect(await readFile(victim, 'utf8')).toBe('precious');
  });
});

/** Changes of the file system, each of which may be the last that a run makes. */
const changing = new Set<string>([
  'mkdir',
  'chmod',
  'rename',
  'link',
  'symlink',
  'unlink',
  'removeAll',
  'writeNew',
  'copy',
  'scribble',
  'appendLine',
  'syncDirectory',
]);

/** As the server sees a client that dies before its change number `step`: nothing comes any more, not even a clean-up. */
function dyingAt(step: number, files: FileSystem): { files: FileSystem; died: () => boolean } {
  let changes = 0;
  const mortal = Object.fromEntries(
    Object.entries(files).map(([name, method]) => [
      name,
      async (...args: unknown[]) => {
        if (changes <= step && changing.has(name)) changes += 1;
        if (changes > step) throw Object.assign(new Error('died'), { code: 'EDEAD', errno: -1 });
        return Reflect.apply(method as (...args: unknown[]) => unknown, files, args);
      },
    ]),
  );
  return { files: mortal as unknown as FileSystem, died: () => changes > step };
}

describe.skipIf(!hasSshd)('a run that dies', () => {
  test('at any step leaves the old or the new release, and the next run finishes it', async () => {
    const { root, files } = await scene();
    let old: Plugins | undefined;
    let died = true;
    for (let step = 0; died; step += 1) {
      const next = waf(`module ${step}`);
      const arrival = { plugins: next, sequence: step + 1, mode: 'replace', allowOverwrite: true } as const;
      const mortal = dyingAt(step, files);
      await importInto(root, { ...arrival, options: { files: mortal.files } }).catch(() => undefined);
      died = mortal.died();
      const found = await servedBy(root);
      expect([old, next], `step ${step}`).toContainEqual(found);
      if (found?.['waf@1.0.0'] === next['waf@1.0.0']) expect(await floorOf(root)).toBe(step + 1);
      await importInto(root, { ...arrival, options: { files } });
      expect(await servedBy(root)).toEqual(next);
      await expectClean(root);
      old = next;
      if (!died) expect(step).toBeGreaterThan(40);
    }
  });

  test('because its connection is cut anywhere leaves the old or the new release, and cleans up over a new one', async () => {
    const sshd = await startSshd();
    const top = await tempDir();
    const settings = { hostKeys: [sshd.fingerprint], identities: [sshd.identity] };
    const [old, next] = [waf('old'), { ...waf('old'), 'jwt@1.0.0': large }];
    const arrival = { plugins: { 'jwt@1.0.0': large }, sequence: 2 };
    let failed = 0;
    for (const share of [0, 0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99]) {
      const root = join(top, String(share));
      await importInto(root, { plugins: old });
      const at = [Math.floor(2000 + share * large.length)];
      const cutter = await startCutter({ to: sshd.port, direction: 'up', at });
      const remote = await openSftpDirectory(
        `sftp://${sshd.user}@127.0.0.1:${cutter.port}${root}`,
        settings,
      ).catch(() => undefined);
      if (remote === undefined) continue;
      const error: unknown = await importInto(root, { ...arrival, options: { files: remote.files } }).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      await remote.close();
      const found = await servedBy(root);
      expect([old, next]).toContainEqual(found);
      if (error !== undefined) {
        failed += 1;
        expect(error).toMatchObject({
          code: 'E_NETWORK',
          message: expect.stringContaining('connection was lost'),
        });
        expect(await readdir(join(root, '.plugferry/staging'))).toEqual([]);
        expect(await readdir(join(root, '.plugferry'))).not.toContain('lock');
      }
      await importInto(root, arrival);
      expect(await servedBy(root)).toEqual(next);
      await expectClean(root);
    }
    expect(failed).toBeGreaterThan(4);
  });

  test('because somebody stopped it leaves nothing behind', async () => {
    const { root, files } = await scene();
    await importInto(root, { plugins: waf('old'), options: { files } });
    const controller = new AbortController();
    const options = { files, signal: controller.signal };
    const stopping: FileSystem = {
      ...files,
      writeNew: async (path, content) => {
        if (path.includes('incoming')) controller.abort(new PlugferryError('E_INTERRUPTED', 'interrupted'));
        await files.writeNew(path, content);
      },
    };
    await expect(
      importInto(root, {
        plugins: { 'jwt@1.0.0': large },
        sequence: 2,
        options: { ...options, files: stopping },
      }),
    ).rejects.toMatchObject({ code: 'E_INTERRUPTED' });
    expect(await servedBy(root)).toEqual(waf('old'));
    await expectClean(root);
  });

  test.skipIf(!canMount)(
    'because the disk of the server is full says so, and leaves the old release',
    async () => {
      const sshd = await startSshd();
      const disk = await mounted('size=6m');
      const root = join(disk, 'volume');
      const settings = { hostKeys: [sshd.fingerprint], identities: [sshd.identity] };
      const remote = await openSftpDirectory(sshd.url(root), settings);
      onTestFinished(() => remote.close());
      const { files } = remote;
      await importInto(root, { plugins: waf('old'), options: { files } });
      const arrival = { plugins: { 'jwt@1.0.0': large }, sequence: 2 };
      await writeFile(join(disk, 'ballast'), Buffer.alloc(4_000_000));
      await expect(importInto(root, { ...arrival, options: { files } })).rejects.toMatchObject({
        code: 'E_NO_SPACE',
        message: expect.stringContaining('nothing was written'),
      });
      await rm(join(disk, 'ballast'));
      // Somebody else takes the space after it was looked at.
      const greedy: FileSystem = {
        ...files,
        writeNew: async (path, content) => {
          if (path.includes('incoming')) await writeFile(join(disk, 'ballast'), Buffer.alloc(5_000_000));
          await files.writeNew(path, content);
        },
      };
      await expect(importInto(root, { ...arrival, options: { files: greedy } })).rejects.toMatchObject({
        code: 'E_NO_SPACE',
      });
      expect(await servedBy(root)).toEqual(waf('old'));
      await rm(join(disk, 'ballast'));
      await expectClean(root);
      await importInto(root, { ...arrival, options: { files } });
      expect(await servedBy(root)).toEqual({ 'jwt@1.0.0': large, ...waf('old') });
      await expectClean(root);
    },
  );
});
