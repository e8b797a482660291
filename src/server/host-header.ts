import type { IncomingMessage } from 'node:http';

/** `uri-host [ ":" port ]` (RFC 9110 section 7.2), which may be empty; what characters a host may have is RFC 3986 section 3.2.2. */
const hostAndPort = /^(?:\[[0-9a-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d*)?$/i;

/**
 * Whether a request names its host as it must: once, and as a host (RFC 9112 section 3.2: else 400). Which host it is makes
 * no difference here, but a proxy in front may decide by another of two lines than we do.
 */
export function namesOneHost({ rawHeaders }: IncomingMessage): boolean {
  const hosts = rawHeaders.filter(
    (_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === 'host',
  );
  return hosts.length <= 1 && hosts.every((host) => hostAndPort.test(host));
}
