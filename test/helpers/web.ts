import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface Web {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  /** The target of every request so far. */
  readonly asked: string[];
  /** The headers of every request so far. */
  readonly headers: IncomingMessage['headers'][];
}

/** A web server of the test's own, which may behave as badly as it likes, until the test has finished. */
export async function startWeb(handler: Handler): Promise<Web> {
  const asked: string[] = [];
  const headers: IncomingMessage['headers'][] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    headers.push(request.headers);
    response.on('error', () => undefined);
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  );
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, headers };
}

/** What stands under a path: a body of a type that follows from the path, or a handler. */
export type Site = Readonly<Record<string, string | Buffer | Handler>>;

const typeOf = (path: string): string => {
  if (path.endsWith('.json')) return 'application/json';
  if (path.endsWith('.wasm')) return 'application/wasm';
  return path.endsWith('/') ? 'text/html' : 'text/plain';
};

/** Answers from `site`; everything else is 404. */
export const serving =
  (site: Site): Handler =>
  (request, response) => {
    const path = request.url ?? '';
    const there = Object.hasOwn(site, path) ? site[path] : undefined;
    if (typeof there === 'function') there(request, response);
    else if (there === undefined) response.writeHead(404).end();
    else response.writeHead(200, { 'content-type': typeOf(path) }).end(there);
  };
