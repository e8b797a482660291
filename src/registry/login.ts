import { isPlugferryError, PlugferryError } from '../errors.js';
import { anonymousAccess, HttpClient, type HttpAccess } from '../http/client.js';

/** Who asks a registry. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** How registries are reached. All of it is the caller's own word. */
export interface RegistryAccess {
  readonly http?: HttpAccess | undefined;
  /** Speak http, not https. @default false */
  readonly plainHttp?: boolean | undefined;
  /** Who asks the registry of a `host[:port]`. @default nobody in particular */
  readonly credentialsFor?:
    ((registry: string, signal?: AbortSignal) => Promise<Credentials | undefined>) | undefined;
}

/** Largest answer of a token service. */
const maxTokenBytes = 1024 * 1024;

/**
 * Logs in to one registry as it asks for it: not at all, with Basic, or with a token of its token service (distribution
 * specification; Docker "Token Authentication Specification").
 */
export class RegistryLogin {
  readonly #registry: string;
  readonly #access: RegistryAccess;
  /** The last value of the Authorization header, by repository. */
  readonly #known = new Map<string, string>();
  #credentials: Promise<Credentials | undefined> | undefined;

  constructor(registry: string, access: RegistryAccess) {
    this.#registry = registry;
    this.#access = access;
  }

  /**
   * Runs `work` with what the registry wants to see, asking for it when the registry says so.
   *
   * @throws PlugferryError `E_LOGIN` when it refuses, and what `work` throws.
   */
  async with<T>(repository: string, signal: AbortSignal | undefined, work: Work<T>): Promise<T> {
    const before = this.#known.get(repository);
    try {
      return await work(before);
    } catch (error) {
      const challenge = challengeIn(error);
      if (challenge === undefined) throw error;
      const answer = await this.#answer(challenge, repository, signal);
      // The same answer to the same question would be refused again.
      if (answer === before) throw this.#refused(repository, error);
      this.#known.set(repository, answer);
    }
    try {
      return await work(this.#known.get(repository));
    } catch (error) {
      if (challengeIn(error) === undefined) throw error;
      throw this.#refused(repository, error);
    }
  }

  async #answer(challenge: string, repository: string, signal: AbortSignal | undefined): Promise<string> {
    const bearer = parseBearer(challenge);
    if (bearer !== undefined) return `Bearer ${await this.#token(bearer, repository, signal)}`;
    const credentials = await this.#who(signal);
    if (credentials === undefined || !/^basic\b/i.test(challenge.trim())) throw this.#refused(repository);
    return basic(credentials);
  }

  async #token(
    { realm, service }: Bearer,
    repository: string,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const url = new URL(realm);
    const credentials = await this.#who(signal);
    if (url.protocol !== 'https:' && this.#access.plainHttp !== true)
      throw this.#strange(url, 'is not https');
    if (credentials !== undefined && !belongTogether(url.host, this.#registry))
      throw this.#strange(url, 'belongs to somebody else: your password does not go there');
    if (service !== undefined) url.searchParams.set('service', service);
    url.searchParams.set('scope', `repository:${repository}:pull`);
    const client = new HttpClient(
      { url: new URL('/', url), authorization: credentials && basic(credentials) },
      { access: anonymousAccess(this.#access.http) },
    );
    const reply = await client.document({ url, limit: maxTokenBytes, signal }).catch((error: unknown) => {
      throw challengeIn(error) === undefined ? error : this.#refused(repository, error);
    });
    const token = reply === undefined ? undefined : tokenIn(reply.bytes);
    if (token === undefined) throw this.#strange(url, 'gave no token');
    return token;
  }

  #who(signal: AbortSignal | undefined): Promise<Credentials | undefined> {
    this.#credentials ??= this.#access.credentialsFor?.(this.#registry, signal) ?? Promise.resolve(undefined);
    return this.#credentials;
  }

  #refused(repository: string, cause?: unknown): PlugferryError {
    return new PlugferryError('E_LOGIN', `registry ${this.#registry} does not let you read ${repository}`, {
      hint:
        `Log in with "docker login ${this.#registry}" (or put the login into the Docker config.json that DOCKER_CONFIG names), ` +
        'and check that this user may pull, and that there is such a repository.',
      details: { file: `${this.#registry}/${repository}`, expected: 'a login that may pull' },
      cause,
    });
  }

  #strange({ host }: URL, trouble: string): PlugferryError {
    return new PlugferryError(
      'E_LOGIN',
      `registry ${this.#registry} sends us to token service ${host}, which ${trouble}`,
      {
        hint: 'Ask whoever runs the registry about its token service ("realm").',
        details: { file: this.#registry, found: host },
      },
    );
  }
}

type Work<T> = (authorization: string | undefined) => Promise<T>;

interface Bearer {
  readonly realm: string;
  readonly service: string | undefined;
}

/** What a 401 asks for; undefined for every other error. */
const challengeIn = (error: unknown): string | undefined => {
  const challenge = isPlugferryError(error) ? error.details['challenge'] : undefined;
  return typeof challenge === 'string' ? challenge : undefined;
};

const basic = ({ username, password }: Credentials): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

function parseBearer(challenge: string): Bearer | undefined {
  if (!/^\s*bearer\s/i.test(challenge)) return undefined;
  const parameter = (name: string): string | undefined =>
    new RegExp(`\\b${name}="([^"]*)"`, 'i').exec(challenge)?.[1];
  const realm = parameter('realm') ?? '';
  return /^https?:\/\//i.test(realm) && URL.canParse(realm)
    ? { realm, service: parameter('service') }
    : undefined;
}

function tokenIn(bytes: Buffer): string | undefined {
  try {
    const { token, access_token: other } = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>;
    const found = token ?? other;
    return typeof found === 'string' && /^[\w.~+/=-]+$/.test(found) ? found : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether two hosts are of one owner: the same, or below the same registered domain (auth.docker.io for registry-1.docker.io).
 * Addresses are only ever themselves.
 */
function belongTogether(one: string, other: string): boolean {
  const [a, b] = [one, other].map((host) => host.replace(/:\d+$/, '').toLowerCase());
  if (a === undefined || b === undefined) return false;
  return a === b || (domainOf(a) !== undefined && domainOf(a) === domainOf(b));
}

/** Two labels, or three where the last two are a country's (com.cn, co.uk). */
function domainOf(host: string): string | undefined {
  if (/^[\d.]+$|[[:\]]/.test(host)) return undefined;
  const labels = host.split('.');
  const wanted = /^[a-z]{2}$/.test(labels.at(-1) ?? '') && (labels.at(-2) ?? '').length <= 3 ? 3 : 2;
  return labels.length < wanted ? undefined : labels.slice(-wanted).join('.');
}
