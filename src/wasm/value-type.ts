import type { Cursor } from './cursor.js';
import type { FeatureSet } from './features.js';

/** Value types of one byte, as the text format calls them (WebAssembly core specification 3.0, "Types"). */
const shortNames: ReadonlyMap<number, string> = new Map([
  [0x7f, 'i32'],
  [0x7e, 'i64'],
  [0x7d, 'f32'],
  [0x7c, 'f64'],
  [0x7b, 'v128'],
  [0x78, 'i8'],
  [0x77, 'i16'],
  [0x75, 'nullcontref'],
  [0x74, 'nullexnref'],
  [0x73, 'nullfuncref'],
  [0x72, 'nullexternref'],
  [0x71, 'nullref'],
  [0x70, 'funcref'],
  [0x6f, 'externref'],
  [0x6e, 'anyref'],
  [0x6d, 'eqref'],
  [0x6c, 'i31ref'],
  [0x6b, 'structref'],
  [0x6a, 'arrayref'],
  [0x69, 'exnref'],
  [0x68, 'contref'],
]);

const reference = 0x64;
const nullableReference = 0x63;

const notReferences = new Set(['i32', 'i64', 'f32', 'f64', 'v128']);
const packed = new Set(['i8', 'i16']);

/** Reads the type of what a table holds. */
export function readReferenceType(cursor: Cursor, features: FeatureSet): string {
  const type = readValueType(cursor, features);
  if (notReferences.has(type)) throw cursor.failure(`holds a table of ${type}`);
  return type;
}

/** Reads a value type that is not packed into a field: {@link readStorageType}. */
export function readValueType(cursor: Cursor, features: FeatureSet): string {
  const type = readStorageType(cursor, features);
  if (packed.has(type)) throw cursor.failure(`holds ${type} where only a field may have it`);
  return type;
}

/** Reads a value type, and notes the feature that it belongs to: `i32`, `externref`, `(ref null 3)`, `(ref func)`. */
export function readStorageType(cursor: Cursor, features: FeatureSet): string {
  const code = cursor.byte();
  if (code === reference || code === nullableReference) {
    const heap = readHeapType(cursor, features);
    // Function references brought this long form, also for what had a byte of its own.
    features.add('function-references');
    if (code === nullableReference && heap.short !== undefined) return heap.short;
    return `(ref ${code === reference ? '' : 'null '}${heap.name})`;
  }
  if (code < 0x68 || code > 0x7f)
    throw cursor.failure(`holds an unknown value type (0x${code.toString(16)})`);
  const name = shortNames.get(code) ?? `0x${code.toString(16)}`;
  features.noteType(name);
  return name;
}

interface HeapType {
  /** `func`, or the index of a type. */
  readonly name: string;
  /** The name of a nullable reference to it: `funcref`. */
  readonly short?: string;
}

/** A signed LEB128 of 33 bits: a type index, or a negative number of one byte for an abstract type. */
function readHeapType(cursor: Cursor, features: FeatureSet): HeapType {
  let index = 0;
  for (let length = 1; ; length += 1) {
    const byte = cursor.byte();
    index += (byte & 0x7f) * 2 ** (7 * (length - 1));
    if (byte >= 0x80) {
      if (length === 5) throw cursor.failure('holds a type index of more than 33 bits');
      continue;
    }
    const abstract = length === 1 && byte >= 0x40;
    if (!abstract) {
      features.add('function-references');
      return { name: String(index) };
    }
    const short = shortNames.get(byte) ?? `0x${byte.toString(16)}`;
    features.noteType(short);
    return { name: heapNames.get(short) ?? short.replace(/ref$/, ''), short };
  }
}

/** Heap types whose name is not that of the reference without `ref`. */
const heapNames: ReadonlyMap<string, string> = new Map([
  ['nullcontref', 'nocont'],
  ['nullexnref', 'noexn'],
  ['nullfuncref', 'nofunc'],
  ['nullexternref', 'noextern'],
  ['nullref', 'none'],
]);
