import { createPrivateKey, X509Certificate } from 'node:crypto';
import { getProxyForUrl } from 'proxy-from-env';
import type { ReachOptions, RemoteAccess } from '../../index.js';
import { PlugferryError, systemCode } from '../../errors.js';
import { readSmallFile } from '../../files/open-regular.js';
import { readSecretFile, readTrustedFile } from '../../files/key-file.js';
import { type SshFlags, sshOptions, sshSettings } from './ssh.js';
import type { OptionTable } from '../option-table.js';

/** Environment variables with secrets; there are no options for them, which other users of the machine could read. */
const tokenVariable = 'PLUGFERRY_HTTP_TOKEN';
const keyPassphraseVariable = 'PLUGFERRY_CLIENT_KEY_PASSPHRASE';

/** Options of every command that can go to `http(s)://` and `sftp://`. */
export const networkOptions = {
  proxy: {
    type: 'string',
    describe: 'Proxy for http(s)://, but for hosts in NO_PROXY (default: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY)',
  },
  'ca-file': {
    type: 'string',
    describe: 'File (PEM) with the only authorities whose certificates are accepted for https://',
  },
  'client-cert': {
    type: 'string',
    describe: 'Certificate (PEM) to show to the https:// server; needs --client-key',
  },
  'client-key': {
    type: 'string',
    describe: `Private key (PEM) of --client-cert; where it is encrypted, ${keyPassphraseVariable} has its passphrase`,
  },
  'http-token-file': {
    type: 'string',
    describe: `File with the bearer token for http(s):// (one line; or ${tokenVariable})`,
  },
  ...sshOptions,
} as const satisfies OptionTable;

/** Options of every command that reads a bundle, wherever that is. */
export const reachOptions = {
  sha256: {
    type: 'string',
    describe: 'SHA-256 of the bundle file; nothing of a file with another one is looked at',
  },
  ...networkOptions,
} as const satisfies OptionTable;

interface NetworkFlags extends SshFlags {
  readonly proxy: string | undefined;
  readonly 'ca-file': string | undefined;
  readonly 'client-cert': string | undefined;
  readonly 'client-key': string | undefined;
  readonly 'http-token-file': string | undefined;
}

interface ReachFlags extends NetworkFlags {
  readonly sha256?: string | undefined;
}

/**
 * How the options say that bundles are reached.
 *
 * @param places what the command was given as bundles; `-` among them is standard input.
 */
export async function reachFrom(
  flags: ReachFlags,
  places: readonly (string | number)[],
): Promise<ReachOptions> {
  const { sha256 } = flags;
  return {
    access: await accessFrom(flags),
    ...(sha256 === undefined ? {} : { sha256: pinOf(sha256) }),
    ...(places.includes('-') ? { stdin: process.stdin } : {}),
  };
}

/** How the options say that other machines are reached. Their files are read, but nothing is connected to. */
export async function accessFrom(flags: NetworkFlags): Promise<RemoteAccess> {
  return { http: await httpAccess(flags), ssh: sshSettings(flags) };
}

type HttpAccess = NonNullable<RemoteAccess['http']>;

async function httpAccess(flags: NetworkFlags): Promise<HttpAccess> {
  const { 'ca-file': caFile } = flags;
  const clientCertificate = await clientCertificateOf(flags);
  const token = await tokenOf(flags['http-token-file']);
  return {
    ...(caFile === undefined
      ? {}
      : {
          authorities: certificatesIn(
            await readTrustedFile(caFile, 'certificate', { limit: maxPem }),
            caFile,
          ),
        }),
    ...(clientCertificate === undefined ? {} : { clientCertificate }),
    ...(token === undefined ? {} : { token }),
    proxyFor: proxiesOf(flags.proxy),
  };
}

/** Most bytes of a file of certificates: all that a system trusts take less than a tenth. */
const maxPem = 4 * 1024 * 1024;
const pemCertificate = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** Node would pass over what it cannot read, and trust nobody then. */
function certificatesIn(bytes: Buffer, file: string): string {
  const text = bytes.toString('latin1');
  const found = text.match(pemCertificate) ?? [];
  try {
    for (const each of found) new X509Certificate(each);
  } catch (cause) {
    throw unusable(file, 'a certificate in it cannot be read', cause);
  }
  if (found.length === 0) throw unusable(file, 'it holds no certificate in PEM form');
  return text;
}

