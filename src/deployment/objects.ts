import { kubeObject, type KubeObject } from './object.js';
import { selectorOf, type DeploymentPlan } from './options.js';
import { podTemplate } from './pod.js';

/** Everything that a plan needs in the cluster, in the order in which it is best made. */
export const objectsOf = (plan: DeploymentPlan): KubeObject[] => [
  ...claim(plan),
  service(plan),
  deployment(plan),
  budget(plan),
  ...networkPolicy(plan),
  ...serviceMonitor(plan),
];

function claim(plan: DeploymentPlan): KubeObject[] {
  const { volume } = plan;
  if (volume.kind !== 'new-claim') return [];
  const spec = {
    accessModes: ['ReadWriteMany'],
    ...(volume.storageClass === undefined ? {} : { storageClassName: volume.storageClass }),
    resources: { requests: { storage: volume.size } },
  };
  return [kubeObject(plan, { apiVersion: 'v1', kind: 'PersistentVolumeClaim', spec })];
}

const service = (plan: DeploymentPlan): KubeObject =>
  kubeObject(plan, {
    apiVersion: 'v1',
    kind: 'Service',
    spec: {
      type: 'ClusterIP',
      selector: selectorOf(plan),
      ports: [{ name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' }],
    },
  });

const deployment = (plan: DeploymentPlan): KubeObject =>
  kubeObject(plan, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    spec: {
      replicas: plan.replicas,
      revisionHistoryLimit: 5,
      selector: { matchLabels: selectorOf(plan) },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      template: podTemplate(plan),
    },
  });

/** A single replica may be evicted: else no node could be drained. */
const budget = (plan: DeploymentPlan): KubeObject =>
  kubeObject(plan, {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    spec: { maxUnavailable: 1, selector: { matchLabels: selectorOf(plan) } },
  });

/** Only gateways, and who scrapes metrics, come in; out goes nothing, unless a bundle has to be fetched. */
function networkPolicy(plan: DeploymentPlan): KubeObject[] {
  const { allowFrom, bundle } = plan;
  if (allowFrom === undefined) return [];
  const elsewhere = allowFrom.map((name) => ({
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } },
  }));
  const spec = {
    podSelector: { matchLabels: selectorOf(plan) },
    policyTypes: bundle === undefined ? ['Ingress', 'Egress'] : ['Ingress'],
    ingress: [{ from: [{ podSelector: {} }, ...elsewhere], ports: [{ port: 'http', protocol: 'TCP' }] }],
  };
  return [kubeObject(plan, { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', spec })];
}

function serviceMonitor(plan: DeploymentPlan): KubeObject[] {
  if (!plan.serviceMonitor) return [];
  const spec = {
    selector: { matchLabels: selectorOf(plan) },
    endpoints: [{ port: 'http', path: '/metrics', interval: '30s' }],
  };
  return [kubeObject(plan, { apiVersion: 'monitoring.coreos.com/v1', kind: 'ServiceMonitor', spec })];
}
