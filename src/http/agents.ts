import { lookup, type LookupAddress } from 'node:dns';
import { lookup as resolve } from 'node:dns/promises';
import type { Agent as HttpAgent, ClientRequest } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { isForbiddenAddress } from './forbidden-address.js';
import { WideAgent } from './large-read-agent.js';

/** How servers are reached, and what they may ask of their caller. All of it is the caller's own word. */
export interface HttpAccess {
  /** PEM text of the only authorities whose certificates are accepted. @default those that Node knows */
  readonly authorities?: string;
  /** The name that the certificate of the server of a location must carry. @default the host of its URL */
  readonly serverName?: string;
  /** Shown to the server of a location when it asks for one; never to a server that it redirects to. */
  readonly clientCertificate?: ClientCertificate;
  /** Sent as `Authorization: Bearer` where the location names no user; never to a server that it redirects to. */
  readonly token?: string;
  /** The URL of the proxy for a URL; empty for none. @default none */
  readonly proxyFor?: (url: URL) => string;
}

export interface ClientCertificate {
  /** PEM text, the client's own certificate first. */
  readonly certificate: string;
  /** PEM text. */
  readonly key: string;
}

/** The same way, without saying who asks: for servers that the caller did not name. */
export const anonymousAccess = ({ authorities, proxyFor }: HttpAccess = {}): HttpAccess => ({
  ...(authorities === undefined ? {} : { authorities }),
  ...(proxyFor === undefined ? {} : { proxyFor }),
});

/** The `code` of the error with which {@link HttpAgents} refuse a name that leads to a forbidden address. */
export const forbiddenCode = 'E_FORBIDDEN_ADDRESS';
/** The `code` of the error for a proxy that does not connect to where it is asked to. */
export const proxyCode = 'E_PROXY';

/** Whether the host of a URL is itself such an address: no name is looked up then. */
export function isForbiddenHost({ hostname }: URL): boolean {
  return isForbiddenAddress(hostname.replace(/^\[(.*)\]$/, '$1'));
}

/** Looks at what is connected to, not at an answer of the name service before that. */
const guardedLookup: LookupFunction = (hostname, options, done) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    const failure = error ?? refusalOf(addresses);
    // With an error there is no list, whatever its type says.
    const [first] = failure === undefined ? addresses : [];
    if (failure !== undefined || first === undefined) done(failure ?? null, []);
    else if (options.all === true) done(null, addresses);
    else done(null, first.address, first.family);
  });
};

function refusalOf(addresses: readonly LookupAddress[]): NodeJS.ErrnoException | undefined {
  const found = addresses.find(({ address }) => isForbiddenAddress(address));
  return found && Object.assign(new Error(`forbidden address ${found.address}`), { code: forbiddenCode });
}

/** Longest wait for the name service where a proxy asks it anyway, in milliseconds: behind one there may be none. */
const nameServiceMs = 2000;

/** Makes the connections of one client. Each request has its own: none is left open behind a finished run, or stale. */
export class HttpAgents {
  readonly #access: HttpAccess;
  /** Names that lead nowhere forbidden, as far as is known here. */
  readonly #passed = new Set<string>();

  constructor(access: HttpAccess) {
    this.#access = access;
  }

  /**
   * @param own whether the URL belongs to the location that the user gave; a client certificate is for nobody else.
   * @throws an error of {@link forbiddenCode} for a name that leads to a forbidden address.
   */
  async for(url: URL, own: boolean): Promise<HttpAgent> {
    const { authorities, clientCertificate, serverName, proxyFor } = this.#access;
    const common = { lookup: guardedLookup, ...(authorities === undefined ? {} : { ca: authorities }) };
    const tls = {
      ...common,
      ...(own && serverName !== undefined ? { servername: serverName } : {}),
      ...(own && clientCertificate !== undefined
        ? { cert: clientCertificate.certificate, key: clientCertificate.key }
        : {}),
    };
    const proxy = proxyFor?.(url) ?? '';
    if (proxy === '') return url.protocol === 'https:' ? new HttpsAgent(tls) : new WideAgent(common);
    await this.#look(url.hostname);
    if (url.protocol === 'http:') {
      const { HttpProxyAgent } = await import('http-proxy-agent');
      return new HttpProxyAgent(proxy, common);
    }
    const { HttpsProxyAgent } = await import('https-proxy-agent');
    // What is given here is for the connection to the proxy; what is behind it takes the options of the agent.
    const agent = new HttpsProxyAgent(proxy, common);
    const host = (own ? serverName : undefined) ?? url.hostname.replace(/^\[(.*)\]$/, '$1');
    // The agent forgets an address, and Node would then compare the certificate with "localhost".
    Object.assign(agent.options, tls, {
      checkServerIdentity: (_host: string, certificate: PeerCertificate) =>
        checkServerIdentity(host, certificate),
    });
    agent.on('proxyConnect', refuseRefusal);
    return agent;
  }

  /** A proxy looks up names itself. What is known here of a name still counts; that none is known does not. */
  async #look(hostname: string): Promise<void> {
    if (this.#passed.has(hostname) || isIP(hostname.replace(/^\[(.*)\]$/, '$1')) !== 0) return;
    const addresses = await inTime(resolve(hostname, { all: true }));
    const refusal = refusalOf(addresses);
    if (refusal !== undefined) throw refusal;
    this.#passed.add(hostname);
  }
}

/** The agent would hand the refusal of a proxy on as if the server behind it had said it. */
function refuseRefusal({ statusCode }: { readonly statusCode: number }, request: ClientRequest): void {
  if (statusCode === 200) return;
  request.destroy(Object.assign(new Error(`the proxy says ${statusCode}`), { code: proxyCode }));
}

async function inTime(answer: Promise<LookupAddress[]>): Promise<readonly LookupAddress[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<readonly LookupAddress[]>((done) => {
    timer = setTimeout(done, nameServiceMs, []);
  });
  try {
    return await Promise.race([answer.catch(() => []), late]);
  } finally {
    clearTimeout(timer);
  }
}
