import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash, createSign, randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { freePort } from './http.js';
import { secret } from './secrets.js';
import { tempDir } from './temp.js';
import { startWeb } from './web.js';

/** Debian packages `docker-registry` and `apache2-utils` (htpasswd). */
export const hasRegistry =
  spawnSync('docker-registry', ['--version']).status === 0 &&
  spawnSync('htpasswd', ['-?']).error === undefined;
// eslint-disable-next-line no-console -- a skipped test has to be heard of
if (!hasRegistry) console.warn('tests of registries are skipped: install docker-registry and apache2-utils');

export const user = 'robot';
export const password = secret('the password of the robot');

export interface Registry {
  /** `127.0.0.1:port` */
  readonly host: string;
  /** Value of the Authorization header of whoever may push. */
  readonly authorization: (repository: string) => Record<string, string>;
  stop(): void;
}

/** A real registry on a free port, until the test has finished. */
export async function startRegistry(login: 'none' | 'basic' | 'bearer' = 'none'): Promise<Registry> {
  const directory = await tempDir();
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const { auth, authorization } = await loginOf(login, directory);
  const config = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(directory, 'data') }, delete: { enabled: true } },
    http: { addr: host, secret: 'test' },
    ...(auth === undefined ? {} : { auth }),
  };
  await mkdir(join(directory, 'data'));
  await writeFile(join(directory, 'config.yml'), JSON.stringify(config));
  const child = spawn('docker-registry', ['serve', join(directory, 'config.yml')], { stdio: 'ignore' });
  const stop = (): void => {
    child.kill('SIGKILL');
  };
  onTestFinished(stop);
  for (let tries = 0; ; tries += 1) {
    const up = await fetch(`http://${host}/v2/`).then(
      () => true,
      () => false,
    );
    if (up) break;
    if (tries > 100 || child.exitCode !== null) throw new Error('docker-registry does not start');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { host, authorization, stop };
}

async function loginOf(login: 'none' | 'basic' | 'bearer', directory: string) {
  if (login === 'none') return { auth: undefined, authorization: () => ({}) };
  const basic = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  if (login === 'basic') {
    const file = join(directory, 'htpasswd');
    await writeFile(file, execFileSync('htpasswd', ['-Bbn', user, password]));
    return {
      auth: { htpasswd: { realm: 'test', path: file } },
      authorization: () => ({ authorization: basic }),
    };
  }
  return bearerLogin(directory, basic);
}

/** A token service with the protocol of Docker's, whose certificate the registry trusts. */
async function bearerLogin(directory: string, basic: string) {
  const [key, bundle] = [join(directory, 'token.key'), join(directory, 'token.pem')];
  const subject = ['-subj', '/CN=test', '-days', '2', '-nodes', '-newkey', 'rsa:2048'];
  execFileSync('openssl', ['req', '-x509', ...subject, '-keyout', key, '-out', bundle], { stdio: 'ignore' });
  const certificate = execFileSync('openssl', ['x509', '-in', bundle, '-outform', 'DER']).toString('base64');
  const token = (repository: string, actions: readonly string[]): string => {
    const now = Math.floor(Date.now() / 1000);
    const access = [{ type: 'repository', name: repository, actions }];
    const claims = {
      iss: 'test',
      sub: user,
      aud: 'registry',
      exp: now + 300,
      nbf: now - 10,
      iat: now,
      jti: randomUUID(),
      access,
    };
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const body = `${part({ alg: 'RS256', typ: 'JWT', x5c: [certificate] })}.${part(claims)}`;
    return `${body}.${createSign('SHA256')
      .update(body)
      .sign(execFileSync('cat', [key]), 'base64url')}`;
  };
  const service = await startWeb((request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://x');
    const [, repository = ''] = (searchParams.get('scope') ?? '').split(':');
    if (request.headers.authorization !== basic)
      response.writeHead(401, { 'www-authenticate': 'Basic' }).end();
    else response.end(JSON.stringify({ token: token(repository, ['pull']) }));
  });
  const auth = {
    token: { realm: `${service.url}/token`, service: 'registry', issuer: 'test', rootcertbundle: bundle },
  };
  return {
    auth,
    authorization: (repository: string) => ({
      authorization: `Bearer ${token(repository, ['pull', 'push'])}`,
    }),
  };
}

export interface PushedLayer {
  readonly mediaType: string;
  readonly bytes: Buffer;
}

export const dockerLayer = 'application/vnd.docker.image.rootfs.diff.tar.gzip';
export const ociLayer = 'application/vnd.oci.image.layer.v1.tar+gzip';
export const moduleLayer = 'application/vnd.module.wasm.content.layer.v1+wasm';
export const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json';
export const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
export const ociIndex = 'application/vnd.oci.image.index.v1+json';

const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
export const descriptor = ({ mediaType, bytes }: PushedLayer) => ({
  mediaType,
  digest: digestOf(bytes),
  size: bytes.length,
});

/** A manifest of layers; the config is what oras writes. */
export function manifestOf(
  layers: readonly PushedLayer[],
  form: 'docker' | 'oci' = 'oci',
): { readonly manifest: Buffer; readonly config: PushedLayer } {
  const docker = form === 'docker';
  const config = {
    mediaType: docker
      ? 'application/vnd.docker.container.image.v1+json'
      : 'application/vnd.unknown.config.v1+json',
    bytes: Buffer.from('{}'),
  };
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: docker ? dockerManifest : ociManifest,
      config: descriptor(config),
      layers: layers.map(descriptor),
    }),
  );
  return { manifest, config };
}

/** Pushes as `oras` does. @returns the digest of the manifest. */
export async function push(
  { host, authorization }: Registry,
  [repository, tag]: readonly [string, string],
  [layers, form = 'oci']: readonly [readonly PushedLayer[], ('docker' | 'oci')?],
): Promise<string> {
  const headers = authorization(repository);
  const base = `http://${host}/v2/${repository}`;
  const { manifest, config } = manifestOf(layers, form);
  for (const { bytes } of [config, ...layers]) {
    const begun = await fetch(`${base}/blobs/uploads/`, { method: 'POST', headers });
    const location = new URL(begun.headers.get('location') ?? '', base);
    location.searchParams.set('digest', digestOf(bytes));
    const put = await fetch(location, {
      method: 'PUT',
      headers: { ...headers, 'content-type': 'application/octet-stream' },
      body: new Uint8Array(bytes),
    });
    if (put.status !== 201) throw new Error(`blob: ${put.status} ${await put.text()}`);
  }
  await pushManifest(
    { host, authorization },
    [repository, tag],
    [manifest, form === 'docker' ? dockerManifest : ociManifest],
  );
  return digestOf(manifest);
}

export async function pushManifest(
  { host, authorization }: Pick<Registry, 'host' | 'authorization'>,
  [repository, tag]: readonly [string, string],
  [bytes, type]: readonly [Buffer, string],
): Promise<string> {
  const put = await fetch(`http://${host}/v2/${repository}/manifests/${tag}`, {
    method: 'PUT',
    headers: { ...authorization(repository), 'content-type': type },
    body: new Uint8Array(bytes),
  });
  if (put.status !== 201) throw new Error(`manifest: ${put.status} ${await put.text()}`);
  return digestOf(bytes);
}

/** A directory for DOCKER_CONFIG with the login for a registry. */
export async function dockerConfig(config: object): Promise<string> {
  const directory = await tempDir();
  await writeFile(join(directory, 'config.json'), JSON.stringify(config));
  return directory;
}

export const robotLogin = (host: string): object => ({
  auths: { [host]: { auth: Buffer.from(`${user}:${password}`).toString('base64') } },
});
