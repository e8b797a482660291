import type { PluginId } from './plugin.js';

/** The URL at which a plugin server below `base` has a module. */
export const moduleUrl = (base: string, { name, version }: PluginId): string =>
  `${withSlash(base)}plugins/${name}/${version}/plugin.wasm`;
export const withSlash = (base: string): string => (base.endsWith('/') ? base : `${base}/`);
