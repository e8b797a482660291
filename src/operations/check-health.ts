import { PlugferryError } from '../errors.js';
import { parseHttpAddress } from '../http/address.js';
import { HttpClient } from '../http/client.js';

export interface HealthOptions {
  /** The http(s) URL to ask, without a query. */
  readonly url: string;
  /** Most milliseconds until the answer is complete. @default 2000 */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface Health {
  readonly healthy: true;
  readonly url: string;
  /** From the question to the whole answer. */
  readonly milliseconds: number;
}

/** Most bytes of an answer; a health check has no reason to read a plugin. */
const maxBytes = 64 * 1024;

/**
 * Asks a server once, as the health check of a container does: only status 200 in time is good. Goes through no proxy.
 *
 * @throws PlugferryError `E_NETWORK`, `E_LIMIT`, `E_USAGE`.
 */
export async function checkHealth({ url, timeoutMs = 2000, signal }: HealthOptions): Promise<Health> {
  const address = parseHttpAddress(url);
  const patience = { answerMs: timeoutMs, paceMs: timeoutMs, retryMs: [] };
  const client = new HttpClient({ ...address, url: new URL('/', address.url) }, { patience });
  const late = AbortSignal.timeout(timeoutMs);
  const began = performance.now();
  try {
    await client.document({
      url: address.url,
      limit: maxBytes,
      absent: [],
      signal: signal === undefined ? late : AbortSignal.any([signal, late]),
    });
  } catch (error) {
    throw late.aborted && signal?.aborted !== true ? tooLate(url, timeoutMs) : error;
  }
  return { healthy: true, url, milliseconds: Math.round(performance.now() - began) };
}

const tooLate = (url: string, timeoutMs: number): PlugferryError =>
  new PlugferryError('E_NETWORK', `${url} did not answer completely within ${timeoutMs} ms`, {
    hint: 'See what the server logs, and whether it still loads its plugins.',
    details: { url, expected: timeoutMs },
  });
