import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import ssh2, { type Attributes, type SFTPWrapper } from 'ssh2';
import { onTestFinished } from 'vitest';
import type { SshSettings } from '../../src/transport/ssh/settings.js';
import { fingerprint } from '../../src/transport/ssh/host-key.js';
import { secretKey } from './secrets.js';

const { Server, utils } = ssh2;
const { STATUS_CODE } = utils.sftp;

/** What a server does otherwise than an honest one. */
export interface Behaviour {
  /** Files that are there. */
  readonly files?: ReadonlyMap<string, Buffer>;
  /** What it says about a file, in place of the truth. */
  readonly attributes?: (path: string, truth: Attributes) => Partial<Attributes>;
  /** What it answers to a read; undefined for the end of the file. */
  readonly read?: (path: string, offset: number, length: number) => Buffer | undefined;
  /** What it makes of what is written. */
  readonly written?: (path: string, offset: number, data: Buffer) => Buffer;
  /** What it lists, over and over. */
  readonly list?: (path: string, calls: number) => readonly { name: string; mode: number }[] | undefined;
  /** Called before each request; true when it took the connection down. */
  readonly before?: (request: string, count: number, end: () => void) => boolean;
}

export interface LyingServer {
  readonly port: number;
  readonly settings: SshSettings;
  readonly files: Map<string, Buffer>;
  /** Requests so far. */
  readonly requests: string[];
  url(path: string): string;
}

const regular = 0o100_644;

/** An SFTP server of the ssh2 library on 127.0.0.1, for what no real server can be made to do. Anybody may log in. */
export async function startLyingServer(behaviour: Behaviour = {}): Promise<LyingServer> {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = pair.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
  secretKey(pem);
  const key = utils.parseKey(pem);
  if (key instanceof Error || Array.isArray(key)) throw new Error('no key');
  const files = new Map(behaviour.files ?? []);
  const requests: string[] = [];
  const server = new Server({ hostKeys: [pem] }, (client) => {
    client.on('error', () => undefined);
    client.on('authentication', (context) => {
      context.accept();
    });
    client.on('session', (accept) => {
      const session = accept();
      session.on('exec', (_accept, reject) => {
        reject();
      });
      session.on('sftp', (acceptSftp) => {
        serve(acceptSftp(), { behaviour, files, requests, end: () => client.end() });
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    files,
    requests,
    settings: { hostKeys: [fingerprint(key.getPublicSSH())], user: 'nobody' },
    url: (path) => `sftp://nobody@127.0.0.1:${port}${path}`,
  };
}

interface Serving {
  readonly behaviour: Behaviour;
  readonly files: Map<string, Buffer>;
  readonly requests: string[];
  readonly end: () => void;
}

function serve(sftp: SFTPWrapper, { behaviour, files, requests, end }: Serving): void {
  const handles = new Map<number, { path: string; lists: number }>();
  let next = 0;
  const opened = (path: string): Buffer => {
    const handle = Buffer.alloc(4);
    handle.writeUInt32BE(next);
    handles.set(next, { path, lists: 0 });
    next += 1;
    return handle;
  };
  const of = (handle: Buffer) => handles.get(handle.readUInt32BE()) ?? { path: '', lists: 0 };
  const about = (path: string): Attributes | undefined => {
    const content = files.get(path);
    const truth = { mode: regular, uid: 0, gid: 0, size: content?.length ?? 0, atime: 1, mtime: 1 };
    const said = behaviour.attributes?.(path, truth);
    return content === undefined && said === undefined ? undefined : { ...truth, ...said };
  };
  const on = (request: string, answer: (id: number, ...rest: never[]) => void): void => {
    sftp.on(request as 'OPEN', (id: number, ...rest: unknown[]) => {
      requests.push(request);
      if (behaviour.before?.(request, requests.length, end) === true) return;
      answer(id, ...(rest as never[]));
    });
  };
  const say = (id: number, path: string): void => {
    const attributes = about(path);
    if (attributes === undefined) sftp.status(id, STATUS_CODE.NO_SUCH_FILE);
    else sftp.attrs(id, attributes);
  };
  on('STAT', (id, path: string) => {
    say(id, path);
  });
  on('LSTAT', (id, path: string) => {
    say(id, path);
  });
  on('FSTAT', (id, handle: Buffer) => {
    say(id, of(handle).path);
  });
  on('FSETSTAT', (id) => {
    sftp.status(id, STATUS_CODE.OK);
  });
  on('CLOSE', (id) => {
    sftp.status(id, STATUS_CODE.OK);
  });
  on('REALPATH', (id, path: string) => {
    sftp.name(id, [{ filename: path, longname: path, attrs: {} as Attributes }]);
  });
  on('OPEN', (id, path: string, flags: number) => {
    const writes = (flags & utils.sftp.OPEN_MODE.WRITE) !== 0;
    if (!writes && about(path) === undefined) sftp.status(id, STATUS_CODE.NO_SUCH_FILE);
    else {
      if (writes && (!files.has(path) || (flags & utils.sftp.OPEN_MODE.TRUNC) !== 0))
        files.set(path, Buffer.alloc(0));
      sftp.handle(id, opened(path));
    }
  });
  on('READ', (id, ...[handle, offset, length]: [Buffer, number, number]) => {
    const { path } = of(handle);
    const honest = (files.get(path) ?? Buffer.alloc(0)).subarray(offset, offset + length);
    const data = behaviour.read === undefined ? honest : behaviour.read(path, offset, length);
    if (data === undefined || data.length === 0) sftp.status(id, STATUS_CODE.EOF);
    else sftp.data(id, data);
  });
  on('WRITE', (id, ...[handle, offset, data]: [Buffer, number, Buffer]) => {
    const { path } = of(handle);
    const kept = behaviour.written?.(path, offset, data) ?? data;
    const old = files.get(path) ?? Buffer.alloc(0);
    const now = Buffer.alloc(Math.max(old.length, offset + kept.length));
    old.copy(now);
    kept.copy(now, offset);
    files.set(path, now);
    sftp.status(id, STATUS_CODE.OK);
  });
  on('REMOVE', (id, path: string) => {
    sftp.status(id, files.delete(path) ? STATUS_CODE.OK : STATUS_CODE.NO_SUCH_FILE);
  });
  on('RENAME', (id, from: string, to: string) => {
    const content = files.get(from);
    if (content === undefined || files.has(to)) sftp.status(id, STATUS_CODE.FAILURE);
    else {
      files.delete(from);
      files.set(to, content);
      sftp.status(id, STATUS_CODE.OK);
    }
  });
  on('OPENDIR', (id, path: string) => {
    sftp.handle(id, opened(path));
  });
  on('READDIR', (id, handle: Buffer) => {
    const directory = of(handle);
    const entries = behaviour.list?.(directory.path, directory.lists);
    directory.lists += 1;
    if (entries === undefined) sftp.status(id, STATUS_CODE.EOF);
    else {
      sftp.name(
        id,
        entries.map(({ name, mode }) => ({
          filename: name,
          longname: name,
          attrs: { mode, uid: 0, gid: 0, size: 0, atime: 0, mtime: 0 },
        })),
      );
    }
  });
}
