import { PlugferryError } from '../errors.js';
import { formatBytes } from '../stream/text.js';

/** What the ConfigMaps of one place ask of a cluster, all kept releases together. */
export interface Budget {
  /** ConfigMaps, the index among them. */
  readonly objects: number;
  /** Bytes of their values, as Kubernetes counts and etcd stores them. */
  readonly bytes: number;
  /** Share of etcd's default quota, 0 to 1. A cluster has one etcd for everything. */
  readonly share: number;
  /** How many of the objects are new. */
  readonly newObjects: number;
}

/** etcd `DefaultQuotaBytes`. */
const etcdQuota = 2 * 1024 ** 3;

/** What a place may take up unless somebody says otherwise. */
export const defaultMaxBytes = 32 * 1024 * 1024;

export const budgetOf = (sizes: Omit<Budget, 'share'>): Budget => ({
  ...sizes,
  share: sizes.bytes / etcdQuota,
});

/** A budget in one line. */
export const describeBudget = ({ objects, bytes, share, newObjects }: Budget): string =>
  `${objects} ConfigMaps (${newObjects} new), ${formatBytes(bytes)}, ${(share * 100).toFixed(2)} % of etcd's default quota of 2 GiB`;

/** `E_LIMIT` naming the way out. */
export const overBudget = (found: string, maxBytes: number): PlugferryError =>
  new PlugferryError('E_LIMIT', `these plugins take up ${found}, the limit is ${formatBytes(maxBytes)}`, {
    hint:
      'etcd is not made for this. Keep them in a volume and serve that: --to DIRECTORY. If older releases take up the room, ' +
      'prune them; if the cluster can bear it, raise --max-bytes.',
    details: { expected: maxBytes, found },
  });
