import type { Cursor } from './cursor.js';
import type { FeatureSet } from './features.js';
import type { FunctionType } from './interface.js';
import { readStorageType, readValueType } from './value-type.js';

/** The types that a module defines, by index. */
export interface TypeTable {
  readonly count: number;
  /** Undefined for a struct or an array, and for an index of nothing. */
  function(index: number): FunctionType | undefined;
}

export const noTypes: TypeTable = { count: 0, function: () => undefined };

/**
 * Reads a type section (WebAssembly core specification 3.0, "Types", with structs, arrays and recursive groups). Of each type only its
 * place is kept; there may be a million.
 */
export function readTypes(cursor: Cursor, features: FeatureSet): TypeTable {
  const places: number[] = [];
  const reader = cursor.again();
  for (let groups = cursor.count(); groups > 0; groups -= 1) {
    const start = cursor.consumed;
    const code = cursor.byte();
    if (code !== codes.recursive) {
      places.push(start);
      subtype(cursor, code, features);
      continue;
    }
    features.add('gc');
    for (let members = cursor.count(); members > 0; members -= 1) {
      places.push(cursor.consumed);
      subtype(cursor, cursor.byte(), features);
    }
  }
  const known = new Map<number, FunctionType | undefined>();
  return {
    count: places.length,
    function: (index) => {
      const place = places[index];
      if (place === undefined) return undefined;
      if (!known.has(index)) known.set(index, functionAt(reader(place), features));
      return known.get(index);
    },
  };
}

const codes = {
  recursive: 0x4e,
  finalSubtype: 0x4f,
  subtype: 0x50,
  array: 0x5e,
  struct: 0x5f,
  function: 0x60,
} as const;

function functionAt(cursor: Cursor, features: FeatureSet): FunctionType | undefined {
  let code = cursor.byte();
  if (code === codes.subtype || code === codes.finalSubtype) {
    repeat(cursor, () => cursor.unsigned());
    code = cursor.byte();
  }
  return code === codes.function ? functionType(cursor, features) : undefined;
}

function subtype(cursor: Cursor, code: number, features: FeatureSet): void {
  if (code !== codes.subtype && code !== codes.finalSubtype) {
    composite(cursor, code, features);
    return;
  }
  features.add('gc');
  repeat(cursor, () => cursor.unsigned());
  composite(cursor, cursor.byte(), features);
}

function composite(cursor: Cursor, code: number, features: FeatureSet): void {
  switch (code) {
    case codes.function:
      skipValueTypes(cursor, features);
      if (skipValueTypes(cursor, features) > 1) features.add('multi-value');
      return;
    case codes.struct:
      features.add('gc');
      repeat(cursor, () => readField(cursor, features));
      return;
    case codes.array:
      features.add('gc');
      readField(cursor, features);
      return;
    default:
      throw cursor.failure(`holds an unknown kind of type (0x${code.toString(16)})`);
  }
}

function skipValueTypes(cursor: Cursor, features: FeatureSet): number {
  const count = cursor.count();
  for (let left = count; left > 0; left -= 1) readValueType(cursor, features);
  return count;
}

const functionType = (cursor: Cursor, features: FeatureSet): FunctionType => ({
  parameters: valueTypes(cursor, features),
  results: valueTypes(cursor, features),
});

function valueTypes(cursor: Cursor, features: FeatureSet): string[] {
  const types: string[] = [];
  repeat(cursor, () => types.push(readValueType(cursor, features)));
  return types;
}

function repeat(cursor: Cursor, item: () => unknown): void {
  for (let count = cursor.count(); count > 0; count -= 1) item();
}

/** A type and whether what is of it can be changed. */
interface Changeable {
  readonly value: string;
  readonly mutable: boolean;
}

/** The type of a global. */
export const readGlobalType = (cursor: Cursor, features: FeatureSet): Changeable =>
  changeable(cursor, readValueType(cursor, features));

/** The type of a field of a struct or an array, which may be packed. */
const readField = (cursor: Cursor, features: FeatureSet): Changeable =>
  changeable(cursor, readStorageType(cursor, features));

function changeable(cursor: Cursor, value: string): Changeable {
  const change = cursor.byte();
  if (change > 1) throw cursor.failure('holds neither 0 nor 1 where it says whether a value can change');
  return { value, mutable: change === 1 };
}
