import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test } from 'vitest';
import { digestOf } from '../../../src/stream/digest.js';
import { removeAll } from '../../../src/transport/sftp/directories.js';
import { openSftpDirectory } from '../../../src/transport/sftp/file-system.js';
import { entriesOf } from '../../../src/transport/sftp/listing.js';
import { SftpSession } from '../../../src/transport/sftp/session.js';
import { sftpFile } from '../../../src/transport/sftp/sftp.js';
import { sshTarget } from '../../../src/transport/ssh/settings.js';
import type { LocalFile, RemoteFile } from '../../../src/transport/transport.js';
import { startLyingServer, type Behaviour, type LyingServer } from '../../helpers/ssh-server.js';
import { tempDir } from '../../helpers/temp.js';

const content = randomBytes(300_000);
const files = new Map([['/bundle', content]]);

function remote(server: LyingServer, path: string): RemoteFile {
  const file = sftpFile(server.url(path), server.settings);
  onTestFinished(() => file.close());
  return file;
}

/** What a reader gets of `/bundle` from a server that behaves so. */
async function read(behaviour: Behaviour): Promise<Buffer> {
  return buffer((await remote(await startLyingServer({ files, ...behaviour }), '/bundle').read()).bytes);
}

async function localFile(): Promise<LocalFile> {
  const path = join(await tempDir(), 'file');
  await writeFile(path, content);
  return { path, digest: digestOf(content) };
}

async function session({ port, settings }: LyingServer): Promise<SftpSession> {
  const opened = await SftpSession.open(await sshTarget({ host: '127.0.0.1', port }, settings), settings);
  onTestFinished(() => opened.close());
  return opened;
}

test('an honest server of another make: the file comes, and goes without the extensions of OpenSSH', async () => {
  expect((await read({})).equals(content)).toBe(true);
  const server = await startLyingServer();
  const file = await localFile();
  expect(await remote(server, '/new').write(file)).toMatchObject({ proof: 'digest' });
  expect([[...server.files.keys()], server.files.get('/new')?.equals(content)]).toEqual([['/new'], true]);
  await expect(remote(server, '/new').write(file)).rejects.toMatchObject({ code: 'E_EXISTS' });
  server.files.set('/new', Buffer.from('old'));
  await remote(server, '/new').write(file, { force: true });
  expect([[...server.files.keys()], server.files.get('/new')?.equals(content)]).toEqual([['/new'], true]);
});

