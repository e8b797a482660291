import { escapeText } from '../io/text.js';
import { compareText } from '../plugin/plugin.js';
import type { ModuleFacts } from '../schema/manifest.js';
import type { Cursor } from './cursor.js';
import { maxNames, maxTextLength } from './facts.js';
import { skipField, skipValueType } from './types.js';

const maxModules = 256;

/**
 * Reads an import section: what the module asks of the gateway, grouped by module, each name once, all ascending.
 *
 * A name too long for the manifest is refused, not cut: no gateway offers a function of such a name.
 *
 * @param types how many types the module defines.
 */
export function readImports(cursor: Cursor, types: number): ModuleFacts['imports'] {
  const groups = new Map<string, Set<string>>();
  for (let entries = cursor.count(); entries > 0; entries -= 1) {
    const names = groupOf(cursor, groups);
    names.add(hostName(cursor));
    if (names.size > maxNames) throw cursor.failure(`asks for more than ${maxNames} names of one module`);
    skipDescription(cursor, types);
  }
  return [...groups]
    .map(([module, names]) => ({ module, names: [...names].sort(compareText) }))
    .sort((a, b) => compareText(a.module, b.module));
}

function groupOf(cursor: Cursor, groups: Map<string, Set<string>>): Set<string> {
  const module = hostName(cursor);
  const group = groups.get(module) ?? new Set();
  groups.set(module, group);
  if (groups.size > maxModules) throw cursor.failure(`asks for more than ${maxModules} modules`);
  return group;
}

function hostName(cursor: Cursor): string {
  const name = escapeText(cursor.name());
  if (name.length > maxTextLength) throw cursor.failure(`holds a name of ${name.length} characters`);
  return name;
}

function skipDescription(cursor: Cursor, types: number): void {
  const kind = cursor.byte();
  switch (kind) {
    case 0:
      skipTypeIndex(cursor, types);
      return;
    case 1:
      skipValueType(cursor);
      skipLimits(cursor);
      return;
    case 2:
      skipLimits(cursor);
      return;
    case 3:
      skipField(cursor);
      return;
    case 4:
      if (cursor.byte() !== 0) throw cursor.failure('imports a tag that is not an exception');
      skipTypeIndex(cursor, types);
      return;
    default:
      throw cursor.failure(`imports an unknown kind of thing (${kind})`);
  }
}

function skipTypeIndex(cursor: Cursor, types: number): void {
  const index = cursor.unsigned();
  if (index >= types) throw cursor.failure(`refers to type ${index} of ${types}`);
}

/** Bits of the flags: a maximum is given, shared between threads, 64-bit addresses, a page size is given. */
function skipLimits(cursor: Cursor): void {
  const flags = cursor.byte();
  if (flags > 0x0f) throw cursor.failure(`holds unknown limits (0x${flags.toString(16)})`);
  const bits = (flags & 0x04) === 0 ? 32 : 64;
  cursor.unsigned(bits);
  if ((flags & 0x01) !== 0) cursor.unsigned(bits);
  if ((flags & 0x08) !== 0) cursor.unsigned();
}
