import { withSlash } from '../plugin/module-url.js';
import { isPluginName, isPluginVersion, type PluginId } from '../plugin/plugin.js';

/** Something that names a module, which a gateway will fetch. */
export interface Reference {
  readonly origin: 'wasmplugin' | 'console' | 'mcp-server' | 'catalogue';
  /** How findings call it. */
  readonly who: string;
  /** Where it stands; undefined for what came on the command line. */
  readonly file: string | undefined;
  readonly line: number | undefined;
  /** As it stands; undefined where a resource has none. */
  readonly url: string | undefined;
  /** Which plugin is meant, where that does not follow from the URL; and what its module must be, where that is said. */
  readonly meant?: { readonly id: PluginId; readonly sha256: string | undefined };
  /** Of a WasmPlugin only. */
  readonly resource: ReferringResource | undefined;
}

/** What a WasmPlugin says of how its module is to be loaded; field names are those of the resource. */
export interface ReferringResource {
  readonly name: string;
  readonly namespace: string | undefined;
  readonly sha256: string | undefined;
  readonly imagePullPolicy: string | undefined;
  readonly failStrategy: string | undefined;
  readonly phase: string | undefined;
  readonly disabled: boolean;
}

/** Where a URL leads: to a plugin of a plugin server, or somewhere else, and then in words where. */
export type Target = { readonly id: PluginId } | { readonly elsewhere: string; readonly guess?: PluginId };

/**
 * Where the gateway would look for what a URL names. A URL without a scheme is an OCI reference (istio `pkg/wasm`).
 *
 * @param base if given, only URLs below it lead to the plugin server: `http://host/` for `http://host/plugins/...`.
 */
export function targetOf(url: string, base?: string): Target {
  if (!/^https?:\/\//i.test(url)) return notServed(url);
  const path = URL.canParse(url) ? new URL(url).pathname : '';
  const [, name = '', version = ''] = /\/plugins\/([^/]+)\/([^/]+)\/plugin\.wasm$/.exec(path) ?? [];
  const isPlugin = isPluginName(name) && isPluginVersion(version);
  if (!isPlugin) return { elsewhere: 'is no URL of a plugin server (/plugins/<name>/<version>/plugin.wasm)' };
  const id = { name, version };
  if (base === undefined || url.startsWith(withSlash(base))) return { id };
  return { elsewhere: `is fetched from another server than ${base}`, guess: id };
}

function notServed(url: string): Target {
  if (url.startsWith('file://')) return { elsewhere: 'is a file of the gateway itself' };
  const [, registry = '', path = '', tag] =
    /^(?:oci:\/\/)?([^/]+)\/([^@]*?)(?::([^:/@]+))?(?:@.*)?$/.exec(url) ?? [];
  const elsewhere = `is fetched from the registry ${registry === '' ? url : registry}`;
  const guess = { name: path.split('/').at(-1) ?? '', version: tag ?? '' };
  return isPluginName(guess.name) && isPluginVersion(guess.version) ? { elsewhere, guess } : { elsewhere };
}
