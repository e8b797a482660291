import { pipeline, Transform, type Readable } from 'node:stream';
import type { PlugferryError } from '../errors.js';
import { tool } from '../version.js';
import { displayUrl, type HttpAddress } from './address.js';
import { HttpAgents, isForbiddenHost, type HttpAccess } from './agents.js';
import { displayRedirect, isRedirect, locationOf, type Answer } from './response.js';
import { brokenRequest, networkError } from './network-errors.js';
import type { Watch } from './deadlines.js';

export interface PeerOptions {
  readonly access?: HttpAccess | undefined;
  /**
   * `inside`: only redirects that stay below the address are followed. `anywhere`: others too, as object stores need it, but
   * what is meant for the server (login, token, client certificate) goes nowhere else, and https never becomes http.
   *
   * @default inside
   */
  readonly redirects?: 'inside' | 'anywhere' | undefined;
}

export interface Question {
  readonly url: URL;
  /** @default GET */
  readonly method?: 'GET' | 'HEAD' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  /** In place of the login of the address. */
  readonly authorization?: string | undefined;
  /** What is sent with one follows no redirects: the body is gone after the first. */
  readonly body?: Readable;
}

const maxRedirects = 5;

/** The server at one address: knows who asks, and where its redirects may lead. */
export class HttpPeer {
  readonly #base: URL;
  readonly #authorization: string | undefined;
  readonly #agents: HttpAgents;
  readonly #redirects: 'inside' | 'anywhere';

  constructor({ url, authorization }: HttpAddress, { access = {}, redirects = 'inside' }: PeerOptions) {
    this.#base = url;
    this.#authorization =
      authorization ?? (access.token === undefined ? undefined : `Bearer ${access.token}`);
    this.#agents = new HttpAgents(access);
    this.#redirects = redirects;
  }

  /**
   * The answer behind all redirects, and where it came from.
   *
   * @throws PlugferryError `E_NETWORK`, or the reason of the caller's abort.
   */
  async answer(question: Question, watch: Watch): Promise<{ answer: Answer; url: URL }> {
    let { url } = question;
    let own = true;
    for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
      this.#checkAddress(url, question.url);
      const answer = await this.#ask({ ...question, url }, own, watch);
      if (question.body !== undefined || !isRedirect(answer)) return { answer, url };
      const next = locationOf(answer, url);
      if (url.protocol === 'https:' && next.protocol === 'http:') throw downgrade(url, next);
      // Once away, nothing brings the login back: a stranger could have chosen the way.
      own &&= next.origin === this.#base.origin;
      url = next;
    }
    throw networkError({
      url: question.url,
      expected: 'an answer',
      found: `more than ${maxRedirects} redirects`,
      hint: 'The server sends its callers in a circle. Have its configuration checked.',
    });
  }

  #checkAddress(url: URL, asked: URL): void {
    const { origin, pathname } = this.#base;
    const isInside = url.origin === origin && url.pathname.startsWith(pathname);
    const isAllowed =
      this.#redirects === 'inside'
        ? isInside && !/%2f|%5c/i.test(url.pathname)
        : /^https?:$/.test(url.protocol);
    if (!isAllowed || url.username !== '' || url.password !== '') {
      throw networkError({
        url: asked,
        expected:
          this.#redirects === 'inside' ? `an answer from below ${displayUrl(this.#base)}` : 'an answer',
        found: `a redirect to ${displayRedirect(url)}`,
        hint: 'Nothing else is asked on the say-so of a server. If that is the right place, give its address yourself.',
      });
    }
    if (isForbiddenHost(url)) {
      throw networkError({
        url,
        expected: 'the address of a server',
        found: 'a link-local or metadata address',
        hint: 'Give the address of the server itself.',
      });
    }
  }

  async #ask(question: Question, own: boolean, watch: Watch): Promise<Answer> {
    const { url, method, headers, authorization = this.#authorization, body } = question;
    const expected = 'an answer';
    const found = `none within ${watch.patience.answerMs / 1000} seconds`;
    const late = networkError({ url, expected, found, transient: true });
    watch.awaitAnswer(late);
    const paced = body === undefined ? undefined : sending(body, { url, watch, late });
    try {
      const agent = await this.#agents.for(url, own);
      // Loaded where it is needed: most commands never go to the network.
      const { default: fetch } = await import('node-fetch');
      const answer = await fetch(url, {
        method: method ?? 'GET',
        headers: {
          'accept-encoding': 'identity',
          'user-agent': tool,
          ...headers,
          ...(own && authorization !== undefined ? { authorization } : {}),
        },
        ...(paced === undefined ? {} : { body: paced }),
        signal: watch.signal,
        redirect: 'manual',
        compress: false,
        agent,
      });
      // An abort is reported to the body even when nobody reads it any more.
      answer.body?.on('error', () => undefined);
      return answer;
    } catch (error) {
      throw brokenRequest(watch.reasonOf(error), url, expected);
    }
  }
}

interface Sending {
  readonly url: URL;
  readonly watch: Watch;
  /** Why, when no answer follows in time. */
  readonly late: PlugferryError;
}

/** A body on its way out: the peer may be slow, but has to take it. */
function sending(body: Readable, { url, watch, late }: Sending): Readable {
  const expected = 'the body to be taken';
  const paced = new Transform({
    highWaterMark: 1024 * 1024,
    transform(chunk: Buffer, _encoding, done) {
      watch.arrived(chunk.length);
      done(null, chunk);
    },
    flush(done) {
      watch.awaitAnswer(late);
      done();
    },
  });
  watch.awaitBody(
    networkError({ url, expected, found: 'next to nothing taken for too long', transient: true }),
  );
  pipeline(body, paced, () => undefined);
  return paced;
}

const downgrade = (from: URL, to: URL) =>
  networkError({
    url: from,
    expected: 'an answer over https',
    found: `a redirect to ${displayRedirect(to)}`,
    hint: 'Have the server redirect to https, or give the address that is meant yourself.',
  });
