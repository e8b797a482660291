import { lookup, type LookupAddress } from 'node:dns';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { PlugferryError } from '../errors.js';

/** Where a server stands, and what it wants to know of its caller. */
export interface HttpAddress {
  /** Without user, password, query and fragment. */
  readonly url: URL;
  /** Value of the Authorization header; undefined where the location names nobody. */
  readonly authorization: string | undefined;
}

export const isHttpLocation = (location: string): boolean => /^https?:\/\//i.test(location);

/** A location as it may be shown: without user and password, whether or not it is a URL. */
export const withoutCredentials = (location: string): string =>
  location.replace(/^([a-z][a-z0-9+.-]*:\/\/).*@/i, '$1');

/** A URL as messages name it: the query of a redirect may be a key to what lies there. */
export const displayUrl = ({ origin, pathname, search }: URL): string =>
  `${origin}${pathname}${search === '' ? '' : '?(...)'}`;

/**
 * Reads a location that the user gave. `http://user:password@host/` becomes a Basic authorization (RFC 7617) and a URL that
 * can be shown and recorded.
 *
 * @throws PlugferryError `E_USAGE` when it is not an http(s) URL, or carries a query or fragment.
 */
export function parseHttpAddress(location: string): HttpAddress {
  const url = isHttpLocation(location) && URL.canParse(location) ? new URL(location) : undefined;
  if (url === undefined) throw unusable(location, 'is not an http or https URL');
  if (url.search !== '' || url.hash !== '') throw unusable(location, 'has a query or a fragment');
  const { username, password } = url;
  url.username = '';
  url.password = '';
  if (username === '' && password === '') return { url, authorization: undefined };
  const pair = [username, password].map((part) => decoded(part, location)).join(':');
  return { url, authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

function decoded(part: string, location: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw unusable(location, 'has a user or password that is not percent-encoded UTF-8');
  }
}

function unusable(location: string, trouble: string): PlugferryError {
  const shown = withoutCredentials(location);
  return new PlugferryError('E_USAGE', `"${shown}" ${trouble}`, {
    hint: 'Write it as http://host:8080/plugins/ or https://host/plugins/',
    details: { file: shown, expected: 'http(s)://host[:port]/path', found: shown },
  });
}

/**
 * Where no plugin server stands, but the services that give a machine its identity and keys: link-local addresses, and the
 * metadata addresses of AWS (IPv6) and Alibaba Cloud. Private addresses are where plugin servers do stand.
 */
const forbidden = new BlockList();
forbidden.addSubnet('169.254.0.0', 16);
forbidden.addSubnet('fe80::', 10, 'ipv6');
forbidden.addAddress('fd00:ec2::254', 'ipv6');
forbidden.addAddress('100.100.100.200');

const isForbidden = (address: string): boolean =>
  forbidden.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** The `code` of the error with which {@link agentFor} refuses a name that leads to a forbidden address. */
export const forbiddenCode = 'E_FORBIDDEN_ADDRESS';

/** Whether the host of a URL is itself such an address: no name is looked up then. */
export function isForbiddenHost({ hostname }: URL): boolean {
  const address = hostname.replace(/^\[(.*)\]$/, '$1');
  return isIP(address) !== 0 && isForbidden(address);
}

/** Looks at what is connected to, not at an answer of the name service before that. */
const guardedLookup: LookupFunction = (hostname, options, done) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    const failure = error ?? refusalOf(addresses);
    const [first] = addresses;
    if (failure !== undefined || first === undefined) done(failure ?? null, []);
    else if (options.all === true) done(null, addresses);
    else done(null, first.address, first.family);
  });
};

function refusalOf(addresses: readonly LookupAddress[]): NodeJS.ErrnoException | undefined {
  const found = addresses.find(({ address }) => isForbidden(address));
  return found && Object.assign(new Error(`forbidden address ${found.address}`), { code: forbiddenCode });
}

// A connection for each request: none is left open behind a finished run, none is stale when it is used again.
const agents = {
  'http:': new HttpAgent({ lookup: guardedLookup }),
  'https:': new HttpsAgent({ lookup: guardedLookup }),
};

export const agentFor = ({ protocol }: URL): HttpAgent => agents[protocol === 'https:' ? 'https:' : 'http:'];
