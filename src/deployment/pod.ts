import {
  containerPort,
  labelsOf,
  paths,
  selectorOf,
  type DeploymentPlan,
  type TrustSource,
} from './options.js';

/** The account of distroless images that is not root. */
const user = 65532;

/**
 * What `serve` was measured to need (`examples/kubernetes/README.md` says how). Memory does not grow with the size of plugins,
 * which are streamed. There is no limit for the processor: throttled, it would let gateways wait.
 */
const serving = {
  requests: { cpu: '50m', memory: '128Mi' },
  limits: { memory: '256Mi' },
};
/** An import has one bundle in hand, and that in pieces. */
const importing = {
  requests: { cpu: '100m', memory: '160Mi' },
  limits: { memory: '384Mi' },
};

const scraped = {
  'prometheus.io/scrape': 'true',
  'prometheus.io/port': String(containerPort),
  'prometheus.io/path': '/metrics',
};

const locked = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};

/** The template of the pods. */
export const podTemplate = (plan: DeploymentPlan): object => ({
  metadata: {
    labels: labelsOf(plan),
    // For a Prometheus without an operator; with one, a ServiceMonitor says it.
    ...(plan.serviceMonitor ? {} : { annotations: scraped }),
  },
  spec: {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: user,
      runAsGroup: user,
      fsGroup: user,
      fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
    },
    // Longer than serve drains, and what is waited for before that.
    terminationGracePeriodSeconds: 30,
    affinity: {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 100,
            podAffinityTerm: {
              topologyKey: 'kubernetes.io/hostname',
              labelSelector: { matchLabels: selectorOf(plan) },
            },
          },
        ],
      },
    },
    ...(plan.bundle === undefined ? {} : { initContainers: [importer(plan, plan.bundle)] }),
    containers: [server(plan)],
    volumes: volumes(plan),
  },
});

const temporary = { name: 'tmp', mountPath: '/tmp' };

const importer = (plan: DeploymentPlan, bundle: string): object => ({
  name: 'import',
  image: plan.image,
  // An emptyDir has mode 0777, and fsGroup lets its group write a claim: who mounts it may write it, and nobody else is there.
  args: [
    'import',
    bundle,
    '--to',
    paths.volume,
    '--safe-directory',
    paths.volume,
    ...trustArguments(plan.trust),
  ],
  resources: importing,
  securityContext: locked,
  volumeMounts: [{ name: 'plugins', mountPath: paths.volume }, temporary, ...trustMounts(plan)],
});

function server(plan: DeploymentPlan): object {
  const { image, volume } = plan;
  const inConfigMaps = volume.kind === 'config-maps';
  const from = inConfigMaps
    ? ['--from-configmaps', paths.configMaps, ...trustArguments(plan.trust)]
    : [paths.volume];
  return {
    name: 'plugin-server',
    image,
    args: ['serve', ...from, '--host', '0.0.0.0', '--port', String(containerPort)],
    ports: [{ name: 'http', containerPort, protocol: 'TCP' }],
    // Hashing hundreds of megabytes may take a while; until then everything is answered with 503, which gateways try again.
    startupProbe: probe('/readyz', { periodSeconds: 2, failureThreshold: 150 }),
    readinessProbe: probe('/readyz', { periodSeconds: 5, failureThreshold: 2 }),
    livenessProbe: probe('/healthz', { periodSeconds: 10, failureThreshold: 3 }),
    // Endpoints lag behind: for some seconds after the end was decided, gateways still come here.
    lifecycle: { preStop: { exec: { command: ['node', '-e', 'setTimeout(() => undefined, 5000)'] } } },
    resources: serving,
    securityContext: locked,
    volumeMounts: [
      {
        name: 'plugins',
        mountPath: inConfigMaps ? paths.configMaps : paths.volume,
        readOnly: true,
      },
      // Proved releases are unpacked there.
      ...(inConfigMaps ? [temporary, ...trustMounts(plan)] : []),
    ],
  };
}

const probe = (path: string, times: Readonly<Record<string, number>>): object => ({
  httpGet: { path, port: 'http' },
  timeoutSeconds: 2,
  ...times,
});

function trustArguments(trust: TrustSource | undefined): string[] {
  if (trust === undefined) return [];
  if (trust.kind === 'store') return ['--trust', paths.trust];
  return trust.files.flatMap((file) => ['--public-key', `${paths.trust}/${file}`]);
}

const trustMounts = ({ trust }: DeploymentPlan): object[] =>
  trust === undefined ? [] : [{ name: 'trust', mountPath: paths.trust, readOnly: true }];

const volumes = (plan: DeploymentPlan): object[] => [
  { name: 'plugins', ...pluginVolume(plan) },
  ...(plan.trust === undefined ? [] : [{ name: 'trust', configMap: { name: plan.trust.configMap } }]),
  ...(plan.trust === undefined ? [] : [{ name: 'tmp', emptyDir: { sizeLimit: '4Gi' } }]),
];

function pluginVolume({ name, volume, bundle }: DeploymentPlan): object {
  const readOnly = bundle === undefined;
  switch (volume.kind) {
    case 'claim':
      return { persistentVolumeClaim: { claimName: volume.name, readOnly } };
    case 'new-claim':
      return { persistentVolumeClaim: { claimName: name, readOnly } };
    case 'pod':
      return { emptyDir: {} };
    case 'config-maps':
      return { projected: { sources: volume.names.map((each) => ({ configMap: { name: each } })) } };
  }
}
