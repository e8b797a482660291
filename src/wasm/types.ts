import type { Cursor } from './cursor.js';

/**
 * Reads a type section (WebAssembly core specification 3.0, "Types", with structs, arrays and recursive groups).
 *
 * @returns how many types it defines.
 */
export function readTypes(cursor: Cursor): number {
  let types = 0;
  for (let groups = cursor.count(); groups > 0; groups -= 1) {
    const code = cursor.byte();
    if (code !== codes.recursive) {
      subtype(cursor, code);
      types += 1;
      continue;
    }
    const members = cursor.count();
    for (let index = 0; index < members; index += 1) subtype(cursor, cursor.byte());
    types += members;
  }
  return types;
}

const codes = {
  recursive: 0x4e,
  finalSubtype: 0x4f,
  subtype: 0x50,
  array: 0x5e,
  struct: 0x5f,
  function: 0x60,
  nullableReference: 0x63,
  reference: 0x64,
} as const;

function subtype(cursor: Cursor, code: number): void {
  if (code !== codes.subtype && code !== codes.finalSubtype) {
    composite(cursor, code);
    return;
  }
  repeat(cursor, () => cursor.unsigned());
  composite(cursor, cursor.byte());
}

function composite(cursor: Cursor, code: number): void {
  switch (code) {
    case codes.function:
      repeat(cursor, () => {
        skipValueType(cursor);
      });
      repeat(cursor, () => {
        skipValueType(cursor);
      });
      return;
    case codes.struct:
      repeat(cursor, () => {
        skipField(cursor);
      });
      return;
    case codes.array:
      skipField(cursor);
      return;
    default:
      throw cursor.failure(`holds an unknown kind of type (0x${code.toString(16)})`);
  }
}

function repeat(cursor: Cursor, item: () => void): void {
  for (let count = cursor.count(); count > 0; count -= 1) item();
}

/** A value type and whether it can be changed: the type of a global and of a field. */
export function skipField(cursor: Cursor): void {
  skipValueType(cursor);
  if (cursor.byte() > 1)
    throw cursor.failure('holds neither 0 nor 1 where it says whether a value can change');
}

/** Numbers, vectors, packed integers and the short forms of references are one byte from 0x68 to 0x7f. */
export function skipValueType(cursor: Cursor): void {
  const code = cursor.byte();
  if (code === codes.reference || code === codes.nullableReference) {
    skipHeapType(cursor);
    return;
  }
  if (code < 0x68 || code > 0x7f)
    throw cursor.failure(`holds an unknown value type (0x${code.toString(16)})`);
}

/** A signed LEB128 of 33 bits: a type index, or a negative number of one byte for an abstract type. */
function skipHeapType(cursor: Cursor): void {
  for (let length = 1; cursor.byte() >= 0x80; length += 1) {
    if (length === 5) throw cursor.failure('holds a type index of more than 33 bits');
  }
}
