import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { systemCode } from '../errors.js';
import { answerTo, type Answer } from './answer.js';
import type { CurrentIndex, OpenFile } from './current-index.js';
import { Exchange, type RequestRecord } from './exchange.js';
import { fileBody } from './file-body.js';
import type { Metrics } from './metrics.js';
import { namesOneHost } from './host-header.js';
import type { Page } from './page.js';
import type { PluginIndex } from './plugin-index.js';
import { requestPath } from './request-path.js';

/** What answers requests need to know. */
export interface HandlerOptions {
  readonly current: CurrentIndex;
  /** Looks once more for what a request asks for in vain; false where something newer is still being read or was refused. */
  readonly catchUp: () => Promise<boolean>;
  /** Whether the server is on its way out; it then calls itself not ready. */
  readonly isStopping: () => boolean;
  /** Answered under `/metrics`; undefined where they have a port of their own. */
  readonly metrics: Pick<Metrics, 'text' | 'contentType'> | undefined;
  /** Receives one record a request, once its answer is complete or cut short. */
  readonly onAnswered: (record: RequestRecord) => void;
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Answers the requests of the plugin server. A request target is brought to one spelling and looked up in the index; it is
 * never joined onto the disk.
 */
export const makeHandler = (options: HandlerOptions): Handler =>
  handlerBy((exchange) => respond(exchange, options), options);

/** Answers the requests of a port that has nothing but `/metrics`, and `/healthz`. */
export const makeMetricsHandler = (options: HandlerOptions): Handler =>
  handlerBy(async (exchange) => {
    const asked = requestPath(exchange.request.url ?? '');
    const path = 'path' in asked ? asked.path : '';
    const isOurs = path === '/metrics' || path === '/healthz';
    if (isOurs) await respond(exchange, options);
    else exchange.endWithText(404, 'not found');
  }, options);

function handlerBy(
  answer: (exchange: Exchange) => Promise<void>,
  { onAnswered }: Pick<HandlerOptions, 'onAnswered'>,
): Handler {
  return (request, response) => {
    const exchange = new Exchange(request, response);
    const closed = new Promise((resolve) => response.once('close', resolve));
    // An error event that nobody listens to would end the process. The record tells of the answer that broke off.
    response.on('error', () => undefined);
    void answer(exchange)
      .catch((error: unknown) => {
        giveUp(exchange, error);
      })
      .then(() => closed)
      .then(() => {
        onAnswered(exchange.record());
      });
  };
}

async function respond(exchange: Exchange, options: HandlerOptions): Promise<void> {
  const { request } = exchange;
  const asked = requestPath(request.url ?? '');
  if (!namesOneHost(request)) exchange.endWithText(400, 'the request does not name one host');
  else if (request.method !== 'GET' && request.method !== 'HEAD')
    exchange.endWithText(405, 'method not allowed', { Allow: 'GET, HEAD' });
  else if ('malformed' in asked) exchange.endWithText(400, asked.malformed);
  else await respondTo(asked.path, exchange, options);
}

async function respondTo(
  path: string,
  exchange: Exchange,
  { current, catchUp, isStopping, metrics }: HandlerOptions,
): Promise<void> {
  const { index } = current;
  if (path === '/healthz') {
    exchange.endWithText(200, 'ok');
  } else if (path === '/metrics' && metrics !== undefined) {
    exchange.endWithText(200, await metrics.text(), { 'Content-Type': metrics.contentType });
  } else if (path === '/readyz' && index?.plugins.length === 0) {
    // Whoever sent gateways here would have them hear 404 of everything, which they take for final.
    tryLater(exchange, 'no plugins: nothing is imported yet');
  } else if (path === '/readyz' && index !== undefined && !isStopping()) {
    exchange.endWithText(200, 'ok');
  } else if (path === '/readyz' || index === undefined) {
    // "/" included: the compose file's health check asks there, and lets the gateway start on 200.
    tryLater(exchange, index === undefined ? current.missing : 'stopping');
  } else {
    const isAnswered = await respondFrom(index, path, { exchange, current });
    if (!isAnswered) await respondAfterLook(path, { exchange, current, catchUp });
  }
}

interface Answering {
  readonly exchange: Exchange;
  readonly current: CurrentIndex;
}

/** @returns false, with nothing sent, for a path that the index does not have. */
async function respondFrom(
  index: PluginIndex,
  path: string,
  { exchange, current }: Answering,
): Promise<boolean> {
  const open = await current.open(path);
  const page = index.pages.get(path);
  if (open !== undefined) {
    if ('refused' in open) refuse(exchange, open.refused);
    else await sendFile(exchange, open).finally(() => open.handle.close());
  } else if (page !== undefined) {
    sendPage(exchange, page);
  } else if (index.pages.has(`${path}/`)) {
    // Relative, so that it holds behind a proxy that serves us under a prefix, too.
    exchange.endWithText(301, 'moved', { Location: `${path.slice(path.lastIndexOf('/') + 1)}/` });
  } else {
    return false;
  }
  return true;
}

/** The gateway never tries again after a 404, so it is said only of the release that is current now. */
async function respondAfterLook(
  path: string,
  { exchange, current, catchUp }: Answering & Pick<HandlerOptions, 'catchUp'>,
): Promise<void> {
  const isCurrent = await catchUp();
  const { index } = current;
  if (index !== undefined && (await respondFrom(index, path, { exchange, current }))) return;
  if (isCurrent) exchange.endWithText(404, 'not found');
  else tryLater(exchange, 'a newer release is not served yet');
}

/**
 * A file that the index promises and the disk does not have, or not as promised: the gateway tries again after a 5xx and
 * never after a 404, and most such moments are a replacement half way through.
 */
function refuse(exchange: Exchange, refused: string): void {
  exchange.problem = `the file is ${refused}`;
  tryLater(exchange, 'the file cannot be served at the moment');
}

const tryLater = (exchange: Exchange, text: string): void => {
  exchange.endWithText(503, text, { 'Retry-After': '1' });
};

async function sendFile(exchange: Exchange, open: OpenFile): Promise<void> {
  const { type, digest, modified } = open.file;
  const answer = answerTo(exchange.request, { type, modified, size: digest.size, sha256: digest.sha256 });
  if (answer.part === undefined) {
    sendBodiless(exchange, answer);
    return;
  }
  exchange.writeHead(answer.status, answer.headers);
  if (!exchange.wantsBody) {
    exchange.response.end();
    return;
  }
  await pipeline(counted(exchange, fileBody(open, answer.part)), exchange.response);
}

async function* counted(exchange: Exchange, body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const piece of body) {
    exchange.bytes += piece.length;
    yield piece;
  }
}

