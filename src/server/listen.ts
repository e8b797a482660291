import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { PlugferryError, systemCode } from '../errors.js';
import { Connections } from './connections.js';
import type { Handler } from './handler.js';

/** Limits that keep one client from using up the server. Milliseconds, bytes, connections. */
export interface ServerLimits {
  /** For the head of a request to arrive: cuts clients that send a byte now and then. */
  readonly headersTimeout: number;
  /** For the whole request to arrive, body included; nobody has a reason to send one. */
  readonly requestTimeout: number;
  /** How often the two above are looked at; Node's own 30 s would make them meaningless. */
  readonly connectionsCheckingInterval: number;
  /**
   * Without one byte moving in either direction. It does not bound a download, however slow: every piece that the client
   * takes starts it anew. Long, because the kernel buffers: a slow client may take a while until we see it move.
   */
  readonly idleTimeout: number;
  /** Between two requests on one connection; as long as the official plugin server's. */
  readonly keepAliveTimeout: number;
  readonly maxHeaderSize: number;
  /** Also bounds memory: each download holds a piece of a file. */
  readonly maxConnections: number;
}

export const defaultLimits: ServerLimits = {
  headersTimeout: 10_000,
  requestTimeout: 15_000,
  connectionsCheckingInterval: 1_000,
  idleTimeout: 120_000,
  keepAliveTimeout: 65_000,
  maxHeaderSize: 16 * 1024,
  maxConnections: 512,
};

export interface ListenOptions {
  /** Name or address to listen on; `0.0.0.0` or `::` for all. */
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly limits?: Partial<ServerLimits>;
}

/** A port that is open. */
export interface Listening {
  /** `http://address:port`, with the loopback address where the server listens on all. */
  readonly url: string;
  /**
   * Stops accepting, closes idle connections, lets answers under way finish, and cuts those that are left after
   * `drainMilliseconds`. Resolves when every connection is closed; later calls get the same promise.
   */
  close(drainMilliseconds: number): Promise<void>;
}

/**
 * Opens the port and hands requests to `handler`.
 *
 * @throws PlugferryError `E_LISTEN` when the port cannot be had.
 */
export async function listen(handler: Handler, options: ListenOptions): Promise<Listening> {
  const limits = { ...defaultLimits, ...options.limits };
  const server = createServer(limits);
  server.timeout = limits.idleTimeout;
  server.maxConnections = limits.maxConnections;
  const connections = new Connections();
  server.on('connection', (socket: Socket) => {
    connections.add(socket);
  });
  server.on('request', (request, response) => {
    connections.begin(request, response);
    handler(request, response);
  });
  server.on('connect', refuseTunnel);
  await bound(server, options);
  return { url: urlOf(server), close: closing(server, connections) };
}

/** Without a listener Node drops such a client without a word. */
function refuseTunnel(_request: IncomingMessage, socket: Duplex): void {
  socket.on('error', () => undefined);
  socket.end(
    'HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
  );
}

async function bound(server: Server, { host, port }: ListenOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(refused(error, host, port));
    });
    server.listen({ host, port }, resolve);
  });
  // From here on an error is one failed accept (out of descriptors, say): its client tries again, the others go on.
  server.removeAllListeners('error').on('error', () => undefined);
}

function refused(error: Error, host: string, port: number): PlugferryError {
  const code = systemCode(error) ?? 'unknown';
  const { found, hint } = reasonFor(code, port);
  return new PlugferryError('E_LISTEN', `cannot listen on ${host} port ${port}: ${found}`, {
    hint,
    details: { host, port, found: code },
    cause: error,
  });
}

function reasonFor(code: string, port: number): { found: string; hint: string } {
  switch (code) {
    case 'EADDRINUSE':
      return {
        found: 'the port is in use',
        hint: `Stop the program that holds it (\`ss -ltnp 'sport = :${port}'\` names it), or choose another port.`,
      };
    case 'EACCES':
      return {
        found: 'permission denied',
        hint: 'Ports below 1024 are kept for root. Choose a higher one, such as 8080, and map it outside.',
      };
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return {
        found: 'the host is not an address of this machine',
        hint: 'Listen on 0.0.0.0 for all addresses, or on 127.0.0.1 for this machine only.',
      };
    default:
      return { found: `the system said ${code}`, hint: 'Check the host and the port.' };
  }
}

function urlOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === 'string')
    throw new Error('a TCP server has an address and a port');
  const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[address.address] ?? address.address;
  return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
}

function closing(server: Server, connections: Connections): (drainMilliseconds: number) => Promise<void> {
  let closed: Promise<void> | undefined;
  return (drainMilliseconds) => {
    closed ??= new Promise((resolve) => {
      const deadline = setTimeout(() => {
        connections.cut();
      }, drainMilliseconds);
      server.close(() => {
        clearTimeout(deadline);
        resolve();
      });
      connections.drain();
    });
    return closed;
  };
}
