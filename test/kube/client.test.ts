import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { clusterAccess } from '../../src/kube/access.js';
import { KubeClient } from '../../src/kube/client.js';
import { cluster, realKubeconfig, standInCluster, writeKubeconfig } from '../helpers/cluster.js';
import { startApiServer } from '../helpers/api-server.js';
import { secret } from '../helpers/secrets.js';
import { tempDir } from '../helpers/temp.js';

const patience = { retryMs: [1, 1], answerMs: 5000 };

async function clientOf(kubeconfig: string, environment: Record<string, string> = {}): Promise<KubeClient> {
  return new KubeClient(await clusterAccess({ kubeconfig: [kubeconfig], environment }), { patience });
}

const configMap = (name: string, namespace: string, rest: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace, labels: { of: 'test' } },
  ...rest,
});

const versionOf = (object: Readonly<Record<string, unknown>> | undefined): unknown =>
  (object?.['metadata'] as Record<string, unknown> | undefined)?.['resourceVersion'];

describe(`server-side apply, ${realKubeconfig === undefined ? 'the stand-in' : 'a real API server'}`, () => {
  async function scene() {
    const { kubeconfig, namespace } = await cluster();
    const client = await clientOf(kubeconfig);
    const resource = { plural: 'configmaps', namespace };
    return { client, resource, namespace };
  }

  test('makes, leaves alone what is the same, and changes', async () => {
    const { client, resource, namespace } = await scene();
    expect(await client.get(resource, 'a')).toBeUndefined();
    const made = await client.apply(resource, configMap('a', namespace, { data: { k: 'v' } }));
    const same = await client.apply(resource, configMap('a', namespace, { data: { k: 'v' } }));
    expect(versionOf(same)).toBe(versionOf(made));
    const other = await client.apply(resource, configMap('a', namespace, { data: { l: 'w' } }));
    expect(other['data']).toEqual({ l: 'w' });
    expect(versionOf(other)).not.toBe(versionOf(made));
    expect(versionOf(await client.get(resource, 'a'))).toBe(versionOf(other));
  });

  test('says who else manages a field, and takes it over only by force', async () => {
    const { client, resource, namespace } = await scene();
    await client.apply(resource, configMap('a', namespace, { data: { k: 'v' } }));
    const other = { force: true, manager: 'other' };
    await client.apply(resource, configMap('a', namespace, { data: { k: 'w' } }), other);
    await expect(
      client.apply(resource, configMap('a', namespace, { data: { k: 'v' } })),
    ).rejects.toMatchObject({
      code: 'E_CONFLICT',
      hint: expect.stringMatching(/\.data\.k .*conflict with "other".*--force-conflicts/) as string,
    });
    const forced = await client.apply(resource, configMap('a', namespace, { data: { k: 'v' } }), {
      force: true,
    });
    expect(forced['data']).toEqual({ k: 'v' });
  });

  test('refuses to replace an object that is newer than the one that was read', async () => {
    const { client, resource, namespace } = await scene();
    const first = await client.apply(resource, configMap('a', namespace, { data: { k: '1' } }));
    await client.apply(resource, configMap('a', namespace, { data: { k: '2' } }));
    const stale = {
      ...configMap('a', namespace),
      metadata: { name: 'a', namespace, resourceVersion: versionOf(first) },
      data: { k: '3' },
    };
    await expect(client.apply(resource, stale)).rejects.toMatchObject({ code: 'E_LOCKED' });
  });

  test.each([
    [1_048_576, undefined],
    [1_048_577, 'E_LIMIT'],
    [2_500_000, 'E_LIMIT'],
  ])('%s bytes of values', async (bytes, code) => {
    const { client, resource, namespace } = await scene();
    const object = configMap('a', namespace, { binaryData: { k: Buffer.alloc(bytes).toString('base64') } });
    const applied = client.apply(resource, object);
    if (code === undefined) expect(await applied).toMatchObject({ kind: 'ConfigMap' });
    else await expect(applied).rejects.toMatchObject({ code });
  });

  test('does not change what is immutable', async () => {
    const { client, resource, namespace } = await scene();
    await client.apply(resource, configMap('a', namespace, { immutable: true, data: { k: 'v' } }));
    await expect(
      client.apply(resource, configMap('a', namespace, { immutable: true, data: { k: 'w' } })),
    ).rejects.toMatchObject({
      code: 'E_CONFLICT',
      message: expect.stringContaining('immutable') as string,
    });
  });

  test('lists by label, without contents, and deletes only the very object', async () => {
    const { client, resource, namespace } = await scene();
    for (const name of ['a', 'b'])
      await client.apply(resource, configMap(name, namespace, { data: { k: 'v' } }));
    const listed = await client.list(resource, 'of=test');
    expect(listed.map(({ metadata }) => (metadata as { name: string }).name)).toEqual(['a', 'b']);
    expect(JSON.stringify(listed)).not.toContain('"data":');
    expect(await client.list(resource, 'of=nobody')).toEqual([]);
    const uid = (listed[0]?.['metadata'] as { uid: string }).uid;
    await expect(client.delete(resource, { name: 'a', uid: 'another' })).rejects.toMatchObject({
      code: 'E_LOCKED',
    });
    await client.delete(resource, { name: 'a', uid });
    await client.delete(resource, { name: 'a', uid });
    expect(await client.get(resource, 'a')).toBeUndefined();
  });

  test('names what is not right with an object', async () => {
    const { client, resource, namespace } = await scene();
    await expect(client.apply(resource, configMap('A_', namespace))).rejects.toMatchObject({
      code: 'E_CONFLICT',
    });
    await expect(client.apply(resource, configMap('a', namespace, { dataa: {} }))).rejects.toMatchObject({
      message: expect.stringContaining('field not declared in schema') as string,
    });
    const nowhere = { plural: 'configmaps', namespace: 'not-there' };
    await expect(client.apply(nowhere, configMap('a', 'not-there'))).rejects.toMatchObject({
      code: 'E_NOT_FOUND',
    });
  });
});

