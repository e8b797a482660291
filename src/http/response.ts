import type { PlugferryError } from '../errors.js';
import { displayUrl } from './address.js';
import { networkError } from './network-errors.js';

/** What of an answer is looked at; the answers of node-fetch have it. */
export interface Answer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: NodeJS.ReadableStream | null;
}

/** How far a body has come over several connections. */
export interface Transfer {
  /** Bytes. */
  received: number;
  /** A strong entity tag of what came so far (RFC 9110 section 8.8.3): only with one may the rest be asked for alone. */
  etag: string | undefined;
  /** Whether the caller knows the digest of the whole: then the rest may be asked for without a tag, too. */
  readonly pinned: boolean;
  /** Milliseconds that the server asked us to wait. */
  waitMs: number;
}

/** Where a download goes on that an earlier run began. */
export interface Resumption {
  /** Bytes that are there. */
  readonly start: number;
  /** The entity tag under which they came. */
  readonly etag?: string | undefined;
}

export const newTransfer = ({ start, etag }: Resumption = { start: 0 }, pinned = false): Transfer => ({
  received: start,
  etag,
  pinned,
  waitMs: 0,
});

/** Whether only what is missing is to be asked for. */
export const isContinuation = ({ received, etag, pinned }: Transfer): boolean =>
  received > 0 && (etag !== undefined || pinned);

export function startAnew(transfer: Transfer, etag?: string): void {
  transfer.received = 0;
  transfer.etag = etag;
}

/** Longest wait that a server can ask for, in milliseconds. */
const maxWaitMs = 10_000;
/** What the gateway does not try again either (istio `pkg/wasm/httpfetcher.go`). */
const finalStatus = [501, 505, 511];

/** Whether a server says of itself that it may be better a moment later; the gateway tries these again, too. */
export const mayPass = (status: number): boolean => status >= 500 && !finalStatus.includes(status);

/**
 * Whether a request that got this status is worth another try, be it for reading or for writing: as {@link mayPass}, but for a full
 * disk (507, RFC 4918), which stays full for longer than anybody waits, and with what a server says to a caller that is too fast.
 */
export const isWorthATry = (status: number): boolean =>
  status === 408 || status === 429 || (status !== 507 && mayPass(status));

/** @throws PlugferryError `E_NETWORK` for an answer without a body that could be used. */
export function checkStatus({ status, headers }: Answer, url: URL, transfer: Transfer): void {
  const asked = isContinuation(transfer);
  if (status === 200 || (status === 206 && asked)) return;
  if (status === 416) startAnew(transfer);
  const overloaded = isWorthATry(status);
  if (overloaded) transfer.waitMs = waitAsked(headers);
  throw unexpectedStatus({ status, headers }, url, overloaded || (status === 416 && asked));
}

function unexpectedStatus(
  { status, headers }: Pick<Answer, 'status' | 'headers'>,
  url: URL,
  transient: boolean,
): PlugferryError {
  const login =
    'The server wants a login, or does not give this to you: give --http-token-file FILE, or write http://user:password@host/...';
  return networkError({
    url,
    expected: 'status 200',
    found: `status ${status}`,
    transient,
    ...(status === 401 || status === 403 ? { hint: login } : {}),
    ...(status === 401 ? { challenge: headers.get('www-authenticate') ?? '' } : {}),
  });
}

/** Milliseconds for which a server asks its caller to wait, bounded. Seconds only: a date needs clocks that agree. */
export function waitAsked(headers: Answer['headers']): number {
  const seconds = headers.get('retry-after') ?? '';
  return /^\d{1,4}$/.test(seconds) ? Math.min(Number(seconds) * 1000, maxWaitMs) : 0;
}

export const isRedirect = ({ status }: Answer): boolean => [301, 302, 303, 307, 308].includes(status);

/** Where an answer sends its caller. */
export function locationOf({ headers }: Answer, from: URL): URL {
  const location = headers.get('location') ?? '';
  if (location !== '' && URL.canParse(location, from.href)) return new URL(location, from);
  throw networkError({ url: from, expected: 'an answer', found: 'a redirect that leads nowhere' });
}

export const displayRedirect = (url: URL): string =>
  /^https?:$/.test(url.protocol) ? displayUrl(url) : `a ${url.protocol} address`;
