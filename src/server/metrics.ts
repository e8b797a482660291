import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { version } from '../version.js';
import type { Closing } from './connections.js';
import type { PluginIndex } from './plugin-index.js';
import type { RequestRecord } from './exchange.js';
import { requestPath } from './request-path.js';

/** What a request was for: the only thing that a label tells of a path, so that no client can make new series. */
type Resource = 'module' | 'metadata' | 'listing' | 'health' | 'metrics' | 'unreadable' | 'other';

const methods = new Set(['GET', 'HEAD']);

/** Seconds; a module of 6 MB over a slow link takes some. */
const buckets = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60];

/** What the state of a server is, at the moment it is asked. */
export interface ServerState {
  readonly index: PluginIndex | undefined;
  readonly isStopping: boolean;
}

/**
 * Metrics in the text format of Prometheus. Every label has a small fixed set of values; the one that is free, the id of the
 * release, has one at a time.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Counter<'method' | 'code' | 'resource'>;
  readonly #bytes: Counter<'resource'>;
  readonly #aborted: Counter<'resource'>;
  readonly #seconds: Histogram<'resource'>;
  readonly #closed: Counter<'reason'>;
  readonly #unlogged: Counter;

  constructor(state: () => ServerState) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#requests = new Counter({
      name: 'plugferry_http_requests_total',
      help: 'Requests answered, by method, status and what was asked for.',
      labelNames: ['method', 'code', 'resource'],
      registers,
    });
    this.#bytes = new Counter({
      name: 'plugferry_http_response_bytes_total',
      help: 'Bytes of body sent.',
      labelNames: ['resource'],
      registers,
    });
    this.#aborted = new Counter({
      name: 'plugferry_http_aborted_total',
      help: 'Answers that were cut short, by the client or a stop.',
      labelNames: ['resource'],
      registers,
    });
    this.#seconds = new Histogram({
      name: 'plugferry_http_request_duration_seconds',
      help: 'Time from the head of a request to the last byte of its answer.',
      labelNames: ['resource'],
      buckets,
      registers,
    });
    this.#closed = new Counter({
      name: 'plugferry_http_connections_closed_total',
      help: 'Connections that the server closed for lack of room, or because the client was too slow or asked for too much at once.',
      labelNames: ['reason'],
      registers,
    });
    this.#unlogged = new Counter({
      name: 'plugferry_access_log_dropped_total',
      help: 'Lines of the access log that nobody took.',
      registers,
    });
    this.#describe(state);
  }

  #describe(state: () => ServerState): void {
    const registers = [this.#registry];
    new Gauge({
      name: 'plugferry_build_info',
      help: 'Always 1; the label tells the version.',
      labelNames: ['version'],
      registers,
    }).set({ version }, 1);
    new Gauge({
      name: 'plugferry_ready',
      help: '1 while requests for plugins are answered.',
      registers,
      collect() {
        const { index, isStopping } = state();
        this.set(index !== undefined && !isStopping ? 1 : 0);
      },
    });
    new Gauge({
      name: 'plugferry_plugin_versions',
      help: 'Plugin versions that are served.',
      registers,
      collect() {
        this.set(state().index?.plugins.length ?? 0);
      },
    });
    new Gauge({
      name: 'plugferry_release_info',
      help: 'Always 1; the label tells the release that is served, empty for a plain tree.',
      labelNames: ['release'],
      registers,
      collect() {
        this.reset();
        const { index } = state();
        if (index !== undefined) this.set({ release: index.release ?? '' }, 1);
      },
    });
  }

  /** Counts one answer. */
  count({ method, path, status, bytes, ms, aborted }: RequestRecord): void {
    const resource = resourceOf(path);
    this.#requests.inc({ method: methods.has(method) ? method : 'other', code: String(status), resource });
    this.#bytes.inc({ resource }, bytes);
    this.#seconds.observe({ resource }, ms / 1000);
    if (aborted) this.#aborted.inc({ resource });
  }

  /** Counts a connection that was closed by the server. */
  countClosing(reason: Closing): void {
    this.#closed.inc({ reason });
  }

  /** Counts a line of the access log that was dropped. */
  countUnlogged(): void {
    this.#unlogged.inc();
  }

  /** All of it, as text. */
  async text(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}

/** By its form alone: whether there is such a plugin, the status tells. */
function resourceOf(target: string): Resource {
  if (target === '') return 'unreadable';
  const asked = requestPath(target);
  if ('malformed' in asked) return 'other';
  const { path } = asked;
  if (path === '/healthz' || path === '/readyz') return 'health';
  if (path === '/metrics') return 'metrics';
  if (!path.startsWith('/plugins/')) return path === '/' ? 'listing' : 'other';
  if (path.endsWith('/plugin.wasm')) return 'module';
  if (path.endsWith('/metadata.txt')) return 'metadata';
  return path.endsWith('/') || path.endsWith('.json') ? 'listing' : 'other';
}
