import { compareText } from '../plugin/plugin.js';
import type { ModuleFacts } from '../schema/manifest.js';
import type { Cursor } from './cursor.js';
import { maxNames, recorded } from './facts.js';

type ExportFacts = Pick<ModuleFacts, 'abi' | 'start' | 'exports'>;

export const noExports: ExportFacts = { abi: [], start: [], exports: [] };

const maxAbiVersions = 16;
const functionKind = 0;
const lastKind = 4;

/**
 * Reads an export section. Only an exported function counts as an ABI version or a start function, as in the gateway,
 * which looks for functions of these names.
 */
export function readExports(cursor: Cursor): ExportFacts {
  const kinds = new Map<string, number>();
  for (let entries = cursor.count(); entries > 0; entries -= 1) {
    const name = cursor.name();
    if (kinds.has(name)) throw cursor.failure(`holds the name "${recorded(name)}" twice`);
    kinds.set(name, exportKind(cursor));
    if (kinds.size > maxNames) throw cursor.failure(`holds more than ${maxNames} names`);
  }
  const isFunction = (name: string): boolean => kinds.get(name) === functionKind;
  const abi = [...kinds.keys()].filter((name) => name.startsWith('proxy_abi_version_') && isFunction(name));
  if (abi.length > maxAbiVersions) throw cursor.failure(`names more than ${maxAbiVersions} ABI versions`);
  return {
    abi: abi.map(recorded).sort(compareText),
    start: (['_initialize', '_start'] as const).filter(isFunction),
    exports: [...kinds.keys()].map(recorded).sort(compareText),
  };
}

function exportKind(cursor: Cursor): number {
  const kind = cursor.byte();
  if (kind > lastKind) throw cursor.failure(`exports an unknown kind of thing (${kind})`);
  cursor.unsigned();
  return kind;
}