function sendPage(exchange: Exchange, page: Page): void {
  const { type, body, sha256, policy } = page();
  const answer = answerTo(exchange.request, { type, size: body.length, sha256 });
  if (answer.part === undefined) {
    sendBodiless(exchange, answer);
    return;
  }
  const { start, length } = answer.part;
  exchange.writeHead(answer.status, {
    ...answer.headers,
    ...(policy !== undefined && { 'Content-Security-Policy': policy }),
  });
  exchange.end(body.subarray(start, start + length));
}

function sendBodiless(exchange: Exchange, { status, headers }: Answer): void {
  if (status === 304) {
    exchange.writeHead(status, headers);
    exchange.response.end();
  } else {
    exchange.endWithText(status, status === 412 ? 'precondition failed' : 'range not satisfiable', headers);
  }
}

function giveUp(exchange: Exchange, error: unknown): void {
  const { response } = exchange;
  if (!isClientGone(error)) exchange.problem = error instanceof Error ? error.message : String(error);
  if (response.headersSent) response.destroy();
  else exchange.endWithText(500, 'internal error');
}

/** Errors of the stream to the client, as opposed to those of the disk: its leaving is its own business. */
const isClientGone = (error: unknown): boolean => {
  const code = systemCode(error) ?? '';
  return code.startsWith('ERR_STREAM_') || code === 'ECONNRESET' || code === 'EPIPE';
};
