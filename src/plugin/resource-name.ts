/** Longest name of a resource that travels: `<name>.yaml` is one path segment, and the name field of ustar has 100 bytes. */
const maxResourceName = 95;
/** Most bytes of one resource; what etcd takes by default is not much more. */
export const maxResourceBytes = 1024 * 1024;
/** Most bytes of all resources of one bundle, which are held in memory. */
export const maxResourceTotal = 64 * 1024 * 1024;
/** Most resources of one bundle. */
export const maxResources = 2000;

const directory = 'resources/wasmplugins/';
/** DNS-1123 subdomain, which is what Kubernetes takes as a name. */
const namePattern = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
/** Names that Windows gives to devices, with or without an extension. */
const devicePattern = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/;

/** Whether a resource of this name can be a file: lower-case letters, digits, `-` and `.`, at most 95 characters. */
export const isResourceName = (name: string): boolean =>
  name.length <= maxResourceName && namePattern.test(name) && !devicePattern.test(name);

/** The path of a WasmPlugin resource in a bundle. */
export const resourcePath = (name: string): string => `${directory}${name}.yaml`;

/** The reverse of {@link resourcePath}; undefined for any other path. */
export function parseResourcePath(path: string): string | undefined {
  if (!path.startsWith(directory) || !path.endsWith('.yaml')) return undefined;
  const name = path.slice(directory.length, -'.yaml'.length);
  return isResourceName(name) ? name : undefined;
}

/** Names of variables that stand for secrets: as in shells and environments, at most 128 characters. */
export const isVariableName = (name: string): boolean => /^[A-Z_][A-Z0-9_]{0,127}$/.test(name);
