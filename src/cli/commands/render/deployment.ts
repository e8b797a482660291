import type { DeploymentPlan, PluginVolume, TrustSource } from '../../../index.js';
import { officialName, officialNamespace } from '../../../deployment/options.js';
import { renderDeployment, writeKustomization } from '../../../operations/render-deployment.js';
import { PlugferryError } from '../../../errors.js';
import { command } from '../../command.js';
import { facts } from '../../output/table.js';

export default command({
  name: 'render deployment',
  describe: 'Write the Kubernetes objects that serve plugins in place of the official plugin server',
  positionals: {},
  options: {
    image: { type: 'string', demandOption: true, describe: 'Container image of Plugferry' },
    name: { type: 'string', default: officialName, describe: 'Name of the Service, and of everything else' },
    namespace: { type: 'string', default: officialNamespace, describe: 'Namespace of everything' },
    replicas: { type: 'number', default: 2, describe: 'How many pods' },
    claim: { type: 'string', describe: 'Serve a volume in this PersistentVolumeClaim, which is there' },
    'claim-size': {
      type: 'string',
      describe: 'Serve a volume in a new PersistentVolumeClaim of this size, such as 5Gi (ReadWriteMany)',
    },
    'storage-class': { type: 'string', describe: 'Storage class of the new claim (default: the usual one)' },
    configmap: {
      type: 'string',
      array: true,
      describe: 'Serve from ConfigMaps: the name of the index and of each shard (repeatable)',
    },
    import: {
      type: 'string',
      describe:
        'http(s) URL of a bundle that each pod imports before it serves; without a claim, into the pod',
    },
    'trust-configmap': {
      type: 'string',
      describe: 'ConfigMap with the files of a trust store, for --import and --configmap',
    },
    'public-key-configmap': {
      type: 'string',
      describe: 'ConfigMap with public keys instead, each under one of the names of --public-key-file',
    },
    'public-key-file': {
      type: 'string',
      array: true,
      describe: 'Key of that ConfigMap that is a public key, such as dev.pub (repeatable)',
    },
    'network-policy': { type: 'boolean', default: false, describe: 'Let in only pods of the same namespace' },
    'allow-from': {
      type: 'string',
      array: true,
      describe: 'With --network-policy: let in pods of this namespace, too (repeatable)',
    },
    'service-monitor': {
      type: 'boolean',
      default: false,
      describe: 'Have the Prometheus operator scrape /metrics',
    },
    output: {
      alias: 'o',
      type: 'string',
      describe:
        'Directory to write to, one file an object, with a kustomization.yaml (default: YAML on stdout)',
    },
    force: { type: 'boolean', default: false, describe: 'Replace files in that directory' },
  },
  examples: [
    [
      '--image registry.example/plugferry:0.1.0 --claim plugins',
      'Serve the volume in a claim; "| kubectl apply --server-side -f -" sends it',
    ],
    [
      '--image registry.example/plugferry:0.1.0 --import http://files.example/edge.tar.gz --trust-configmap plugferry-trust -o k8s',
      'Each pod fetches and verifies a bundle when it starts',
    ],
  ],
  async run(flags, { signal }) {
    const rendered = renderDeployment(planOf(flags));
    const { objects, yaml } = rendered;
    if (flags.output === undefined) return { json: { objects }, text: yaml.replace(/\n$/, '') };
    const { output: directory, force } = flags;
    const files = await writeKustomization(rendered, { directory, force, signal });
    return { json: { objects, files }, text: facts(files.map((file) => ['written', file])) };
  },
});

type Values = readonly (string | number)[] | undefined;

interface Flags {
  readonly image: string;
  readonly name: string;
  readonly namespace: string;
  readonly replicas: number;
  readonly claim: string | undefined;
  readonly 'claim-size': string | undefined;
  readonly 'storage-class': string | undefined;
  readonly configmap: Values;
  readonly import: string | undefined;
  readonly 'trust-configmap': string | undefined;
  readonly 'public-key-configmap': string | undefined;
  readonly 'public-key-file': Values;
  readonly 'network-policy': boolean;
  readonly 'allow-from': Values;
  readonly 'service-monitor': boolean;
}

function planOf(flags: Flags): DeploymentPlan {
  const { name, namespace, image, replicas, import: bundle, 'allow-from': allowFrom } = flags;
  const trust = trustOf(flags);
  if (allowFrom !== undefined && !flags['network-policy'])
    throw usage('--allow-from needs --network-policy', 'Without a policy, everybody is let in.');
  return {
    name,
    namespace,
    image,
    replicas,
    volume: volumeOf(flags),
    ...(bundle === undefined ? {} : { bundle }),
    ...(trust === undefined ? {} : { trust }),
    ...(flags['network-policy'] ? { allowFrom: (allowFrom ?? []).map(String) } : {}),
    serviceMonitor: flags['service-monitor'],
  };
}

function volumeOf(flags: Flags): PluginVolume {
  const { claim, 'claim-size': size, 'storage-class': storageClass, configmap } = flags;
  const given = [claim, size, configmap].filter((value) => value !== undefined);
  if (given.length > 1)
    throw usage('--claim, --claim-size and --configmap contradict each other', 'Give one of them.');
  if (storageClass !== undefined && size === undefined)
    throw usage('--storage-class needs --claim-size', 'A claim that is there has one.');
  if (claim !== undefined) return { kind: 'claim', name: claim };
  if (size !== undefined)
    return { kind: 'new-claim', size, ...(storageClass === undefined ? {} : { storageClass }) };
  return configmap === undefined ? { kind: 'pod' } : { kind: 'config-maps', names: configmap.map(String) };
}

function trustOf(flags: Flags): TrustSource | undefined {
  const { 'trust-configmap': store, 'public-key-configmap': keys, 'public-key-file': files } = flags;
  if (store !== undefined && keys !== undefined)
    throw usage('--trust-configmap and --public-key-configmap contradict each other', 'Give one of them.');
  if ((keys === undefined) !== (files === undefined))
    throw usage('--public-key-configmap and --public-key-file go together', 'Give both.');
  if (store !== undefined) return { kind: 'store', configMap: store };
  return keys === undefined || files === undefined
    ? undefined
    : { kind: 'keys', configMap: keys, files: files.map(String) };
}

const usage = (message: string, hint: string): PlugferryError =>
  new PlugferryError('E_USAGE', message, { hint });
