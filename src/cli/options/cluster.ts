import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { ClusterOptions, ConfigMapStore } from '../../index.js';
import { configMapsInCluster, configMapsInDirectory } from '../../location/configmap-target.js';
import { PlugferryError } from '../../errors.js';
import { isUsualFile } from '../../files/open-regular.js';
import type { OptionTable } from '../option-table.js';
import { proxiesOf } from './network.js';

/** Options of every command that speaks to a cluster, in the words of kubectl. */
export const clusterOptions = {
  kubeconfig: {
    type: 'string',
    describe:
      'For configmap: file that leads to the cluster (default: KUBECONFIG, ~/.kube/config, or the service account of a pod)',
  },
  context: {
    type: 'string',
    describe: 'For configmap: context of the kubeconfig (default: the current one)',
  },
} as const satisfies OptionTable;

/** A place of the commands that know ConfigMaps besides volumes. */
export const releasePlace = {
  type: 'string',
  demandOption: true,
  describe: 'Directory of the volume, sftp://USER@HOST/PATH, or configmap:NAMESPACE/NAME',
} as const;

/** Options of the commands that look at ConfigMaps or change them. */
export const placeOptions = {
  ...clusterOptions,
  yaml: {
    type: 'string',
    describe: 'For configmap: directory that "import --yaml" wrote, in place of the cluster',
  },
} as const satisfies OptionTable;

interface ClusterFlags {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly proxy?: string | undefined;
}

/** Which cluster the options and the environment name. */
export async function clusterFrom(flags: ClusterFlags): Promise<ClusterOptions> {
  const { kubeconfig, context } = flags;
  return {
    kubeconfig: await kubeconfigPaths(kubeconfig),
    context,
    environment: process.env,
    proxyFor: proxiesOf(flags.proxy),
  };
}

async function kubeconfigPaths(flag: string | undefined): Promise<readonly string[]> {
  if (flag !== undefined) return [flag];
  const named = (process.env['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '');
  if (named.length > 0) return named;
  const usual = join(homedir(), '.kube/config');
  return (await isUsualFile(usual)) ? [usual] : [];
}

/** The ConfigMaps that a location and the options name. */
export async function storeFrom(
  location: string,
  flags: ClusterFlags & { readonly yaml: string | undefined },
): Promise<ConfigMapStore> {
  if (flags.yaml !== undefined) return configMapsInDirectory(location, flags.yaml);
  return configMapsInCluster(location, await clusterFrom(flags));
}

/** @throws PlugferryError `E_USAGE` for options that mean nothing for a location. */
export function refuseOptions(flags: Readonly<Record<string, unknown>>, location: string): void {
  const given = Object.entries(flags).find(([, value]) => value !== undefined && value !== false);
  if (given === undefined) return;
  throw new PlugferryError('E_USAGE', `--${given[0]} is for ConfigMaps, and ${location} is none`, {
    hint: 'Leave it out, or give configmap:NAMESPACE/NAME.',
    details: { file: location, found: `--${given[0]}` },
  });
}
