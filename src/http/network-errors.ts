import { isPlugferryError, PlugferryError, systemCode } from '../errors.js';
import { displayUrl } from './address.js';
import { forbiddenCode, proxyCode } from './agents.js';

/** What went wrong with a request. */
export interface NetworkTrouble {
  readonly url: URL;
  readonly expected: string;
  readonly found: string;
  readonly hint?: string;
  /** Whether the same request may succeed a moment later. @default false */
  readonly transient?: boolean;
  /** What a server asks of its caller with a 401 (WWW-Authenticate, RFC 9110 section 11.6.1). */
  readonly challenge?: string;
  /** Milliseconds that the server asked us to wait. */
  readonly waitMs?: number;
  readonly cause?: unknown;
}

const tryAgain = 'Check the address and the network, then run the same command again.';

/** `E_NETWORK`, naming the URL without credentials; `details.transient` tells whether it was tried again. */
export function networkError(trouble: NetworkTrouble): PlugferryError {
  const { url, expected, found, hint = tryAgain, transient = false, challenge, waitMs = 0, cause } = trouble;
  const file = displayUrl(url);
  return new PlugferryError('E_NETWORK', `${file}: ${found}, expected ${expected}`, {
    hint,
    details: {
      file,
      expected,
      found,
      transient,
      ...(challenge === undefined ? {} : { challenge }),
      ...(waitMs === 0 ? {} : { waitMs }),
    },
    cause,
  });
}

export const isTransient = (error: unknown): error is PlugferryError =>
  isPlugferryError(error) && error.code === 'E_NETWORK' && error.details['transient'] === true;

/** Whatever the HTTP library or the system made of a broken request; what is known already stays. */
export function brokenRequest(error: unknown, url: URL, expected: string): PlugferryError {
  if (isPlugferryError(error)) return error;
  const systems = systemCode(error);
  const code = systems ?? (error instanceof Error ? error.name : 'unknown');
  const known = faults.find(({ codes }) => codes.test(code));
  return networkError({
    url,
    expected,
    found: `${known?.what ?? 'the connection broke'} (${code})`,
    transient: known === undefined ? systems !== undefined : known.transient === true,
    ...(known?.hint === undefined ? {} : { hint: known.hint }),
    cause: error,
  });
}

interface Fault {
  readonly codes: RegExp;
  readonly what: string;
  readonly hint?: string;
  readonly transient?: true;
}

const faults: readonly Fault[] = [
  { codes: /^ECONNREFUSED$/, what: 'nothing listens there', transient: true },
  { codes: /^EAI_AGAIN$/, what: 'the name service does not answer', transient: true },
  { codes: /^ENOTFOUND$/, what: 'the name is not known' },
  {
    codes: new RegExp(`^${forbiddenCode}$`),
    what: 'the name leads to a link-local or metadata address, where no plugins are served',
    hint: 'Give the address of the server itself.',
  },
  {
    codes: new RegExp(`^${proxyCode}$`),
    what: 'the proxy refuses to connect there',
    hint: 'Ask who runs the proxy, or name the host in NO_PROXY if it is reached directly.',
  },
  {
    codes: /CERT|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)/,
    what: 'the certificate is not accepted',
    hint: 'Have the server present its whole chain, or name the authority that signed it with --ca-file FILE.',
  },
  {
    codes: /^(?:EPROTO|ERR_SSL_|ERR_TLS_)/,
    what: 'no TLS connection comes about',
    hint: 'Check that the port speaks https, or whether http:// is meant.',
  },
  { codes: /^HPE_/, what: 'the answer is not HTTP', hint: 'Check the port, and whether https:// is meant.' },
];
