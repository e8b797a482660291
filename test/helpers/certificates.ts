import { execFileSync, spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { secret, secretKey } from './secrets.js';

/** Whether certificates can be made here; says what to install where they cannot. */
export const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
if (!hasOpenssl) {
  // eslint-disable-next-line no-console
  console.warn('skipped: servers with certificates. Install what makes them: apt-get install openssl');
}

/** Passphrase of the client's key. */
export const clientPassphrase = secret('a_client_key_passphrase');

export interface Certificates {
  /** Files in PEM. */
  readonly authority: string;
  readonly stranger: string;
  readonly server: string;
  readonly serverKey: string;
  readonly client: string;
  readonly clientKey: string;
  /** The same key, encrypted with {@link clientPassphrase}. */
  readonly lockedKey: string;
}

/** An authority with a server for 127.0.0.1 and a client, and another authority that knows neither. */
export async function makeCertificates(directory: string): Promise<Certificates> {
  const openssl = (line: string): void => {
    execFileSync('openssl', line.split(' '), { cwd: directory, stdio: 'ignore' });
  };
  const key = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes';
  for (const name of ['authority', 'stranger'])
    openssl(`req -x509 ${key} -keyout ${name}.key -out ${name}.pem -subj /CN=${name} -days 2`);
  for (const name of ['server', 'client'])
    openssl(
      `req -x509 ${key} -keyout ${name}.key -out ${name}.pem -subj /CN=${name} -days 2 -CA authority.pem -CAkey authority.key ` +
        '-addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE',
    );
  openssl(`pkcs8 -topk8 -in client.key -out locked.key -passout pass:${clientPassphrase}`);
  for (const name of ['server', 'client']) secretKey(await readFile(join(directory, `${name}.key`), 'utf8'));
  const at = (name: string): string => join(directory, name);
  return {
    authority: at('authority.pem'),
    stranger: at('stranger.pem'),
    server: at('server.pem'),
    serverKey: at('server.key'),
    client: at('client.pem'),
    clientKey: at('client.key'),
    lockedKey: at('locked.key'),
  };
}