describe('the login', () => {
  const resource = { plural: 'configmaps', namespace: 'default' };

  test('is a token, or that of a file, read anew when it was refused', async () => {
    const server = await startApiServer();
    const directory = await tempDir();
    await writeFile(join(directory, 'token'), `${secret('first-token-of-the-file')}\n`, { mode: 0o600 });
    server.tokens.add('first-token-of-the-file');
    const client = await clientOf(await writeKubeconfig(server.url, { tokenFile: join(directory, 'token') }));
    await client.get(resource, 'a');
    server.tokens.clear();
    server.tokens.add(secret('second-token-of-the-file'));
    await expect(client.get(resource, 'a')).rejects.toMatchObject({ code: 'E_LOGIN' });
    await writeFile(join(directory, 'token'), 'second-token-of-the-file', { mode: 0o600 });
    await client.get(resource, 'a');
    expect(server.requests.at(-1)?.authorization).toBe('Bearer second-token-of-the-file');
  });

  test('comes from a credential plugin, which is asked again when it was refused', async () => {
    const server = await startApiServer();
    const directory = await tempDir();
    await mkdir(join(directory, 'bin'));
    const script = join(directory, 'bin/login');
    await writeFile(
      script,
      `#!/bin/sh\nn=$(cat "$COUNT" 2>/dev/null || echo 0); n=$((n+1)); echo $n > "$COUNT"\n` +
        `echo "$KUBERNETES_EXEC_INFO" > "$COUNT.info"\n` +
        `printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s-%s"}}' "$1" $n\n`,
    );
    await chmod(script, 0o755);
    server.tokens.add(secret('plugin-token-2'));
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: script,
      args: ['plugin-token'],
      env: [{ name: 'COUNT', value: join(directory, 'count') }],
      interactiveMode: 'IfAvailable',
      provideClusterInfo: true,
    };
    const client = await clientOf(await writeKubeconfig(server.url, { exec }), {
      PATH: process.env['PATH'] ?? '',
    });
    await client.get(resource, 'a');
    await client.get(resource, 'a');
    expect(server.requests.map(({ authorization }) => authorization)).toEqual([
      'Bearer plugin-token-1',
      'Bearer plugin-token-2',
      'Bearer plugin-token-2',
    ]);
  });

  test.each([
    ['prints nothing', '#!/bin/sh\n', /printed no ExecCredential/],
    ['fails', '#!/bin/sh\necho no such role >&2; exit 3\n', /exit code 3: no such role/],
    ['prints no end of it', '#!/bin/sh\nyes\n', /printed more than \d+ bytes/],
    [
      'prints a token with a line feed',
      `#!/bin/sh\nprintf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"a\\\\nb"}}'\n`,
      /characters that no token has/,
    ],
  ])('of a plugin that %s is none', async (_what, script, message) => {
    const server = await startApiServer();
    const directory = await tempDir();
    await writeFile(join(directory, 'login'), script);
    await chmod(join(directory, 'login'), 0o755);
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: join(directory, 'login') };
    const client = await clientOf(await writeKubeconfig(server.url, { exec }), {
      PATH: process.env['PATH'] ?? '',
    });
    await expect(client.get(resource, 'a')).rejects.toMatchObject({
      code: 'E_LOGIN',
      message: expect.stringMatching(message) as string,
    });
    expect(server.requests).toEqual([]);
  });

  test('of a pod is its service account', async () => {
    const server = await startApiServer();
    const directory = await tempDir();
    await writeFile(join(directory, 'token'), secret('service-account-token'), { mode: 0o600 });
    await writeFile(join(directory, 'ca.crt'), '-----BEGIN CERTIFICATE-----\n');
    const access = await clusterAccess({
      kubeconfig: [],
      environment: { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '443' },
      serviceAccount: directory,
    });
    expect([access.server.href, access.authorities, await access.login()]).toMatchObject([
      'https://10.0.0.1/',
      '-----BEGIN CERTIFICATE-----\n',
      { authorization: 'Bearer service-account-token' },
    ]);
    expect(server.requests).toEqual([]);
    await expect(clusterAccess({ kubeconfig: [], environment: {} })).rejects.toMatchObject({
      code: 'E_USAGE',
    });
  });

  test('that may do nothing is told what it needs', async () => {
    const server = await startApiServer();
    server.powerless.add(secret('powerless-token'));
    const client = await clientOf(await writeKubeconfig(server.url, { token: 'powerless-token' }));
    await expect(client.get(resource, 'a')).rejects.toMatchObject({
      code: 'E_LOGIN',
      hint: expect.stringContaining('get, list, create, patch and delete') as string,
    });
  });
});

