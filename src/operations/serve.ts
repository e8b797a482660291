import { Following, type Readiness } from '../serving/following.js';
import { MountedReleases, type MountOptions } from '../serving/configmap-feed.js';
import type { Closing } from '../server/connections.js';
import { CurrentIndex } from '../server/current-index.js';
import type { RequestRecord } from '../server/exchange.js';
import { makeHandler, makeMetricsHandler, type HandlerOptions } from '../server/handler.js';
import { listen, type Listening } from '../server/listen.js';
import type { Metrics } from '../server/metrics.js';
import { VolumeReleases } from '../serving/volume-feed.js';

export interface ServeOptions {
  /**
   * A volume, a plain plugin-server tree (the directory that holds `plugins/`), or a plugins directory itself; or ConfigMaps as
   * kubelet mounts them. Volumes and ConfigMaps are followed as they change.
   */
  readonly root: string | MountOptions;
  /** Name or address to listen on; `0.0.0.0` for all. */
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** A port for `/metrics` alone, on the same host; it is then not answered on the other one. 0 takes any free one. */
  readonly metricsPort?: number | undefined;
  /** How long answers under way may go on after a stop. @default 10 */
  readonly drainSeconds?: number;
  /**
   * Receives one record a request, and a function to call where a record could not be kept: that is counted. Paths in it are
   * raw: escape them before printing.
   */
  readonly log?: (record: RequestRecord, onDropped: () => void) => void;
  /** Told of each change of a volume or of mounted ConfigMaps after the first: what is served from now on, or why it is still what it was. */
  readonly onChange?: (change: Readiness | { readonly refused: unknown }) => void;
  /** Told why a volume is not served yet and is waited for: it has releases, and its link is missing. All requests get 503. */
  readonly onWait?: (reason: unknown) => void;
  /** Milliseconds between two looks at what may have changed. @default 1000 */
  readonly lookMs?: number;
}

export interface RunningServer {
  /** `http://address:port`; the loopback address where the server listens on all. */
  readonly url: string;
  /** The same of the port for metrics, where one was asked for. */
  readonly metricsUrl: string | undefined;
  /**
   * Settles when everything is read and the first plugin can be fetched; until then requests get 503. A volume that has
   * releases and for now no link to one is waited for. Rejects with a
   * PlugferryError (`E_NOT_FOUND`, `E_RELEASE`, `E_IO`, `E_LIMIT`) when there is nothing to serve, and with the reason of
   * the stop when it came first; the server is closed then.
   */
  readonly ready: Promise<Readiness>;
  /** What was found and is not served, one line each, with raw names; empty until ready. */
  readonly notes: readonly string[];
  /** Reads again what is served, also where nothing seems to have changed: a plain tree, above all. */
  readonly reload: () => void;
  /** Stops accepting, lets answers under way finish until the deadline, and resolves when all connections are closed. */
  close(): Promise<void>;
}

/**
 * Serves plugins under the URLs of higress-plugin-server. The port is open, and says 503, while the directory is still
 * being read: the gateway tries again after that, but not after a refused connection at the end of its patience.
 *
 * @param signal its abort drains and closes the server; `close()` then waits for that.
 * @throws PlugferryError `E_LISTEN` when the port cannot be had.
 */
export async function servePlugins(options: ServeOptions, signal: AbortSignal): Promise<RunningServer> {
  signal.throwIfAborted();
  const stop = new AbortController();
  const { root } = options;
  const current = new CurrentIndex(stop.signal);
  const releases = typeof root === 'string' ? new VolumeReleases(root) : new MountedReleases(root);
  const following = new Following(releases, { ...options, current }, stop.signal);
  const isStopping = (): boolean => stop.signal.aborted;
  // Loaded here: no other command has a use for it.
  const metrics = new (await import('../server/metrics.js')).Metrics(() => ({
    index: current.index,
    isStopping: isStopping(),
  }));
  const onAnswered = (record: RequestRecord): void => {
    metrics.count(record);
    options.log?.(record, () => {
      metrics.countUnlogged();
    });
  };
  const catchUp = (): Promise<boolean> => following.catchUp();
  const listening = await openDoors({ current, catchUp, isStopping, metrics, onAnswered }, options);
  const close = async (): Promise<void> => {
    signal.removeEventListener('abort', onAbort);
    stop.abort(signal.reason);
    await Promise.all(listening.map((door) => door.close((options.drainSeconds ?? 10) * 1000)));
    await ready.then(() => following.ended).catch(() => undefined);
  };
  const onAbort = (): void => void close();
  signal.addEventListener('abort', onAbort, { once: true });
  const ready = following.start();
  ready.catch(close);
  return {
    url: listening[0].url,
    metricsUrl: listening[1]?.url,
    ready,
    get notes() {
      return current.index?.notes ?? [];
    },
    reload: () => {
      following.reload();
    },
    close,
  };
}

/** Opens the port for plugins and, where asked, the one for metrics. */
async function openDoors(
  options: HandlerOptions & { readonly metrics: Metrics },
  { host, port, metricsPort }: ServeOptions,
): Promise<readonly [Listening, ...Listening[]]> {
  const { metrics, onAnswered } = options;
  const heard = {
    onRefused: onAnswered,
    onClosing: (reason: Closing): void => {
      metrics.countClosing(reason);
    },
  };
  const alone = metricsPort !== undefined;
  const plugins = await listen(makeHandler({ ...options, metrics: alone ? undefined : metrics }), {
    host,
    port,
    ...heard,
  });
  if (!alone) return [plugins];
  try {
    return [plugins, await listen(makeMetricsHandler(options), { host, port: metricsPort, ...heard })];
  } catch (error) {
    await plugins.close(0);
    throw error;
  }
}
