import { escapeText } from '../stream/text.js';
import { compareText } from '../plugin/plugin.js';
import type { ModuleFacts } from '../schema/manifest.js';
import type { Cursor } from './cursor.js';
import { maxNames, maxTextLength } from './facts.js';
import type { FeatureSet } from './features.js';
import type { ExternType, TypedImport } from './interface.js';
import { readLimits } from './limits.js';
import { readGlobalType, type TypeTable } from './types.js';
import { readReferenceType } from './value-type.js';

const maxModules = 256;
/** Most imports of all modules together, repeated ones counted: real ones ask for some hundred things. */
const maxImports = 65_536;

/** Reads an import section: what the module asks of the gateway, in its order. */
export function readImports(cursor: Cursor, types: TypeTable, features: FeatureSet): TypedImport[] {
  const count = cursor.count();
  if (count > maxImports) throw cursor.failure(`asks for more than ${maxImports} things`);
  const imports: TypedImport[] = [];
  const groups = new Map<string, Set<string>>();
  for (let left = count; left > 0; left -= 1) {
    const module = hostName(cursor);
    const names = groupOf(cursor, groups, module);
    const name = hostName(cursor);
    names.add(name);
    if (names.size > maxNames) throw cursor.failure(`asks for more than ${maxNames} names of one module`);
    imports.push({ module, name, type: importedType(cursor, types, features) });
  }
  return imports;
}

/** Imports as the manifest lists them: grouped by module, each name once, all ascending. */
export function importFacts(imports: readonly TypedImport[]): ModuleFacts['imports'] {
  const groups = new Map<string, Set<string>>();
  for (const { module, name } of imports) groups.set(module, (groups.get(module) ?? new Set()).add(name));
  return [...groups]
    .map(([module, names]) => ({ module, names: [...names].sort(compareText) }))
    .sort((a, b) => compareText(a.module, b.module));
}

function groupOf(cursor: Cursor, groups: Map<string, Set<string>>, module: string): Set<string> {
  const group = groups.get(module) ?? new Set();
  groups.set(module, group);
  if (groups.size > maxModules) throw cursor.failure(`asks for more than ${maxModules} modules`);
  return group;
}

/** A name too long for the manifest is refused, not cut: no gateway offers a function of such a name. */
function hostName(cursor: Cursor): string {
  const name = escapeText(cursor.name());
  if (name.length > maxTextLength) throw cursor.failure(`holds a name of ${name.length} characters`);
  return name;
}

function importedType(cursor: Cursor, types: TypeTable, features: FeatureSet): ExternType {
  const kind = cursor.byte();
  switch (kind) {
    case 0:
      return functionOf('function', cursor, types);
    case 1:
      return {
        kind: 'table',
        element: readReferenceType(cursor, features),
        limits: readLimits(cursor, features),
      };
    case 2:
      return { kind: 'memory', limits: readLimits(cursor, features) };
    case 3: {
      const field = readGlobalType(cursor, features);
      if (field.mutable) features.add('mutable-globals');
      return { kind: 'global', ...field };
    }
    case 4:
      if (cursor.byte() !== 0) throw cursor.failure('imports a tag that is not an exception');
      return functionOf('tag', cursor, types);
    default:
      throw cursor.failure(`imports an unknown kind of thing (${kind})`);
  }
}

function functionOf(kind: 'function' | 'tag', cursor: Cursor, types: TypeTable): ExternType {
  const index = cursor.unsigned();
  if (index >= types.count) throw cursor.failure(`refers to type ${index} of ${types.count}`);
  // A struct stands for a type that no host has; the engine refuses it.
  return { kind, ...(types.function(index) ?? { parameters: [`(type ${index})`], results: [] }) };
}
