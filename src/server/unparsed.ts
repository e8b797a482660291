import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { systemCode } from '../errors.js';
import type { RequestRecord } from './exchange.js';

type Status = 400 | 408 | 413 | 431;

const texts = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Content Too Large',
  431: 'Request Header Fields Too Large',
} as const;

/**
 * Ends a connection whose bytes are no request, or do not become one in time. An answer goes out only where that cannot be
 * taken for a part of another one.
 *
 * @param error as the `clientError` event brings it.
 * @param isAnswering whether an answer is under way on the connection.
 * @returns what the log says of it; undefined for a client that merely left.
 */
export function refuseUnparsed(
  error: Error,
  socket: Duplex,
  isAnswering: boolean,
): RequestRecord | undefined {
  const reason = systemCode(error) ?? '';
  const remote = socket instanceof Socket ? (socket.remoteAddress ?? '') : '';
  const status = statusFor(reason);
  if (status !== undefined && socket.writable && !isAnswering) socket.write(answer(status));
  socket.destroy();
  if (status === undefined) return undefined;
  return { method: '', path: '', status, bytes: 0, ms: 0, remote, aborted: isAnswering, problem: reason };
}

/** By the codes of Node (`lib/_http_server.js`) and of its parser, llhttp. */
function statusFor(code: string): Status | undefined {
  if (code === 'HPE_HEADER_OVERFLOW') return 431;
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return 413;
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 408;
  return code.startsWith('HPE_') ? 400 : undefined;
}

function answer(status: Status): string {
  const body = `${texts[status].toLowerCase()}\n`;
  return [
    `HTTP/1.1 ${status} ${texts[status]}`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${body.length}`,
    'X-Content-Type-Options: nosniff',
    'Cache-Control: no-store',
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}
