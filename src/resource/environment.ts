import { moduleUrl } from '../plugin/module-url.js';
import type { PluginId } from '../plugin/plugin.js';

/** A variable that says to a part of Higress where plugins are. */
export interface EnvironmentLine {
  readonly name: string;
  readonly value: string;
  /** Whose environment it belongs to. */
  readonly component: 'higress-console' | 'higress-controller';
  /** Why, and what must be restarted. */
  readonly note: string;
}

/**
 * The variables with which Console and controller ask the same server: resources only say what is there already, the Console makes
 * new ones from its pattern, and the controller makes one of its own for MCP servers.
 */
export function environmentLines(base: string, served: readonly PluginId[]): EnvironmentLine[] {
  const mcp = newest(served.filter(({ name }) => name === 'mcp-server'));
  return [
    {
      name: 'HIGRESS_ADMIN_WASM_PLUGIN_CUSTOM_IMAGE_URL_PATTERN',
      value: moduleUrl(base, { name: '${name}', version: '${version}' }),
      component: 'higress-console',
      note: 'Restart the Console; it changes no resource that is there already.',
    },
    ...(mcp === undefined
      ? []
      : [
          {
            name: 'MCP_SERVER_WASM_IMAGE_URL',
            value: moduleUrl(base, mcp),
            component: 'higress-controller',
            note: 'Restart the controller, not only the gateway.',
          } as const,
        ]),
  ];
}

const newest = (ids: readonly PluginId[]): PluginId | undefined =>
  [...ids].sort((a, b) => a.version.localeCompare(b.version, 'en', { numeric: true })).at(-1);