describe('a server that', () => {
  const resource = { plural: 'configmaps', namespace: 'default' };

  test('is busy is asked again', async () => {
    const { standIn, kubeconfig } = await standInCluster();
    let busy = 2;
    standIn.intercept = (_request, response) => {
      if (busy === 0) return false;
      busy -= 1;
      response.writeHead(429, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({
          kind: 'Status',
          code: 429,
          reason: 'TooManyRequests',
          details: { retryAfterSeconds: 0 },
        }),
      );
      return true;
    };
    expect(await (await clientOf(kubeconfig)).get(resource, 'a')).toBeUndefined();
    expect(standIn.requests).toHaveLength(3);
  });

  test.each([
    ['etcdserver: mvcc: database space exceeded', 500, 'E_NO_SPACE'],
    ['configmaps "a" is forbidden: exceeded quota: q, requested: count/configmaps=1', 403, 'E_NO_SPACE'],
    ['etcdserver: request is too large', 500, 'E_LIMIT'],
  ])('says "%s"', async (message, code, expected) => {
    const { standIn, kubeconfig } = await standInCluster();
    standIn.intercept = (_request, response) => {
      response.writeHead(code, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ kind: 'Status', code, message }));
      return true;
    };
    const client = await clientOf(kubeconfig);
    await expect(client.apply(resource, configMap('a', 'default'))).rejects.toMatchObject({ code: expected });
  });

  test.each([
    ['is none of Kubernetes', 200, '<html>'],
    ['knows no such page', 404, '<html>not found</html>'],
  ])('%s is not believed', async (_what, code, body) => {
    const { standIn, kubeconfig } = await standInCluster();
    standIn.intercept = (_request, response) => {
      response.writeHead(code, { 'content-type': 'text/html' });
      response.end(body);
      return true;
    };
    await expect((await clientOf(kubeconfig)).get(resource, 'a')).rejects.toMatchObject({
      code: 'E_NETWORK',
    });
  });

  test('sends its caller elsewhere gets nothing more, and the login stays here', async () => {
    const { standIn, kubeconfig } = await standInCluster();
    const other = await startApiServer();
    standIn.intercept = (_request, response) => {
      response.writeHead(307, { location: `${other.url}/api/v1/namespaces/default/configmaps/a` });
      response.end();
      return true;
    };
    await expect((await clientOf(kubeconfig)).get(resource, 'a')).rejects.toMatchObject({
      code: 'E_NETWORK',
    });
    expect(other.requests).toEqual([]);
  });
});

