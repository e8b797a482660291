import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { PlugferryError, systemCode } from '../errors.js';
import { Connections, type Closing, type ConnectionLimits } from './connections.js';
import type { RequestRecord } from './exchange.js';
import type { Handler } from './handler.js';
import { refuseUnparsed } from './unparsed.js';

/** Limits that keep one client from using up the server. Milliseconds, bytes, connections. */
export interface ServerLimits extends ConnectionLimits {
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
}

const defaultLimits: ServerLimits = {
  headersTimeout: 10_000,
  requestTimeout: 15_000,
  connectionsCheckingInterval: 1_000,
  idleTimeout: 120_000,
  keepAliveTimeout: 65_000,
  maxHeaderSize: 16 * 1024,
  maxConnections: 2048,
  maxWaiting: 16,
  minBytesPerSecond: 1024,
  // Not shorter: the kernel asks for more only when a third of its buffer, of up to 4 MiB, is free again.
  slowMs: 300_000,
};

/** Where a port is to be opened. */
export interface Door {
  /** Name or address to listen on; `0.0.0.0` or `::` for all. */
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
}

export interface ListenOptions extends Door {
  readonly limits?: Partial<ServerLimits>;
  /** Told of each connection that is closed for what its client does, or for lack of room. */
  readonly onClosing?: (reason: Closing) => void;
  /** Told of each request that never became one: its bytes could not be read, or did not come in time. */
  readonly onRefused?: (record: RequestRecord) => void;
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
  const connections = new Connections(limits, handler, options.onClosing ?? ((): void => undefined));
  server.on('connection', (socket: Socket) => {
    connections.add(socket);
  });
  const take = (request: IncomingMessage, response: ServerResponse): void => {
    connections.take(request, response);
  };
  server.on('request', take);
  // Whatever is expected of us (RFC 9110 section 10.1.1): nothing depends on it, and no body is ever read.
  server.on('checkContinue', take);
  server.on('checkExpectation', take);
  server.on('clientError', (error, socket) => {
    const refused = refuseUnparsed(error, socket, connections.isAnswering(socket));
    if (refused !== undefined) options.onRefused?.(refused);
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

async function bound(server: Server, { host, port }: Door): Promise<void> {
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
        connections.end();
        resolve();
      });
      connections.drain();
    });
    return closed;
  };
}
