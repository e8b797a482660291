import { PlugferryError } from '../errors.js';
import { formatPluginId, isPluginName, isPluginVersion, type PluginId } from '../plugin/plugin.js';
import type { Published } from '../release/change.js';
import { mergePlugins } from '../release/merge.js';
import type { Release, ReleasePlugin } from '../schema/release.js';
import { changeVolume } from './change.js';
import type { VolumeOptions } from './volume.js';

/** Serve the module of `name`@`existing` as `name`@`version` as well. */
export interface Alias extends PluginId {
  readonly existing: string;
}

/**
 * Adds one more version under which a module is served: the same bytes, marked in release.json, undone by a rollback. The
 * Higress Console asks for versions that were never published (higress#4694).
 *
 * @throws PlugferryError `E_USAGE` for a name or version that is not allowed, `E_NOT_FOUND` when there is no such module,
 * `E_CONFLICT` when the version is already served with other bytes, and as {@link changeVolume}.
 */
export async function alias(root: string, request: Alias, options: VolumeOptions): Promise<Published> {
  if (!isPluginName(request.name) || !isPluginVersion(request.version)) {
    throw new PlugferryError('E_USAGE', `"${formatPluginId(request)}" is not a plugin reference`, {
      hint: 'Write NAME VERSION=EXISTING, for example key-auth 2.0.0=1.0.0.',
      details: { found: formatPluginId(request) },
    });
  }
  return changeVolume(root, { ...options, action: 'alias', demand: 'directory' }, async (change) => {
    const plugin = aliased(change.current, request);
    const { plugins } = mergePlugins(change.current?.plugins ?? [], [plugin]);
    await change.prepare(plugin.files);
    return change.publish({ plugins, origin: { kind: 'alias' } });
  });
}

function aliased(current: Release | undefined, { name, version, existing }: Alias): ReleasePlugin {
  const served = (current?.plugins ?? []).filter((plugin) => plugin.name === name);
  const there = served.find((plugin) => plugin.version === version);
  const module = served.find((plugin) => plugin.version === existing);
  if (module === undefined) throw notServed({ name, version: existing }, served);
  const copy = { ...module, version, aliasOf: module.aliasOf ?? existing };
  // Somebody published these very bytes under this version: that says more than an alias does.
  return there !== undefined && there.aliasOf === undefined && sameModule(there, module) ? there : copy;
}

const sameModule = (a: ReleasePlugin, b: ReleasePlugin): boolean =>
  moduleOf(a) !== undefined && moduleOf(a) === moduleOf(b);

const moduleOf = ({ files }: ReleasePlugin): string | undefined =>
  files.find(({ name }) => name === 'plugin.wasm')?.sha256;

function notServed(id: PluginId, served: readonly PluginId[]): PlugferryError {
  const versions = served.map(({ version }) => version);
  return new PlugferryError('E_NOT_FOUND', `the volume does not serve ${formatPluginId(id)}`, {
    hint:
      versions.length === 0
        ? `It holds no version of ${id.name}; "plugferry list" shows what it holds.`
        : `Versions of ${id.name} that it serves: ${versions.join(', ')}.`,
    details: { found: formatPluginId(id), versions },
  });
}
