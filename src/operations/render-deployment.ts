import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { committedSet } from '../files/atomic-files.js';
import { checkPlan } from '../deployment/check.js';
import type { KubeObject } from '../deployment/object.js';
import { objectsOf } from '../deployment/objects.js';
import type { DeploymentPlan } from '../deployment/options.js';
import { formatYaml } from '../schema/yaml.js';

export interface RenderedDeployment {
  readonly objects: readonly KubeObject[];
  /** All objects as one YAML text. */
  readonly yaml: string;
}

/**
 * What runs `serve` in a cluster, behind the name and port of the official plugin server. Nothing is sent anywhere.
 *
 * @throws PlugferryError `E_USAGE`.
 */
export function renderDeployment(plan: DeploymentPlan): RenderedDeployment {
  checkPlan(plan);
  const objects = objectsOf(plan);
  return { objects, yaml: formatYaml(objects) };
}

export interface WriteOptions {
  /** Made when it is not there. */
  readonly directory: string;
  /** Replace files. @default false */
  readonly force?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Writes each object to a file of its own, with a `kustomization.yaml` that lists them.
 *
 * @returns the files.
 * @throws PlugferryError `E_EXISTS`, `E_IO`, `E_NO_SPACE`.
 */
export async function writeKustomization(
  { objects }: RenderedDeployment,
  { directory, force = false, signal }: WriteOptions,
): Promise<string[]> {
  const named = objects.map((object) => [fileOf(object), object] as const);
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: named.map(([file]) => file),
  };
  await mkdir(directory, { recursive: true });
  const files = [...named, ['kustomization.yaml', kustomization] as const];
  await committedSet({ force, ...(signal === undefined ? {} : { signal }) }, async (add) => {
    for (const [file, value] of files)
      await (await add(join(directory, file))).writeFile(formatYaml([value]));
  });
  return files.map(([file]) => join(directory, file));
}

/** `pod-disruption-budget.yaml` for a PodDisruptionBudget. */
const fileOf = ({ kind }: KubeObject): string =>
  `${kind.replaceAll(/(?!^)([A-Z])/g, '-$1').toLowerCase()}.yaml`;
