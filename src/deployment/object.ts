import { labelsOf, type DeploymentPlan } from './options.js';

/** A Kubernetes object, as it is written. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly spec: unknown;
}

/** An object of the plan, under its name and with its labels. */
export const kubeObject = (
  plan: DeploymentPlan,
  { apiVersion, kind, spec }: Pick<KubeObject, 'apiVersion' | 'kind' | 'spec'>,
): KubeObject => ({
  apiVersion,
  kind,
  metadata: { name: plan.name, namespace: plan.namespace, labels: labelsOf(plan) },
  spec,
});
