import type { ConfigMap } from './object.js';
import type { OpenPlace } from './open.js';

/**
 * Sends the shards that are not there yet. What is there under the name of a content and belongs to the index is not sent
 * again: it is immutable.
 */
export async function sendShards(
  { store, shards }: Pick<OpenPlace, 'store' | 'shards'>,
  objects: readonly ConfigMap[],
  { owner, signal }: { readonly owner: ConfigMap; readonly signal: AbortSignal | undefined },
): Promise<void> {
  const { name, uid } = owner.metadata;
  for (const object of objects) {
    const there = shards.get(object.metadata.name);
    if (there !== undefined && (uid === undefined || there.owners.includes(uid))) continue;
    const metadata =
      uid === undefined
        ? object.metadata
        : {
            ...object.metadata,
            ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name, uid } as const],
          };
    await store.apply({ ...object, metadata }, signal);
  }
}
