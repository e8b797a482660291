import { withoutCredentials } from '../http/address.js';
import { idOfModulePath } from '../plugin/module-path.js';
import { isPluginName, isPluginVersion, type PluginId } from '../plugin/plugin.js';

/** What a catalogue names a module by: an artifact of a registry, or the URL of a file. */
export type Reference = OciReference | UrlReference;

export interface OciReference {
  readonly kind: 'oci';
  /** `host[:port]` of the registry. */
  readonly registry: string;
  readonly repository: string;
  /** Undefined where only a digest is named. */
  readonly tag: string | undefined;
  /** `sha256:` and 64 hex characters of the manifest. */
  readonly digest: string | undefined;
}

export interface UrlReference {
  /** `file` is a path of the gateway's own disk, as a WasmPlugin may name it. */
  readonly kind: 'http' | 'file';
  readonly url: string;
}

/** The grammar of the OCI distribution specification 1.1, with the registry in front. */
const ociPattern =
  /^(?<registry>(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?)\/(?<repository>[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)(?::(?<tag>\w[\w.-]{0,127}))?(?:@(?<digest>sha256:[0-9a-f]{64}))?$/;

/** Longest reference: that of any registry that follows the specification, and a host name before it. */
const maxReferenceLength = 1024;

/**
 * Reads what stands in the `url` of a WasmPlugin or in a properties file: `oci://`, `http(s)://` or `file://`, and without a
 * scheme the same as `oci://` (WasmPlugin API, `url`). An artifact without tag and digest is the one tagged `latest`.
 *
 * @returns undefined for what is no reference.
 */
export function parseReference(text: string): Reference | undefined {
  if (text.length > maxReferenceLength) return undefined;
  if (/^https?:\/\//i.test(text)) {
    // A query may be a key to what lies there; it would be written down.
    return URL.canParse(text) && !/[?#]/.test(text) ? { kind: 'http', url: text } : undefined;
  }
  if (/^file:\/\//i.test(text)) return { kind: 'file', url: text };
  const found = ociPattern.exec(text.replace(/^oci:\/\//i, ''))?.groups;
  const { registry = '', repository = '', tag, digest } = found ?? {};
  // A first part that could be a directory names no registry, but one of Docker's, which nobody means here.
  if (found === undefined || !(/[.:]/.test(registry) || registry === 'localhost')) return undefined;
  return {
    kind: 'oci',
    registry,
    repository,
    tag: tag ?? (digest === undefined ? 'latest' : undefined),
    digest,
  };
}

/** A reference as text: always with a scheme, never with credentials. */
export function formatReference(reference: Reference): string {
  if (reference.kind !== 'oci') return withoutCredentials(reference.url);
  const { registry, repository, tag, digest } = reference;
  const ending = `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
  return `oci://${registry}/${repository}${ending}`;
}

/** Repositories whose plugin is served under another name than its last part (plugin-server `plugins.properties`). */
const otherNames: Readonly<Record<string, string>> = {
  'mcp-server/all-in-one': 'mcp-server',
  'plugins/jsonrpc-converter': 'json-converter',
};

/** The name that the field gives the plugin of a repository. */
function nameOfRepository(repository: string): string | undefined {
  const [last = '', ...before] = repository.split('/').reverse();
  const name = otherNames[`${before[0] ?? ''}/${last}`] ?? last;
  return isPluginName(name) ? name : undefined;
}

/** The version under which an artifact is served: its tag. */
export const versionOf = ({ tag }: OciReference): string | undefined =>
  tag !== undefined && isPluginVersion(tag) ? tag : undefined;

/** Name and version that follow from a reference alone. */
export function idOfReference(reference: Reference): PluginId | undefined {
  if (reference.kind !== 'oci') return idOfModulePath(pathOf(reference.url));
  const name = nameOfRepository(reference.repository);
  const version = versionOf(reference);
  return name === undefined || version === undefined ? undefined : { name, version };
}

/** What is percent-encoded in a URL names no plugin. */
const pathOf = (url: string): string => (URL.canParse(url) ? new URL(url).pathname : '');
