import { afterEach } from 'vitest';
import type { RequestRecord } from '../../src/server/exchange.js';
import { servePlugins, type RunningServer, type ServeOptions } from '../../src/operations/serve.js';

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});

/** Something to be stopped when the test is over. */
export function stopLater(stop: () => Promise<unknown>): void {
  stops.push(stop);
}

export interface Running extends RunningServer {
  readonly records: RequestRecord[];
  readonly abort: AbortController;
}

/** Serves on a free port of the loopback until the end of the test. Not necessarily ready yet. */
export async function start(root: string, options: Partial<ServeOptions> = {}): Promise<Running> {
  const records: RequestRecord[] = [];
  const abort = new AbortController();
  const server = await servePlugins(
    {
      root,
      host: '127.0.0.1',
      port: 0,
      drainSeconds: 0,
      log: (record) => records.push(record),
      ...options,
    },
    abort.signal,
  );
  stopLater(() => server.close());
  return Object.assign(server, { records, abort });
}

/** {@link start}, and ready. */
export async function running(root: string, options: Partial<ServeOptions> = {}): Promise<Running> {
  const server = await start(root, options);
  await server.ready;
  return server;
}
