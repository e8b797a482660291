import { createHash } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { isPlugferryError } from '../errors.js';
import { mayPass } from '../http/response.js';
import { parseHttpAddress } from '../http/address.js';
import type { HttpAccess } from '../http/client.js';
import { HttpPeer } from '../http/requests.js';
import { usualPatience, Watch } from '../http/deadlines.js';
import { maxModuleBytes } from '../plugin/plugin.js';
import { NoModule, unboxed, type Box } from './unwrap-module.js';

/** How the gateway would fare with a URL: the module it would get, or why it would get none. */
export type Probed =
  | {
      /** SHA-256 in hex of the module without its boxes: what the `sha256` of a WasmPlugin is compared with. */
      readonly sha256: string;
      /** Bytes of the module. */
      readonly size: number;
      /** What the server has around it, outermost first. */
      readonly boxes: readonly Box[];
      readonly attempts: number;
      readonly milliseconds: number;
      readonly problem?: never;
    }
  | { readonly problem: string; readonly attempts: number };

/**
 * What the gateway's agent does (istio `pkg/wasm/httpfetcher.go`, and `pilot/pkg/model/extensions.go` for the time of all
 * attempts together). Tests shorten the times.
 */
export interface GatewayPatience {
  readonly attempts: number;
  /** Milliseconds for one attempt, body included. */
  readonly attemptMs: number;
  readonly allMs: number;
  /** Milliseconds before the second attempt; doubled each time. */
  readonly pauseMs: number;
}

const gatewayPatience: GatewayPatience = { attempts: 5, attemptMs: 15_000, allMs: 30_000, pauseMs: 500 };

export interface ProbeOptions {
  readonly access?: HttpAccess | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly patience?: GatewayPatience;
}

/**
 * Fetches a module as the gateway does: a plain GET, only 200 is good, transport errors and most 5xx are tried again, a broken
 * body is not; at most 256 MiB, boxes opened by their first bytes.
 *
 * @throws the reason of an abort; everything else is an answer.
 */
export async function probeModule(url: string, options: ProbeOptions = {}): Promise<Probed> {
  const { access, signal, patience = gatewayPatience } = options;
  const address = parseHttpAddress(url);
  const origin = { ...address, url: new URL('/', address.url) };
  const peer = new HttpPeer(origin, { access, redirects: 'anywhere' });
  const begun = performance.now();
  let problem = 'no answer';
  for (let attempts = 1; attempts <= patience.attempts; attempts += 1) {
    const left = begun + patience.allMs - performance.now();
    if (left <= 0)
      return { problem: `${problem}; ${patience.allMs / 1000} s are over`, attempts: attempts - 1 };
    const limit = Math.ceil(Math.min(patience.attemptMs, left));
    const found = await attempt(peer, address.url, { limit, signal });
    if (typeof found === 'object' && 'sha256' in found)
      return { ...found, attempts, milliseconds: Math.round(performance.now() - begun) };
    problem = found.problem;
    if (!found.again) return { problem, attempts };
    if (attempts < patience.attempts)
      await sleep(patience.pauseMs * 2 ** (attempts - 1), undefined, signal === undefined ? {} : { signal });
  }
  return { problem, attempts: patience.attempts };
}

type Attempt =
  | { readonly sha256: string; readonly size: number; readonly boxes: readonly Box[] }
  | { readonly problem: string; readonly again: boolean };

async function attempt(
  peer: HttpPeer,
  url: URL,
  { limit, signal }: { readonly limit: number; readonly signal: AbortSignal | undefined },
): Promise<Attempt> {
  const timeout = AbortSignal.timeout(limit);
  const both = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  const watch = new Watch(both, { ...usualPatience, answerMs: limit, paceMs: limit });
  let answered = false;
  try {
    const { answer } = await peer.answer({ url, headers: {} }, watch);
    const { status } = answer;
    if (status !== 200) {
      return { problem: `status ${status}, and the gateway takes 200 only`, again: mayPass(status) };
    }
    answered = true;
    return await digested(answer.body ?? nothing());
  } catch (error) {
    signal?.throwIfAborted();
    return { problem: timeout.aborted ? tooSlow(limit) : problemOf(error), again: !answered };
  } finally {
    watch.end();
  }
}

const tooSlow = (limit: number): string => `not complete within ${Math.round(limit / 100) / 10} s`;

function problemOf(error: unknown): string {
  if (error instanceof NoModule) return `the body is ${error.message}`;
  const found = isPlugferryError(error) ? error.details.found : undefined;
  if (found !== undefined) return String(found);
  return error instanceof Error ? error.message : String(error);
}

async function digested(body: AsyncIterable<unknown>) {
  const hash = createHash('sha256');
  const boxes: Box[] = [];
  let size = 0;
  const bytes = unboxed(limited(body), (box) => boxes.push(box));
  for await (const chunk of bytes) {
    size += chunk.length;
    if (size > maxModuleBytes) throw tooLarge();
    hash.update(chunk);
  }
  return { sha256: hash.digest('hex'), size, boxes };
}

async function* limited(body: AsyncIterable<unknown>): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const piece of body) {
    const chunk = piece as Buffer;
    size += chunk.length;
    if (size > maxModuleBytes) throw tooLarge();
    yield chunk;
  }
}

const tooLarge = (): NoModule => new NoModule(`larger than ${maxModuleBytes} bytes: the gateway cuts it off`);

async function* nothing(): AsyncGenerator<Buffer> {}
