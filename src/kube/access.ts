import { dirname, join, resolve } from 'node:path';
import { PlugferryError } from '../errors.js';
import { readSmallFile } from '../files/open-regular.js';
import { readSecretFile } from '../files/key-file.js';
import { bearer, runPlugin, type Login } from './exec-plugin.js';
import { isFields, kubeconfigError, textAt } from './fields.js';
import { pemAt, readContext, type Context, type Entry } from './kubeconfig.js';

/** Where an API server is and how it is spoken to. */
export interface ClusterAccess {
  /** Ends in `/`; without login and query. */
  readonly server: URL;
  /** PEM text of the only authorities whose certificates are accepted. @default those that Node knows */
  readonly authorities?: string;
  /** The name that the certificate of the server must carry, in place of the host of its URL. */
  readonly serverName?: string;
  /** URL of the proxy on the way; undefined leaves it to the environment. */
  readonly proxy?: string;
  /** What this is called in messages: a context, or `in-cluster`. */
  readonly name: string;
  /** Obtains a login; called again when it has run out or was refused. */
  login(signal?: AbortSignal): Promise<Login>;
}

export interface AccessOptions {
  /** Kubeconfig files; none means the service account of the pod that this runs in. */
  readonly kubeconfig: readonly string[];
  /** @default the current context */
  readonly context?: string | undefined;
  /** Of the process: for credential plugins, and for the address of the server in a pod. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where the service account of a pod is. @default where kubelet puts it */
  readonly serviceAccount?: string;
}

/**
 * @throws PlugferryError `E_USAGE` for a kubeconfig that cannot be used, `E_NOT_FOUND`, `E_IO`, `E_LIMIT`.
 */
export async function clusterAccess(options: AccessOptions): Promise<ClusterAccess> {
  const { kubeconfig, context, environment } = options;
  if (kubeconfig.length === 0) return inCluster(options);
  const chosen = await readContext(kubeconfig, context);
  const { fields, file } = chosen.cluster;
  if (fields['insecure-skip-tls-verify'] === true)
    throw kubeconfigError(
      file,
      'insecure-skip-tls-verify: whoever is on the way could read the login',
      'Put the authority of the server into certificate-authority-data.',
    );
  const authorities = await pemAt(chosen.cluster, 'certificate-authority');
  const [serverName, proxy] = [textAt(fields, 'tls-server-name'), textAt(fields, 'proxy-url')];
  if (proxy !== undefined && !/^https?:\/\//i.test(proxy))
    throw kubeconfigError(file, 'proxy-url is not an http or https URL', 'Give such a proxy, or none.');
  return {
    server: serverOf(textAt(fields, 'server'), file),
    ...(authorities === undefined ? {} : { authorities }),
    ...(serverName === undefined ? {} : { serverName }),
    ...(proxy === undefined ? {} : { proxy }),
    name: `context "${chosen.name}"`,
    login: loginOf(chosen, environment),
  };
}

function serverOf(server: string | undefined, file: string): URL {
  const url = server !== undefined && URL.canParse(server) ? new URL(server) : undefined;
  if (
    url === undefined ||
    !/^https?:$/.test(url.protocol) ||
    url.username !== '' ||
    url.search !== '' ||
    url.hash !== ''
  )
    throw kubeconfigError(
      file,
      'server is not the http or https URL of an API server',
      'Have the file mended.',
    );
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}

/** What a user of a kubeconfig can say of itself that is not supported, each for its own reason. */
const unsupported: Readonly<Record<string, string>> = {
  'auth-provider': 'was removed from Kubernetes in 1.26; use exec',
  username: 'basic authentication was removed from Kubernetes in 1.19',
  as: 'impersonation is not supported',
  'as-groups': 'impersonation is not supported',
  'as-uid': 'impersonation is not supported',
};

function loginOf(
  { user, cluster }: Context,
  environment: AccessOptions['environment'],
): ClusterAccess['login'] {
  const { fields, file } = user;
  for (const [name, reason] of Object.entries(unsupported))
    if (fields[name] !== undefined) throw kubeconfigError(file, `${name}: ${reason}`, 'Use another user.');
  const exec = fields['exec'];
  if (isFields(exec))
    return (signal) =>
      runPlugin({ exec: { fields: exec, file }, cluster: cluster.fields, environment, signal });
  return async () => {
    const token = await tokenOf(user);
    const [certificate, key] = [await pemAt(user, 'client-certificate'), await pemAt(user, 'client-key')];
    if ((certificate === undefined) !== (key === undefined))
      throw kubeconfigError(file, 'a client certificate and its key go together', 'Have the file mended.');
    return {
      ...(token === undefined ? {} : { authorization: bearer(token, file) }),
      ...(certificate === undefined || key === undefined ? {} : { clientCertificate: { certificate, key } }),
    };
  };
}

const maxTokenBytes = 64 * 1024;

/** As client-go has it, a token file goes before a token: it is the one that is kept fresh. */
async function tokenOf({ fields, file }: Entry): Promise<string | undefined> {
  const path = textAt(fields, 'tokenFile');
  return path === undefined
    ? textAt(fields, 'token')
    : (await readSecretFile(resolve(dirname(file), path), 'token', maxTokenBytes)).toString('utf8').trim();
}

const readToken = async (path: string): Promise<string> =>
  (await readSmallFile(path, 'token', maxTokenBytes)).toString('utf8').trim();

/** Where kubelet puts what a service account needs (Kubernetes: "Accessing the API from within a Pod"). */
const accountDirectory = '/var/run/secrets/kubernetes.io/serviceaccount';

async function inCluster({ environment, serviceAccount }: AccessOptions): Promise<ClusterAccess> {
  const [host, port] = [environment['KUBERNETES_SERVICE_HOST'], environment['KUBERNETES_SERVICE_PORT']];
  if (host === undefined || port === undefined) {
    throw new PlugferryError('E_USAGE', 'no cluster is named, and this is not a pod of one', {
      hint: 'Give --kubeconfig FILE, or set KUBECONFIG.',
    });
  }
  const directory = serviceAccount ?? accountDirectory;
  const authorities = await readSmallFile(join(directory, 'ca.crt'), 'certificate authority', 1024 * 1024);
  const token = join(directory, 'token');
  return {
    server: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}/`),
    authorities: authorities.toString('utf8'),
    name: 'in-cluster',
    // Kubelet replaces the token long before it runs out, and says nowhere when.
    login: async () => ({
      authorization: bearer(await readToken(token), token),
      expires: Date.now() + 60_000,
    }),
  };
}
