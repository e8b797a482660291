import { isPluginName, isPluginVersion, type PluginId } from './plugin.js';

/** `key-auth-1.0.0`, `waf_2.0.1`, `opa@1.0.0-rc.1`: a version begins with a number that has a point in it. */
const flatName = /^(.+?)[-_@](v?\d+\.\d.*)$/;

/**
 * Name and version that follow from where a module lies: `.../<name>/<version>/plugin.wasm`, as plugin servers have it, or
 * `<name>-<version>.wasm`, as flat directories do. Undefined where nothing does, such as for `build/main.wasm`.
 *
 * @param path with `/`.
 */
export function idOfModulePath(path: string): PluginId | undefined {
  const segments = path.split('/');
  const file = segments.at(-1) ?? '';
  if (file === 'plugin.wasm') return idOf(segments.at(-3), segments.at(-2));
  const [, name, version] = flatName.exec(file.replace(/\.wasm$/i, '')) ?? [];
  return idOf(name, version);
}

function idOf(name = '', version = ''): PluginId | undefined {
  return isPluginName(name) && isPluginVersion(version) ? { name, version } : undefined;
}
