import { PlugferryError } from '../errors.js';
import type { DeploymentPlan } from './options.js';

/** A DNS label (RFC 1123), as names of Services and namespaces have to be. */
const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** A DNS name, as those of ConfigMaps, claims and storage classes. */
const subdomain = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
/** What may follow one another in an image reference; whether there is such an image, the cluster will say. */
const imageReference = /^[a-z0-9][\w.:/-]*(?:@sha256:[0-9a-f]{64})?$/i;
const quantity = /^[1-9][0-9]{0,9}(?:[KMGT]i?)?$/;
/** No login, which would stand there for everybody to read, and no `$(...)`, which a pod would expand. */
const location = /^https?:\/\/[^\s@$]+$/;
/** A key of a ConfigMap. */
const key = /^[A-Za-z0-9][\w.-]{0,252}$/;

/**
 * Refuses what the API server would refuse, or what could not work.
 *
 * @throws PlugferryError `E_USAGE`.
 */
export function checkPlan(plan: DeploymentPlan): void {
  expectForm('name', plan.name, label);
  expectForm('namespace', plan.namespace, label);
  expectForm('image', plan.image, imageReference);
  if (!Number.isSafeInteger(plan.replicas) || plan.replicas < 1 || plan.replicas > 100)
    throw wrong('number of replicas', String(plan.replicas), 'Give 1 to 100.');
  for (const name of plan.allowFrom ?? []) expectForm('namespace', name, label);
  if (plan.bundle !== undefined && !location.test(plan.bundle))
    throw wrong('location of the bundle', plan.bundle, 'Give an http:// or https:// URL without a login.');
  checkVolume(plan);
  checkTrust(plan);
}

function checkVolume({ volume, bundle }: DeploymentPlan): void {
  switch (volume.kind) {
    case 'claim':
      expectForm('claim', volume.name, subdomain);
      break;
    case 'new-claim':
      expectForm('size', volume.size, quantity);
      if (volume.storageClass !== undefined) expectForm('storage class', volume.storageClass, subdomain);
      break;
    case 'pod':
      if (bundle === undefined)
        throw wrong('volume', 'empty', 'Name a claim, ConfigMaps, or a bundle that each pod imports.');
      break;
    case 'config-maps':
      if (bundle !== undefined)
        throw wrong('volume', 'of ConfigMaps', 'Nothing is imported into those: leave out the bundle.');
      if (volume.names.length === 0)
        throw wrong('list of ConfigMaps', 'empty', 'Name the index and its shards.');
      for (const name of volume.names) expectForm('ConfigMap', name, subdomain);
      if (new Set(volume.names).size < volume.names.length)
        throw wrong('list of ConfigMaps', volume.names.join(', '), 'Name each of them once.');
  }
}

function checkTrust({ trust, volume, bundle }: DeploymentPlan): void {
  const isAsked = volume.kind === 'config-maps' || bundle !== undefined;
  if (isAsked && trust === undefined)
    throw wrong(
      'trust',
      'left out',
      'Name a ConfigMap with a trust store or public keys: pods check signatures.',
    );
  if (!isAsked && trust !== undefined)
    throw wrong('trust', 'given', 'Leave it out: what is in a volume was verified when it was imported.');
  if (trust === undefined) return;
  expectForm('ConfigMap', trust.configMap, subdomain);
  if (trust.kind === 'keys') for (const file of trust.files) expectForm('key of the ConfigMap', file, key);
}

function expectForm(what: string, found: string, form: RegExp): void {
  if (!form.test(found) || found.includes('..')) throw wrong(what, found, 'Write it as Kubernetes does.');
}

const wrong = (what: string, found: string, hint: string): PlugferryError =>
  new PlugferryError('E_USAGE', `${what} "${found}" cannot be`, { hint, details: { found } });
