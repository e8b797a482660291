import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { startApiServer, type ApiServer } from './api-server.js';
import { secret } from './secrets.js';
import { tempDir } from './temp.js';

const run = promisify(execFile);

/** A namespace of a cluster, and the kubeconfig that leads there. */
export interface Cluster {
  readonly kubeconfig: string;
  readonly namespace: string;
  /** The stand-in; undefined for a real cluster. */
  readonly standIn: ApiServer | undefined;
}

/** Kubeconfig of a real cluster, where the caller names one. Its current user must be allowed to make namespaces. */
export const realKubeconfig = process.env['PLUGFERRY_TEST_KUBECONFIG'];

/** The real cluster of `PLUGFERRY_TEST_KUBECONFIG` with a namespace of its own, or else the stand-in. */
export async function cluster(): Promise<Cluster> {
  if (realKubeconfig === undefined) return standInCluster();
  const kubeconfig = realKubeconfig;
  for (const [, token] of (await readFile(kubeconfig, 'utf8')).matchAll(/token: *"?([^\s",}]+)/g))
    secret(token ?? '');
  const namespace = `plugferry-test-${randomBytes(4).toString('hex')}`;
  const kubectl = (...args: string[]) => run('kubectl', ['--kubeconfig', kubeconfig, ...args]);
  await kubectl('create', 'namespace', namespace);
  onTestFinished(async () => {
    await kubectl('--namespace', namespace, 'delete', 'configmap', '--all');
    await kubectl('delete', 'namespace', namespace, '--wait=false');
  });
  return { kubeconfig, namespace, standIn: undefined };
}

export async function standInCluster(): Promise<Cluster & { readonly standIn: ApiServer }> {
  const standIn = await startApiServer();
  const token = secret(`admin-${randomBytes(12).toString('hex')}`);
  standIn.tokens.add(token);
  const kubeconfig = await writeKubeconfig(standIn.url, { token });
  return { kubeconfig, namespace: 'higress-system', standIn };
}

/** A kubeconfig with one context, `test`. */
export async function writeKubeconfig(server: string, user: unknown, cluster: object = {}): Promise<string> {
  const path = join(await tempDir(), 'kubeconfig');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'c', cluster: { server, ...cluster } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'test', context: { cluster: 'c', user: 'u' } }],
  };
  // JSON is YAML.
  await writeFile(path, JSON.stringify(config), { mode: 0o600 });
  return path;
}
