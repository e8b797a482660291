import { compareText } from '../plugin/plugin.js';
import type { ModuleFacts } from '../schema/manifest.js';
import type { Cursor } from './cursor.js';
import { maxNames, recorded } from './facts.js';
import type { FeatureSet } from './features.js';
import type { IndexSpaces } from './index-spaces.js';
import type { ExternType, TypedExport } from './interface.js';

type ExportFacts = Pick<ModuleFacts, 'abi' | 'start' | 'exports'>;

const maxAbiVersions = 16;
const kinds = ['function', 'table', 'memory', 'global', 'tag'] as const satisfies ExternType['kind'][];

/** Reads an export section, in its order. */
export function readExports(cursor: Cursor, spaces: IndexSpaces, features: FeatureSet): TypedExport[] {
  const exported = new Map<string, TypedExport>();
  for (let entries = cursor.count(); entries > 0; entries -= 1) {
    const name = cursor.name();
    if (exported.has(name)) throw cursor.failure(`holds the name "${recorded(name)}" twice`);
    const code = cursor.byte();
    const kind = kinds[code];
    if (kind === undefined) throw cursor.failure(`exports an unknown kind of thing (${code})`);
    const type = spaces.typeOf(kind, cursor.unsigned());
    if (type?.kind === 'global' && type.mutable) features.add('mutable-globals');
    exported.set(name, { name, kind, type });
    if (exported.size > maxNames) throw cursor.failure(`holds more than ${maxNames} names`);
  }
  const abi = [...exported.values()].filter(isAbiVersion);
  if (abi.length > maxAbiVersions) throw cursor.failure(`names more than ${maxAbiVersions} ABI versions`);
  return [...exported.values()];
}

const isAbiVersion = ({ name, kind }: TypedExport): boolean =>
  kind === 'function' && name.startsWith('proxy_abi_version_');

/**
 * Exports as the manifest lists them. Only an exported function counts as an ABI version or a start function, as in the gateway,
 * which looks for functions of these names.
 */
export function exportFacts(exported: readonly TypedExport[]): ExportFacts {
  const isFunction = (name: string): boolean =>
    exported.some((each) => each.name === name && each.kind === 'function');
  return {
    abi: exported
      .filter(isAbiVersion)
      .map(({ name }) => recorded(name))
      .sort(compareText),
    start: (['_initialize', '_start'] as const).filter(isFunction),
    exports: exported.map(({ name }) => recorded(name)).sort(compareText),
  };
}
