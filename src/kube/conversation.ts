import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { isPlugferryError, PlugferryError } from '../errors.js';
import type { Answer } from '../http/response.js';
import { brokenRequest, isTransient, networkError } from '../http/network-errors.js';
import { HttpPeer } from '../http/requests.js';
import { usualPatience, Watch, type Patience } from '../http/deadlines.js';
import type { ClusterAccess } from './access.js';
import type { Login } from './exec-plugin.js';
import { isFields, type Fields } from './fields.js';
import { refusalError, retryAfter } from './status.js';

export interface ClientOptions {
  /** The URL of the proxy for a URL, where the cluster names none; empty for none. @default none */
  readonly proxyFor?: ((url: URL) => string) | undefined;
  readonly patience?: Partial<Patience> | undefined;
}

/** Bytes of an answer: an object has at most 3 MiB, and lists come in pages. */
const maxAnswer = 64 * 1024 * 1024;

/**
 * A conversation with the API server of a cluster. What a moment later may succeed is tried again; a login that is refused is
 * obtained anew once. Nothing outside the address of the server is asked, and no redirect leads away from it.
 */
export class Conversation {
  readonly #access: ClusterAccess;
  readonly #options: ClientOptions;
  readonly #patience: Patience;
  #session: Session | undefined;

  constructor(access: ClusterAccess, options: ClientOptions) {
    this.#access = access;
    this.#options = options;
    this.#patience = { ...usualPatience, ...options.patience };
  }

  /**
   * The object that the server answers with; undefined where there is none and there may be none.
   *
   * @throws PlugferryError `E_NETWORK`, `E_LOGIN`, and as {@link refusalError}.
   */
  async ask(question: Question & { readonly absent: true }): Promise<Fields | undefined>;
  async ask(question: Question): Promise<Fields>;
  async ask(question: Question): Promise<Fields | undefined> {
    const { retryMs } = this.#patience;
    for (let tries = 0, renewed = false; ;) {
      const pause = retryMs[tries];
      const reply = await this.#attempt(question).catch((error: unknown): unknown => error);
      if (!isReply(reply)) {
        if (pause === undefined || !isTransient(reply)) throw reply;
        tries += 1;
        await wait(pause, question.signal);
        continue;
      }
      const { status, body } = reply;
      if (status === 200 || status === 201 || status === 202) {
        if (isFields(body)) return body;
        throw notApi(question.url, 'no JSON object');
      }
      if (status === 404 && question.absent === true && isStatus(body, 'NotFound')) return undefined;
      if (status === 401 && !renewed) {
        renewed = true;
        this.#session = undefined;
        continue;
      }
      const seconds = retryAfter(reply);
      if (seconds === undefined || pause === undefined) throw this.#refusal(reply, question);
      tries += 1;
      await wait(Math.max(pause, seconds * 1000), question.signal);
    }
  }

  #refusal({ status, body }: Reply, { what, url }: Question): PlugferryError {
    // A proxy or a web server that knows nothing of Kubernetes.
    if (!isStatus(body) && status !== 401 && status !== 403 && status !== 413)
      throw notApi(url, `status ${status}`);
    return refusalError({ status, body, what, cluster: this.#access.name });
  }

  async #attempt(question: Question): Promise<Reply> {
    const { url, method, accept = 'application/json', type, body, signal } = question;
    const session = await this.#opened(signal);
    const watch = new Watch(signal, this.#patience);
    try {
      const headers = {
        accept,
        ...(type === undefined ? {} : { 'content-type': type }),
        ...(body === undefined ? {} : { 'content-length': String(body.length) }),
      };
      const { authorization } = session.login;
      const { answer } = await session.peer.answer(
        {
          url,
          method,
          headers,
          authorization,
          ...(body === undefined ? {} : { body: Readable.from([body]) }),
        },
        watch,
      );
      return { status: answer.status, body: parsed(await bytesOf(answer, url, watch)) };
    } catch (error) {
      throw rehinted(error);
    } finally {
      watch.end();
    }
  }

  async #opened(signal: AbortSignal | undefined): Promise<Session> {
    const { expires = Infinity } = this.#session?.login ?? {};
    // A minute early, as long as an answer may take.
    if (this.#session !== undefined && Date.now() < expires - this.#patience.answerMs) return this.#session;
    const { server, authorities, serverName, proxy } = this.#access;
    const login = await this.#access.login(signal);
    const proxyFor = proxy === undefined ? this.#options.proxyFor : () => proxy;
    const { clientCertificate } = login;
    const access = {
      ...(authorities === undefined ? {} : { authorities }),
      ...(serverName === undefined ? {} : { serverName }),
      ...(clientCertificate === undefined ? {} : { clientCertificate }),
      ...(proxyFor === undefined ? {} : { proxyFor }),
    };
    const peer = new HttpPeer({ url: server, authorization: undefined }, { access, redirects: 'inside' });
    this.#session = { login, peer };
    return this.#session;
  }
}

interface Session {
  readonly login: Login;
  readonly peer: HttpPeer;
}

/** One request. */
export interface Question {
  readonly method: 'GET' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly what: string;
  readonly accept?: string;
  readonly type?: string;
  readonly body?: Buffer;
  readonly signal?: AbortSignal | undefined;
  /** Whether there may be no such object. */
  readonly absent?: true;
}

interface Reply {
  readonly status: number;
  /** Undefined where it is not JSON. */
  readonly body: unknown;
}

const isReply = (value: unknown): value is Reply => isFields(value) && !(value instanceof Error);

const isStatus = (body: unknown, reason?: string): boolean =>
  isFields(body) && body['kind'] === 'Status' && (reason === undefined || body['reason'] === reason);

async function bytesOf({ body }: Answer, url: URL, watch: Watch): Promise<Buffer> {
  const expected = 'the rest of the answer';
  watch.awaitBody(networkError({ url, expected, found: 'next to nothing for too long', transient: true }));
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const piece of body ?? []) {
      const chunk = piece as Buffer;
      size += chunk.length;
      if (size > maxAnswer) throw notApi(url, `more than ${maxAnswer} bytes`);
      watch.arrived(chunk.length);
      chunks.push(chunk);
    }
  } catch (error) {
    throw brokenRequest(watch.reasonOf(error), url, expected);
  }
  return Buffer.concat(chunks);
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

const notApi = (url: URL, found: string): PlugferryError =>
  networkError({
    url,
    expected: 'the answer of a Kubernetes API server',
    found,
    hint: 'Check the server of the kubeconfig: something else answers there.',
  });

/** Where a certificate is refused the authority comes from the kubeconfig, not from an option. */
function rehinted(error: unknown): unknown {
  if (!isPlugferryError(error) || error.hint?.includes('--ca-file') !== true) return error;
  return new PlugferryError(error.code, error.message, {
    hint: 'The authority in the kubeconfig did not sign it. Have certificate-authority-data brought up to date.',
    details: error.details,
    cause: error,
  });
}

/** Sleep that ends with the caller's reason. */
async function wait(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