async function clientCertificateOf(flags: NetworkFlags): Promise<HttpAccess['clientCertificate']> {
  const { 'client-cert': certFile, 'client-key': keyFile } = flags;
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined) {
    throw new PlugferryError('E_USAGE', '--client-cert and --client-key go together', {
      hint: 'Give both: the certificate that the server is to see, and its private key.',
    });
  }
  const certificate = certificatesIn(await readSmallFile(certFile, 'certificate', maxPem), certFile);
  const pem = await readSecretFile(keyFile, 'private key', maxPem);
  const passphrase = process.env[keyPassphraseVariable];
  try {
    const key = createPrivateKey({ key: pem, ...(passphrase === undefined ? {} : { passphrase }) });
    if (!new X509Certificate(certificate).checkPrivateKey(key))
      throw unusable(keyFile, `it is not the key of the certificate in ${certFile}`);
    return { certificate, key: String(key.export({ type: 'pkcs8', format: 'pem' })) };
  } catch (error) {
    if (error instanceof PlugferryError) throw error;
    const isLocked = systemCode(error) === 'ERR_MISSING_PASSPHRASE';
    throw unusable(
      keyFile,
      isLocked || passphrase !== undefined
        ? `it cannot be read with ${passphrase === undefined ? 'no passphrase' : `the passphrase in ${keyPassphraseVariable}`}`
        : 'it holds no private key in PEM form',
    );
  }
}

const unusable = (file: string, trouble: string, cause?: unknown): PlugferryError =>
  new PlugferryError('E_KEY', `${file}: ${trouble}`, {
    hint: `Give certificates and keys in PEM form; the passphrase of a key in ${keyPassphraseVariable}.`,
    details: { file },
    cause,
  });

const maxToken = 16 * 1024;

async function tokenOf(file: string | undefined): Promise<string | undefined> {
  const where = file ?? tokenVariable;
  const text =
    file === undefined
      ? process.env[tokenVariable]
      : (await readSecretFile(file, 'token', maxToken)).toString();
  if (text === undefined) return undefined;
  const token = text.trim();
  // RFC 6750 section 2.1; anything else could end the header.
  if (/^[\w.~+/-]+=*$/.test(token)) return token;
  throw new PlugferryError('E_LOGIN', `${where} does not hold a token, expected one line`, {
    hint: 'Put the token there by itself, without "Bearer".',
    details: { file: where },
  });
}

/**
 * By the option; else by HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, in capitals or not. NO_PROXY names hosts that need none.
 *
 * @throws PlugferryError `E_USAGE` for an option that is no proxy, or has a password in it.
 */
export function proxiesOf(option: string | undefined): (url: URL) => string {
  if (option !== undefined) {
    const url = isProxy(option) ? new URL(option) : undefined;
    if (url === undefined) throw noProxy('--proxy');
    if (url.password !== '') throw withPassword();
  }
  return ({ href }) => {
    const proxy = option === undefined ? getProxyForUrl(href) : chosenProxy(href, option);
    if (proxy === '' || isProxy(proxy)) return proxy;
    throw noProxy('the proxy in the environment');
  };
}

/**
 * Which hosts need none, only the library knows, and it reads nothing but the environment. So that holds the option while the library
 * looks, and not any longer: nothing else runs in between, and no program that is started inherits it.
 */
function chosenProxy(href: string, option: string): string {
  const names = ['http_proxy', 'https_proxy'];
  const before = names.map((name) => process.env[name]);
  try {
    for (const name of names) process.env[name] = option;
    return getProxyForUrl(href);
  } finally {
    for (const [at, name] of names.entries()) {
      const value = before[at];
      // An assignment would make the text "undefined" of it.
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  }
}

const isProxy = (text: string): boolean => /^https?:\/\//i.test(text) && URL.canParse(text);

/** The value is not repeated: it may hold a password. */
const noProxy = (what: string): PlugferryError =>
  new PlugferryError('E_USAGE', `${what} is not an http:// or https:// URL`, {
    hint: 'Write it as http://host:port, or name hosts that need no proxy in NO_PROXY.',
  });

const withPassword = (): PlugferryError =>
  new PlugferryError('E_USAGE', '--proxy has a password in it', {
    hint: 'Everybody on this machine can read it there, so change it. Give it in HTTP_PROXY and HTTPS_PROXY instead.',
  });

/** What `--sha256` says. */
export function pinOf(text: string): string {
  const digest = text.toLowerCase().replace(/^sha256:/, '');
  if (/^[0-9a-f]{64}$/.test(digest)) return digest;
  throw new PlugferryError('E_USAGE', `--sha256: "${text}" is not a SHA-256`, {
    hint: 'Give the 64 hex digits that "sha256sum FILE" prints.',
    details: { found: text, expected: '64 hex digits' },
  });
}
