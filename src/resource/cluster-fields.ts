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
const lastApplied = ['metadata', 'annotations', 'kubectl.kubernetes.io/last-applied-configuration'] as const;

/** Takes out of an object what belongs to the cluster that it came from. */
export function dropClusterFields(document: YamlDocument): void {
  for (const path of clusterFieldsIn(document)) document.deleteIn(path);
  if (isEmptyMap(document.getIn(['metadata', 'annotations']))) document.deleteIn(['metadata', 'annotations']);
}

/** The paths of what belongs to a cluster and stands in an object. */
export function clusterFieldsIn({ contents }: YamlDocument): (readonly string[])[] {
  const paths = [['status'], ...ownedMetadata.map((key) => ['metadata', key]), [...lastApplied]];
  return isMap(contents) ? paths.filter((path) => contents.hasIn(path)) : [];
}

const isEmptyMap = (node: unknown): boolean => isMap(node) && node.items.length === 0;
