import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { describe, expect, onTestFinished, test } from 'vitest';
import { digestOf } from '../../../src/stream/digest.js';
import { sftpFile } from '../../../src/transport/sftp/sftp.js';
import type { SshSettings } from '../../../src/transport/ssh/settings.js';
import type { LocalFile, RemoteFile } from '../../../src/transport/transport.js';
import { randomPlaces, startCutter } from '../../helpers/cut.js';
import { hasSshd, startSshd, type Sshd, type SshdOptions } from '../../helpers/sshd.js';
import { tempDir } from '../../helpers/temp.js';
import { canMount, mounted } from '../../volume/mount.js';

const mega = 1024 * 1024;

interface Scene {
  readonly sshd: Sshd;
  readonly settings: SshSettings;
  /** A directory that the server serves. */
  readonly there: string;
  /** A directory of ours. */
  readonly here: string;
  readonly at: (path: string, port?: number) => RemoteFile;
}

async function scene(options: SshdOptions = {}): Promise<Scene> {
  const sshd = await startSshd(options);
  const settings = { hostKeys: [sshd.fingerprint], identities: [sshd.identity] };
  const at = (path: string, port = sshd.port): RemoteFile => {
    const file = sftpFile(`sftp://${sshd.user}@127.0.0.1:${port}${path}`, settings);
    onTestFinished(() => file.close());
    return file;
  };
  return { sshd, settings, there: await tempDir(), here: await tempDir(), at };
}

async function localFile(directory: string, size: number): Promise<LocalFile & { readonly content: Buffer }> {
  const content = randomBytes(size);
  const path = join(directory, `file-${size}`);
  await writeFile(path, content);
  return { path, digest: digestOf(content), content };
}

