import { request, type IncomingHttpHeaders } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Ask {
  readonly method?: string;
  /** The request target, sent as it stands. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One request on a connection of its own. Rejects when the answer breaks off. */
export const ask = (url: string, { method = 'GET', path, headers = {} }: Ask): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const call = request({ hostname, port, method, path, headers, agent: false }, (reply) => {
      const pieces: Buffer[] = [];
      reply.on('data', (piece: Buffer) => pieces.push(piece));
      reply.once('error', reject);
      reply.once('end', () => {
        resolve({ status: reply.statusCode ?? 0, headers: reply.headers, body: Buffer.concat(pieces) });
      });
    });
    call.once('error', reject);
    call.end();
  });

/** GET of `path`. */
export const get = (url: string, path: string, headers: Ask['headers'] = {}): Promise<Reply> =>
  ask(url, { path, headers });

/** A connection without HTTP on top. Errors are swallowed: a cut connection is what many tests want to see. */
export function dial(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.removeAllListeners('error').on('error', () => undefined);
      resolve(socket);
    });
  });
}

/** Everything the peer sends until it closes, or until it was silent for `silenceMs`. */
export function everythingFrom(socket: Socket, silenceMs = 5000): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.setEncoding('latin1');
    socket.setTimeout(silenceMs, () => socket.destroy());
    socket.on('data', (piece) => (text += String(piece)));
    socket.once('close', () => {
      resolve(text);
    });
  });
}

/** Sends bytes as they are and gives back all that comes until the server closes. */
export async function raw(url: string, bytes: string, silenceMs?: number): Promise<string> {
  const socket = await dial(url);
  socket.write(bytes, 'latin1');
  return everythingFrom(socket, silenceMs);
}

export const statusOf = (reply: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(reply)?.[1] ?? 0);

/** A port that was free a moment ago, for programs that cannot choose one themselves. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  });