describe('a server that lies', () => {
  test('about its key: nothing is asked of it', async () => {
    const server = await startLyingServer({ files });
    const other = await startLyingServer();
    const file = sftpFile(server.url('/bundle'), other.settings);
    await expect(file.read()).rejects.toMatchObject({ code: 'E_HOST_KEY' });
    await file.close();
    expect(server.requests).toEqual([]);
  });

  test('about the size: a file that is said to be larger, smaller, endless', async () => {
    const said = (size: number): Behaviour => ({ attributes: () => ({ size }) });
    await expect(read(said(content.length + 1))).rejects.toMatchObject({
      code: 'E_NETWORK',
      message: expect.stringContaining(`ends after ${content.length} bytes`),
    });
    // What is behind the end that it told is never asked for: a digest further up settles what this is.
    expect((await read(said(1000))).equals(content.subarray(0, 1000))).toBe(true);
    await expect(read(said(2 ** 53))).rejects.toMatchObject({ code: 'E_SOURCE_CHANGED' });
    await expect(
      read({ attributes: (_path, { size }) => ({ size: size + Math.random() * 1000 }) }),
    ).rejects.toMatchObject({
      code: expect.stringMatching(/E_NETWORK|E_SOURCE_CHANGED/),
    });
  });

  test('by sending more than was asked for, or nothing, or other bytes in small pieces', async () => {
    const more = (_path: string, offset: number, length: number): Buffer =>
      Buffer.alloc(length + 70_000, offset % 251);
    // As many bytes as it said that there are, and no more: a digest further up settles whether they are right.
    expect(await read({ read: more })).toHaveLength(content.length);
    await expect(read({ read: () => undefined })).rejects.toMatchObject({ code: 'E_NETWORK' });
    const crumbs = (_path: string, offset: number, length: number): Buffer =>
      content.subarray(offset, offset + Math.min(length, 7000));
    expect((await read({ read: crumbs })).equals(content)).toBe(true);
  });

  test('about what a name is', async () => {
    for (const mode of [0o040_755, 0o120_777, 0o010_644, 0]) {
      await expect(read({ attributes: () => ({ mode }) })).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
    }
  });

  test('about what it stored: the file does not get its name, and the part is gone', async () => {
    const flipped = (_path: string, offset: number, data: Buffer): Buffer => {
      const kept = Buffer.from(data);
      if (offset === 0) kept[0] = (kept[0] ?? 0) ^ 1;
      return kept;
    };
    const short = (_path: string, _offset: number, data: Buffer): Buffer => data.subarray(1);
    for (const written of [flipped, short]) {
      const server = await startLyingServer({ written });
      await expect(remote(server, '/new').write(await localFile())).rejects.toMatchObject({
        code: 'E_DIGEST',
      });
      expect([...server.files.keys()]).toEqual([]);
    }
  });

  test('in its listings: a name that leads elsewhere, and a list without end', async () => {
    for (const name of ['../etc', '/etc/passwd', 'a/b', '', 'nul\0l']) {
      const list = (_path: string, calls: number) => (calls === 0 ? [{ name, mode: 0o100_644 }] : undefined);
      const server = await startLyingServer({ list, attributes: () => ({ mode: 0o040_755 }) });
      await expect(entriesOf(await session(server), '/d')).rejects.toMatchObject({ code: 'EBADMSG' });
      await expect(removeAll(await session(server), '/d')).rejects.toMatchObject({ code: 'EBADMSG' });
      expect(server.requests.filter((request) => /REMOVE|RMDIR/.test(request))).toEqual([]);
    }
    const page = Array.from({ length: 1000 }, (_, index) => ({ name: `f${index}`, mode: 0o100_644 }));
    const server = await startLyingServer({ list: () => page });
    await expect(entriesOf(await session(server), '/d')).rejects.toMatchObject({ code: 'EBADMSG' });
    const deep = await startLyingServer({
      list: (_path, calls) => (calls === 0 ? [{ name: 'd', mode: 0o040_755 }] : undefined),
      attributes: () => ({ mode: 0o040_755 }),
    });
    await expect(removeAll(await session(deep), '/d')).rejects.toMatchObject({ code: 'EBADMSG' });
    expect(deep.requests.length).toBeLessThan(500);
  });

  test('by closing the connection at any request, each time: an error, after some tries and no more', async () => {
    const attempt = async (at: string): Promise<void> => {
      let closed = 0;
      const before = (request: string, _count: number, end: () => void): boolean => {
        if (request !== at) return false;
        closed += 1;
        end();
        return true;
      };
      await expect(read({ before })).rejects.toMatchObject({ code: 'E_NETWORK' });
      expect(closed).toBeLessThan(40);
    };
    await Promise.all(['OPEN', 'FSTAT', 'READ'].map(attempt));
  }, 600_000);

  test('by saying nothing at all, or something that is not SSH', async () => {
    const sockets = new Set<Socket>();
    const attempt = async (greeting: string): Promise<void> => {
      const server = createServer((socket) => {
        sockets.add(socket.on('error', () => undefined));
        if (greeting === '') socket.destroy();
        else socket.write(greeting);
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      onTestFinished(() => {
        for (const socket of sockets) socket.destroy();
        server.close();
      });
      const { port } = server.address() as AddressInfo;
      const file = sftpFile(`sftp://a@127.0.0.1:${port}/bundle`, { hostKeys: [`SHA256:${'A'.repeat(43)}`] });
      await expect(file.read()).rejects.toMatchObject({ code: 'E_NETWORK' });
      await file.close();
    };
    const greetings = ['', 'HTTP/1.1 200 OK\r\n\r\n', `SSH-2.0-x\r\n${'y'.repeat(100_000)}`];
    await Promise.all(greetings.map(attempt));
  }, 600_000);
});

test('a server that cannot replace a link in one step cannot hold a volume', async () => {
  const server = await startLyingServer();
  await expect(openSftpDirectory(server.url('/volume'), server.settings)).rejects.toMatchObject({
    code: 'E_FILESYSTEM',
    hint: expect.stringContaining('posix-rename@openssh.com'),
  });
  expect(server.requests).toEqual([]);
});
