import type { ClusterOptions } from '../location/cluster-store.js';
import { clusterAccess } from '../kube/access.js';
import { KubeClient } from '../kube/client.js';
import type { ResourceText } from '../resource/texts.js';

/**
 * The WasmPlugin resources of a cluster, in all namespaces, as one text.
 *
 * @throws PlugferryError `E_USAGE` for a kubeconfig that cannot be used, `E_LOGIN`, `E_NETWORK`, `E_NOT_FOUND` where the cluster
 *   knows no WasmPlugins.
 */
export async function clusterWasmPlugins(
  options: ClusterOptions,
  signal?: AbortSignal,
): Promise<ResourceText> {
  const client = new KubeClient(await clusterAccess(options), options);
  const path = { group: 'extensions.higress.io', version: 'v1alpha1', plural: 'wasmplugins' };
  const items = await client.listGroup(path, signal);
  // Items of a list do not repeat what they are.
  const named = items.map((item) => ({
    apiVersion: `${path.group}/${path.version}`,
    kind: 'WasmPlugin',
    ...item,
  }));
  return { file: `cluster ${client.name}`, text: JSON.stringify({ kind: 'List', items: named }) };
}
