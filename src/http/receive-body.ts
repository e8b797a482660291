import { Writable } from 'node:stream';
import { PlugferryError } from '../errors.js';
import { flow } from '../stream/flow.js';
import { startAnew, type Answer, type Transfer } from './response.js';
import { displayUrl } from './address.js';
import { brokenRequest, networkError } from './network-errors.js';
import type { Watch } from './deadlines.js';
import { isLent } from './large-read-agent.js';

/** What an answer says of its body. */
export interface HttpReply {
  /** Where it came from: the last of the redirects. */
  readonly url: URL;
  /** Media type, in lower case and without parameters; empty where none is given. */
  readonly type: string;
  /** A strong entity tag: as long as it stays, so do the bytes. */
  readonly etag: string | undefined;
  /** Bytes of the whole body, by what the server says. */
  readonly size: number | undefined;
  /** Where in the whole body the bytes of this answer begin. */
  readonly start: number;
}

/** Takes a body as it comes. */
export interface Receiver {
  /** A body begins; or goes on at `start`; or begins anew because the connection broke: forget what came before. */
  begin(reply: HttpReply): Promise<void>;
  take(chunk: Buffer): Promise<void>;
}

/** An answer of a good status. */
export interface Exchange {
  readonly answer: Answer;
  readonly url: URL;
  /** Most bytes of the whole body. */
  readonly limit: number;
  readonly transfer: Transfer;
  readonly watch: Watch;
}

/**
 * Hands a body on, or the rest of one.
 *
 * @throws PlugferryError `E_LIMIT` when it is, or says that it is, larger than the limit; `E_NETWORK`; what `receiver` throws.
 */
export async function receiveBody(exchange: Exchange, receiver: Receiver): Promise<HttpReply> {
  const { answer, url, limit, transfer } = exchange;
  refuseEncoded(answer, url);
  if (answer.status === 206) checkPart(exchange);
  else startAnew(transfer, strongTag(answer));
  const end = declaredEnd(answer, transfer);
  if (end !== undefined && end > limit) throw tooLarge(url, limit, `${end} bytes`);
  const reply = { url, type: mediaType(answer), etag: transfer.etag, size: end, start: transfer.received };
  await takeAll(exchange, receiver, reply);
  if (end !== undefined && transfer.received !== end) throw cutShort(url, end, transfer.received);
  return reply;
}

/** Only what the network does is translated here; what the receiver makes of a chunk is none of its business. */
async function takeAll(exchange: Exchange, receiver: Receiver, reply: HttpReply): Promise<void> {
  const { answer, url, limit, transfer, watch } = exchange;
  const expected = 'the rest of the body';
  let refusal: { readonly error: unknown } | undefined;
  // What comes meanwhile must be on its way to the sink: a stream that breaks loses what waits in it.
  const begun = receiver.begin(reply);
  const take = async (chunk: Buffer): Promise<void> => {
    if (isLent(chunk))
      throw networkError({ url, expected, found: 'memory that is used again', transient: true });
    watch.arrived(chunk.length);
    watch.rest(true);
    transfer.received += chunk.length;
    if (transfer.received > limit) throw tooLarge(url, limit, 'more');
    await begun;
    await receiver.take(chunk);
    watch.rest(false);
  };
  const sink = new Writable({
    highWaterMark: 1024 * 1024,
    write: (chunk: Buffer, _encoding, done) => {
      take(chunk).then(() => {
        done();
      }, refuse);
    },
  });
  const refuse = (error: unknown): void => {
    refusal ??= { error };
    sink.destroy(new Error('refused'));
  };
  begun.catch(refuse);
  watch.awaitBody(networkError({ url, expected, found: 'next to nothing for too long', transient: true }));
  try {
    if (answer.body !== null) await flow(answer.body, sink);
    await begun;
  } catch (error) {
    if (refusal !== undefined) throw refusal.error;
    throw brokenRequest(watch.reasonOf(error), url, expected);
  }
}

const mediaType = ({ headers }: Answer): string =>
  (headers.get('content-type') ?? '').split(';', 1).join('').trim().toLowerCase();

const strongTag = ({ headers }: Answer): string | undefined =>
  /^"[\x21\x23-\x7e]*"$/.exec(headers.get('etag') ?? '')?.[0];

/** Where the whole body ends, by what the server says. */
function declaredEnd({ headers }: Answer, { received }: Transfer): number | undefined {
  const declared = headers.get('content-length') ?? '';
  return /^\d{1,15}$/.test(declared) ? received + Number(declared) : undefined;
}

/** Bytes that are to match a digest must come as they are; none but these were asked for. */
function refuseEncoded({ headers }: Answer, url: URL): void {
  const encoding = headers.get('content-encoding') ?? 'identity';
  if (encoding === 'identity') return;
  throw networkError({
    url,
    expected: 'the bytes as they are',
    found: `content encoding "${encoding.slice(0, 40)}"`,
    hint: 'Have the server, or the proxy before it, heed "Accept-Encoding: identity".',
  });
}

/** The rest of a body must be that of the body which broke off (RFC 9110 section 14.4). */
function checkPart({ answer, url, transfer }: Exchange): void {
  const { received, etag } = transfer;
  const start = /^bytes (\d{1,15})-/.exec(answer.headers.get('content-range') ?? '')?.[1];
  const isSame = etag === undefined || answer.headers.get('etag') === etag;
  if (Number(start) === received && isSame) return;
  startAnew(transfer);
  throw networkError({
    url,
    expected: `the body from byte ${received}`,
    found: 'another part, or of another body',
    transient: true,
  });
}

function tooLarge(url: URL, limit: number, found: string): PlugferryError {
  const file = displayUrl(url);
  return new PlugferryError('E_LIMIT', `${file}: the body has ${found}, expected at most ${limit} bytes`, {
    hint: 'Check what the server has under this address.',
    details: { file, expected: limit, found },
  });
}

const cutShort = (url: URL, end: number, received: number): PlugferryError =>
  networkError({ url, expected: `${end} bytes`, found: `${received} bytes`, transient: true });
