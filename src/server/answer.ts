import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { failedCondition, rangeIsCurrent } from './conditions.js';
import { rangeOf, type Part } from './range.js';

/** What is known of a body without reading it. */
export interface Representation {
  /** Media type. */
  readonly type: string;
  /** Bytes. */
  readonly size: number;
  /** 64 hex characters. */
  readonly sha256: string;
  /** Milliseconds since 1970; undefined for bodies made on the spot. */
  readonly modified?: number;
}

/** What of a request decides its answer; an IncomingMessage has it. */
export interface AskedFor {
  readonly method?: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

/** How a request is answered: status, headers, and the part of the body that follows them, if any. */
export interface Answer {
  readonly status: 200 | 206 | 304 | 412 | 416;
  readonly headers: OutgoingHttpHeaders;
  readonly part?: Part;
}

/** The strong entity tag of a body with this SHA-256. */
export const etagOf = (sha256: string): string => `"${sha256}"`;

/**
 * Stored by caches, but asked about each time. A versioned path looks immutable and is not: `import --allow-overwrite` and
 * the owner of a plain tree may change the bytes behind it. A proxy that took `immutable` at its word would hand out a
 * withdrawn module for as long as it likes, and with a `sha256` in the WasmPlugin the gateway would refuse it: under
 * FAIL_OPEN that switches off key-auth without an error page. Asking costs one 304, and the gateway does not cache anyway.
 */
const cacheControl = 'no-cache';

/**
 * Decides the answer to a GET or HEAD for a body that exists (RFC 9110 sections 13 and 14; RFC 9530 for `Repr-Digest`).
 * Pure, so every rule can be tried without a socket.
 */
export function answerTo(request: AskedFor, body: Representation): Answer {
  const etag = etagOf(body.sha256);
  const lastModified = body.modified === undefined ? undefined : httpDate(body.modified);
  const failed = failedCondition(request.headers, { etag, lastModified });
  // A 304 tells a cache about its copy; a 412 is about no body of ours and must not look like one.
  if (failed === 304) return { status: 304, headers: { ETag: etag, 'Cache-Control': cacheControl } };
  if (failed === 412) return { status: 412, headers: {} };
  const common = {
    'Content-Type': body.type,
    ETag: etag,
    ...(lastModified !== undefined && { 'Last-Modified': lastModified }),
    'Accept-Ranges': 'bytes',
    'Cache-Control': cacheControl,
    'Repr-Digest': `sha-256=:${Buffer.from(body.sha256, 'hex').toString('base64')}:`,
  };
  const part = askedPart(request, body);
  if (part === 'unsatisfiable') return { status: 416, headers: { 'Content-Range': `bytes */${body.size}` } };
  if (part === 'whole') return whole(common, body.size);
  const last = part.start + part.length - 1;
  return {
    status: 206,
    headers: {
      ...common,
      'Content-Length': part.length,
      'Content-Range': `bytes ${part.start}-${last}/${body.size}`,
    },
    part,
  };
}

const whole = (headers: OutgoingHttpHeaders, size: number): Answer => ({
  status: 200,
  headers: { ...headers, 'Content-Length': size },
  part: { start: 0, length: size },
});

/** Ranges mean something for GET only (RFC 9110 section 14.2). */
function askedPart({ method, headers }: AskedFor, body: Representation): ReturnType<typeof rangeOf> {
  const isAsked = method === 'GET' && rangeIsCurrent(headers['if-range'], etagOf(body.sha256));
  return isAsked && headers.range !== undefined ? rangeOf(headers.range, body.size) : 'whole';
}

/** A date that lies ahead (a clock set back, a file from elsewhere) must not be sent (RFC 9110 section 8.8.2.1). */
const httpDate = (milliseconds: number): string => new Date(Math.min(milliseconds, Date.now())).toUTCString();
