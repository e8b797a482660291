import { isMap, type YamlDocument } from '../schema/yaml-library.js';

/** What a cluster writes into an object, and what ties it to objects of that cluster. */
const ownedMetadata = [
  'managedFields',
  'resourceVersion',
  'uid',
  'creationTimestamp',
  'generation',
  'selfLink',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  // Owners are named by uid: an owner that is not there has the object collected as garbage.
  'ownerReferences',
  // Their controllers may not be there, and the object could never be deleted.
  'finalizers',
];
/** A copy of the whole object, which kubectl makes. */
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

/** Takes out of an object what belongs to the cluster that it came from. */
export function dropClusterFields(document: YamlDocument): void {
  const { contents } = document;
  if (!isMap(contents)) return;
  contents.delete('status');
  const metadata: unknown = contents.get('metadata');
  if (!isMap(metadata)) return;
  for (const key of ownedMetadata) metadata.delete(key);
  const annotations: unknown = metadata.get('annotations');
  if (!isMap(annotations)) return;
  annotations.delete(lastApplied);
  if (annotations.items.length === 0) metadata.delete('annotations');
}