async function sha256(stream: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Aborts when that many bytes have arrived. */
function stopAt(bytes: number): { signal: AbortSignal; progress: (done: number) => void } {
  const controller = new AbortController();
  const progress = (done: number): void => {
    if (done >= bytes) controller.abort(new Error('stopped'));
  };
  return { signal: controller.signal, progress };
}

describe.skipIf(!hasSshd)('sending', () => {
  test.each([0, 1, 100_000, 7 * mega + 13])('a file of %d bytes, which comes back the same', async (size) => {
    const { there, here, at } = await scene();
    const file = await localFile(here, size);
    const path = join(there, 'edge.tar.gz');
    const heard: number[] = [];
    const progress = (done: number): void => void heard.push(done);
    expect(await at(path).write(file, { progress })).toEqual({ size, resumedAt: 0, proof: 'digest' });
    expect((await readFile(path)).equals(file.content)).toBe(true);
    expect(await readdir(there)).toEqual(['edge.tar.gz']);
    expect(heard).toEqual(heard.toSorted((a, b) => a - b));
    if (size > 0) expect(heard.at(-1)).toBe(size);
    const { bytes, size: told } = await at(path).read();
    expect([told, await sha256(bytes)]).toEqual([size, file.digest.sha256]);
  });

  test('a name that is taken stays as it is; --force replaces it in one step', async () => {
    const { there, here, at } = await scene();
    const file = await localFile(here, 1000);
    const path = join(there, 'edge.tar.gz');
    await writeFile(path, 'old');
    await expect(at(path).write(file)).rejects.toMatchObject({ code: 'E_EXISTS' });
    expect([await readFile(path, 'utf8'), await readdir(there)]).toEqual(['old', ['edge.tar.gz']]);
    const reader = await open(path);
    await at(path).write(file, { force: true });
    expect(await reader.readFile('utf8')).toBe('old');
    await reader.close();
    expect((await readFile(path)).equals(file.content)).toBe(true);
    await mkdir(join(there, 'directory'));
    for (const force of [false, true]) {
      await expect(at(join(there, 'directory')).write(file, { force })).rejects.toMatchObject({
        code: 'E_EXISTS',
      });
    }
    expect(await readdir(join(there, 'directory'))).toEqual([]);
  });

  test('a directory that is not there, one that may not be written, and a name with a line feed', async () => {
    const { there, here, at } = await scene();
    const file = await localFile(here, 1000);
    await expect(at(join(there, 'none/edge.tar.gz')).write(file)).rejects.toMatchObject({
      code: 'E_NOT_FOUND',
      details: { file: expect.stringContaining('none/edge.tar.gz') },
    });
    await at(join(there, 'odd%0Aname%1b[31m')).write(file);
    expect(await readdir(there)).toEqual(['odd\nname\u001b[31m']);
    const error: unknown = await at(join(there, 'odd%0Aname%1b[31m'))
      .write(file)
      .catch((reason: unknown) => reason);
    expect((error as Error).message).not.toMatch(/[\n\u001b]/);
  });

  test('what a stopped run left is continued where it is the beginning of the file, and only there', async () => {
    const { there, here, at } = await scene();
    const file = await localFile(here, 12 * mega);
    const path = join(there, 'edge.tar.gz');
    await expect(at(path).write(file, stopAt(4 * mega))).rejects.toThrow('stopped');
    const [part = ''] = await readdir(there);
    expect(part).toMatch(/^edge\.tar\.gz\.[0-9a-f]{16}\.part$/);
    const left = (await stat(join(there, part))).size;
    expect(left).toBeGreaterThanOrEqual(4 * mega);
    expect(await at(path).write(file)).toMatchObject({ resumedAt: left, proof: 'digest' });
    expect((await readFile(path)).equals(file.content)).toBe(true);

    // The same, but what is there has another byte in it.
    await rm(path);
    await expect(at(path).write(file, stopAt(4 * mega))).rejects.toThrow('stopped');
    const handle = await open(join(there, part), 'r+');
    await handle.write('X', 1000);
    await handle.close();
    expect(await at(path).write(file)).toMatchObject({ resumedAt: 0, proof: 'digest' });
    expect((await readFile(path)).equals(file.content)).toBe(true);

    // More than the file: everything that is right, and then something else.
    await rm(path);
    await writeFile(join(there, part), Buffer.concat([file.content, Buffer.from('more')]));
    await at(path).write(file);
    expect((await readFile(path)).equals(file.content)).toBe(true);
    expect(await readdir(there)).toEqual(['edge.tar.gz']);
  });

  test('without a shell the beginning is read back', async () => {
    const { there, here, at } = await scene({ config: ['ForceCommand internal-sftp'] });
    const file = await localFile(here, 6 * mega);
    const path = join(there, 'edge.tar.gz');
    await expect(at(path).write(file, stopAt(2 * mega))).rejects.toThrow('stopped');
    const sent = await at(path).write(file);
    expect(sent).toMatchObject({ proof: 'digest' });
    expect(sent.resumedAt).toBeGreaterThanOrEqual(2 * mega);
    expect((await readFile(path)).equals(file.content)).toBe(true);
  });

  test.each([
    ['openssl', ['openssl'], true],
    ['sha256sum', ['sha256sum'], true],
    ['openssl that does not know how', ['false', 'sha256sum'], true],
    ['nothing that hashes', [], false],
  ])('an account with %s: what arrived is proved', async (_what, programs, hashes) => {
    const box = await tempDir();
    for (const program of programs) {
      const path = execFileSync('/bin/sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim();
      await symlink(path, join(box, program === 'false' ? 'openssl' : program));
    }
    const { sshd, there, here, at } = await scene({ config: [`SetEnv PATH=${box}`] });
    const file = await localFile(here, 5 * mega);
    const link = await startCutter({ to: sshd.port, direction: 'down', at: [] });
    const sent = await at(join(there, 'edge.tar.gz'), link.port).write(file);
    expect(sent).toMatchObject({ proof: 'digest' });
    // Else it was read back.
    expect(link.bytes.down < mega).toBe(hashes);
  });

  test('a link or a directory in the place of the part is not written through', async () => {
    const { there, here, at } = await scene();
    const file = await localFile(here, 1000);
    const path = join(there, 'edge.tar.gz');
    const part = `${path}.${file.digest.sha256.slice(0, 16)}.part`;
    await writeFile(join(here, 'victim'), 'precious');
    await symlink(join(here, 'victim'), part);
    await expect(at(path).write(file)).rejects.toMatchObject({ code: 'E_EXISTS', details: { file: part } });
    await rm(part);
    await mkdir(part);
    await expect(at(path).write(file)).rejects.toMatchObject({ code: 'E_EXISTS' });
    expect(await readFile(join(here, 'victim'), 'utf8')).toBe('precious');
  });

  test('two runs that send the same file at once both succeed', async () => {
    const { there, here, at } = await scene();
    const file = await localFile(here, 3 * mega);
    const path = join(there, 'edge.tar.gz');
    const ends = await Promise.allSettled([at(path).write(file), at(path).write(file)]);
    expect(ends.map(({ status }) => status)).toContain('fulfilled');
    expect((await readFile(path)).equals(file.content)).toBe(true);
    expect(await readdir(there)).toEqual(['edge.tar.gz']);
  });

  test('a file that changes while it is sent does not get its name', async () => {
    const { there, here, at } = await scene();
    const file = await localFile(here, 8 * mega);
    const progress = (): void => void chmod(file.path, 0o600).catch(() => undefined);
    await writeFile(file.path, randomBytes(8 * mega));
    await expect(at(join(there, 'edge.tar.gz')).write(file, { progress })).rejects.toMatchObject({
      code: 'E_DIGEST',
    });
    expect(await readdir(there)).toEqual([]);
    await writeFile(file.path, file.content.subarray(0, mega));
    await expect(at(join(there, 'edge.tar.gz')).write(file)).rejects.toMatchObject({
      code: 'E_SOURCE_CHANGED',
    });
    expect(await readdir(there)).not.toContain('edge.tar.gz');
  });

  test.skipIf(!canMount)('a disk that is full, or fills up on the way; then it goes on', async () => {
    const { here, at } = await scene();
    const disk = await mounted('size=8m');
    const file = await localFile(here, 6 * mega);
    const path = join(disk, 'edge.tar.gz');
    await writeFile(join(disk, 'ballast'), Buffer.alloc(4 * mega));
    await expect(at(path).write(file)).rejects.toMatchObject({
      code: 'E_NO_SPACE',
      message: expect.stringMatching(/needs 6\.0 MiB \(6291456 bytes\), has 4\.0 MiB/),
    });
    expect(await readdir(disk)).toEqual(['ballast']);
    await rm(join(disk, 'ballast'));
    let filled: Promise<void> | undefined;
    const progress = (): void => {
      filled ??= writeFile(join(disk, 'ballast'), Buffer.alloc(8 * mega)).catch(() => undefined);
    };
    await expect(at(path).write(file, { progress })).rejects.toMatchObject({ code: 'E_NO_SPACE' });
    await filled;
    await rm(join(disk, 'ballast'));
    expect((await at(path).write(file)).proof).toBe('digest');
    expect((await readFile(path)).equals(file.content)).toBe(true);
  });
});

describe.skipIf(!hasSshd)('receiving', () => {
  test('goes on where another run stopped, as long as it is the same file', async () => {
    const { there, at } = await scene();
    const path = join(there, 'edge.tar.gz');
    const content = randomBytes(3 * mega);
    await writeFile(path, content);
    const first = await at(path).read();
    first.bytes.destroy();
    const { version } = first;
    const more = await at(path).read({ start: mega, version });
    expect([more.start, await sha256(more.bytes)]).toEqual([mega, digestOf(content.subarray(mega)).sha256]);
    await writeFile(path, randomBytes(3 * mega + 1));
    const other = await at(path).read({ start: mega, version });
    expect(other.start).toBe(0);
    other.bytes.destroy();
  });

  test('a directory, a name that is not there, a file that is too large', async () => {
    const { there, at } = await scene();
    await writeFile(join(there, 'file'), 'twelve bytes');
    await expect(at(there).read()).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
    await expect(at(join(there, 'none')).read()).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
    await expect(at(join(there, 'file')).read({ limit: 11 })).rejects.toMatchObject({ code: 'E_LIMIT' });
  });

  test('whoever stops in the middle and closes has no connection left, and none is made anew', async () => {
    const { sshd, there, at } = await scene();
    const file = await localFile(there, 20 * mega);
    for (const waits of [true, false]) {
      const remote = at(file.path);
      const { bytes } = await remote.read();
      if (waits) await once(bytes, 'data');
      bytes.destroy();
      await remote.close();
      await expect(remote.read()).rejects.toMatchObject({ code: 'E_NETWORK' });
    }
    // Longer than the pause before a second try.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect((await sshd.log()).match(/^Accepted/gm)).toHaveLength(2);
  });

  test('a file that grows while it is read is refused', async () => {
    const { there, at } = await scene();
    const path = join(there, 'file');
    await writeFile(path, Buffer.alloc(20 * mega));
    const { bytes } = await at(path).read();
    bytes.once('data', () => void writeFile(path, 'more', { flag: 'a' }).catch(() => undefined));
    await expect(sha256(bytes)).rejects.toMatchObject({ code: 'E_SOURCE_CHANGED' });
  });
});

describe.skipIf(!hasSshd)('a connection that is cut twenty times at random', () => {
  const size = 64 * mega;

  test('sends the whole file, and no more than 1.1 times of it', async () => {
    const { sshd, there, here, at } = await scene();
    const file = await localFile(here, size);
    const places = randomPlaces(20, size);
    const cutter = await startCutter({ to: sshd.port, direction: 'up', at: places });
    const path = join(there, 'edge.tar.gz');
    const sent = await at(path, cutter.port).write(file);
    expect(sent).toMatchObject({ size, proof: 'digest' });
    expect(digestOf(await readFile(path)).sha256).toBe(file.digest.sha256);
    expect(await readdir(there)).toEqual(['edge.tar.gz']);
    expect(cutter.cuts, `cut at ${places.join(', ')}`).toBe(20);
    expect(cutter.bytes.up / size).toBeLessThan(1.1);
  });

  test('fetches the whole file, and no more than 1.1 times of it', async () => {
    const { sshd, there, at } = await scene();
    const file = await localFile(there, size);
    const places = randomPlaces(20, size);
    const cutter = await startCutter({ to: sshd.port, direction: 'down', at: places });
    const { bytes } = await at(file.path, cutter.port).read();
    expect(await sha256(bytes)).toBe(file.digest.sha256);
    expect(cutter.cuts, `cut at ${places.join(', ')}`).toBe(20);
    expect(cutter.bytes.down / size).toBeLessThan(1.1);
  });
});