describe('a kubeconfig', () => {
  const environment = {};

  test('is put together from several files, of which the first that says something counts', async () => {
    const directory = await tempDir();
    const [a, b] = [join(directory, 'a'), join(directory, 'b')];
    await writeFile(a, 'current-context: two\nclusters: [{name: c, cluster: {server: "https://a:6443"}}]\n');
    await writeFile(
      b,
      'current-context: one\nclusters: [{name: c, cluster: {server: "https://b:6443"}}]\ncontexts: [{name: two, context: {cluster: c}}]\n',
    );
    const access = await clusterAccess({ kubeconfig: [join(directory, 'missing'), a, b], environment });
    expect([access.server.href, access.name]).toEqual(['https://a:6443/', 'context "two"']);
    await expect(clusterAccess({ kubeconfig: [a, b], context: 'three', environment })).rejects.toMatchObject({
      hint: expect.stringContaining('two') as string,
    });
    await expect(
      clusterAccess({ kubeconfig: [join(directory, 'missing')], environment }),
    ).rejects.toMatchObject({ code: 'E_NOT_FOUND' });
  });

  test.each([
    ['insecure-skip-tls-verify', { cluster: { 'insecure-skip-tls-verify': true } }],
    ['a password', { user: { username: 'u', password: 'p' } }],
    ['an auth-provider', { user: { 'auth-provider': { name: 'gcp' } } }],
    ['impersonation', { user: { token: 't', as: 'root' } }],
    ['a proxy that is none', { cluster: { 'proxy-url': 'file:///etc' } }],
    [
      'an old exec',
      { user: { exec: { apiVersion: 'client.authentication.k8s.io/v1alpha1', command: 'x' } } },
    ],
    [
      'half a certificate',
      { user: { 'client-certificate-data': Buffer.from('-----BEGIN C').toString('base64') } },
    ],
    ['a certificate that is none', { cluster: { 'certificate-authority-data': 'bm9uZQ==' } }],
  ])(
    'with %s is refused',
    async (_what, { user = { token: 'x' }, cluster: extra = {} }: { user?: object; cluster?: object }) => {
      const kubeconfig = await writeKubeconfig('https://127.0.0.1:1', user, extra);
      const used = clusterAccess({ kubeconfig: [kubeconfig], environment }).then((access) => access.login());
      await expect(used).rejects.toMatchObject({ code: 'E_USAGE' });
    },
  );

  test.each(['', '[1, 2]', 'kind: Pod', 'a: 1\n---\nb: 2', 'a: *b', '\0'])(
    'that is %j is refused',
    async (text) => {
      const path = join(await tempDir(), 'config');
      await writeFile(path, text);
      await expect(clusterAccess({ kubeconfig: [path], environment })).rejects.toMatchObject({
        code: 'E_USAGE',
      });
    },
  );
});
