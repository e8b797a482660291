/** Where the pods have their plugins from. */
export type PluginVolume =
  /** A PersistentVolumeClaim that is there. */
  | { readonly kind: 'claim'; readonly name: string }
  /** A new PersistentVolumeClaim, named as everything else. Several pods read it, so it must be one that many nodes mount. */
  | { readonly kind: 'new-claim'; readonly size: string; readonly storageClass?: string }
  /** A directory of each pod, which is filled when the pod starts. */
  | { readonly kind: 'pod' }
  /** ConfigMaps as `import --to configmap:` writes them: the index, then the shards. */
  | { readonly kind: 'config-maps'; readonly names: readonly string[] };

/** Whose signatures count in the pods, in a ConfigMap. */
export type TrustSource =
  /** The files of a trust store. */
  | { readonly kind: 'store'; readonly configMap: string }
  /** Public keys; each key of the ConfigMap is a file. One valid signature is enough. */
  | { readonly kind: 'keys'; readonly configMap: string; readonly files: readonly string[] };

/** What is to run where. */
export interface DeploymentPlan {
  /** Name of the Service, and of everything else. */
  readonly name: string;
  readonly namespace: string;
  /** Reference of a container image of Plugferry. */
  readonly image: string;
  readonly replicas: number;
  readonly volume: PluginVolume;
  /** A bundle that each pod imports before it serves: an http(s) URL. */
  readonly bundle?: string;
  readonly trust?: TrustSource;
  /** Let only pods of these namespaces in; the one of the Deployment is always let in. */
  readonly allowFrom?: readonly string[];
  /** Have the Prometheus operator scrape `/metrics`. */
  readonly serviceMonitor: boolean;
}

/** The official chart's plugin server has this name, in this namespace, behind port 80. */
export const officialName = 'higress-plugin-server';
export const officialNamespace = 'higress-system';

/** Port of the container. */
export const containerPort = 8080;

/** Where what is mounted stands in the containers. */
export const paths = {
  volume: '/srv/plugin-server',
  configMaps: '/etc/plugferry/configmaps',
  trust: '/etc/plugferry/trust',
} as const;

/** `app` is what the official chart selects by, too. */
export const selectorOf = ({ name }: DeploymentPlan): Readonly<Record<string, string>> => ({ app: name });

export const labelsOf = (plan: DeploymentPlan): Readonly<Record<string, string>> => ({
  ...selectorOf(plan),
  'app.kubernetes.io/name': 'plugferry',
  'app.kubernetes.io/component': 'plugin-server',
});
