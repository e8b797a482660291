declare module 'proxy-from-env' {
  /** The URL of the proxy for a URL, by the usual variables of the environment; empty for none. */
  export function getProxyForUrl(url: string): string;
}
