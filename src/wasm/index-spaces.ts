import type { Cursor } from './cursor.js';
import type { FeatureSet } from './features.js';
import { InstructionWalk } from './instructions.js';
import type { ExternType, Limits, TypedImport } from './interface.js';
import { readLimits } from './limits.js';
import { readGlobalType, type TypeTable } from './types.js';
import { readReferenceType } from './value-type.js';

/** Where V8, the engine of most gateways, stops (`wasm-limits.h`): tables or memories, and globals or tags. */
const maxTables = 100_000;
const maxGlobals = 1_000_000;

function atMost(cursor: Cursor, most: number): number {
  const count = cursor.count();
  if (count > most) throw cursor.failure(`holds ${count} entries, more than ${most}`);
  return count;
}

type Kind = ExternType['kind'];

/** Functions, tables, memories, globals and tags of a module by their indices: imported ones first, then its own. */
export class IndexSpaces {
  readonly #types: TypeTable;
  readonly #features: FeatureSet;
  readonly #spaces: Readonly<Record<Kind, ExternType[]>> = {
    function: [],
    table: [],
    memory: [],
    global: [],
    tag: [],
  };
  readonly #importedGlobals: number;
  /** Types of the module's own functions, of which there may be a million. */
  #functions: Uint32Array = new Uint32Array();

  constructor(types: TypeTable, imports: readonly TypedImport[], features: FeatureSet) {
    this.#types = types;
    this.#features = features;
    for (const { type } of imports) this.#spaces[type.kind].push(type);
    this.#importedGlobals = this.#spaces.global.length;
  }

  typeOf(kind: Kind, index: number): ExternType | undefined {
    const known = this.#spaces[kind];
    if (kind !== 'function' || index < known.length) return known[index];
    const type = this.#functions[index - known.length];
    return type === undefined ? undefined : this.#functionOf('function', type);
  }

  get memories(): Limits[] {
    return this.#spaces.memory.flatMap((type) => (type.kind === 'memory' ? [type.limits] : []));
  }

  get tableLimits(): Limits[] {
    return this.#spaces.table.flatMap((type) => (type.kind === 'table' ? [type.limits] : []));
  }

  /** Globals that constant expressions could always read; those of the module itself came later. */
  get importedGlobals(): number {
    return this.#importedGlobals;
  }

  /** Types of the module's own functions that are none: at most one of them. */
  get strangeFunctions(): number[] {
    const strange = [...new Set(this.#functions)].find((type) => this.#types.function(type) === undefined);
    return strange === undefined ? [] : [strange];
  }

  /** @returns how many. */
  functions(cursor: Cursor): number {
    this.#functions = new Uint32Array(cursor.count());
    for (let index = 0; index < this.#functions.length; index += 1)
      this.#functions[index] = cursor.unsigned();
    return this.#functions.length;
  }

  /** A table is its type, or 0x40 0x00, its type and what its elements are at first. */
  tables(cursor: Cursor): void {
    for (let count = atMost(cursor, maxTables); count > 0; count -= 1) {
      const filled = cursor.peek() === 0x40;
      if (filled) cursor.skip(2);
      const element = readReferenceType(cursor, this.#features);
      this.#spaces.table.push({ kind: 'table', element, limits: readLimits(cursor, this.#features) });
      if (!filled) continue;
      this.#features.add('function-references');
      if (!this.#passConstant(cursor)) return;
    }
  }

  memoriesOf(cursor: Cursor): void {
    for (let count = atMost(cursor, maxTables); count > 0; count -= 1) {
      this.#spaces.memory.push({ kind: 'memory', limits: readLimits(cursor, this.#features) });
    }
  }

  globals(cursor: Cursor): void {
    const known = new Map<string, ExternType>();
    for (let count = atMost(cursor, maxGlobals); count > 0; count -= 1) {
      const field = readGlobalType(cursor, this.#features);
      const key = `${field.value} ${field.mutable}`;
      const type = known.get(key) ?? { kind: 'global', ...field };
      known.set(key, type);
      this.#spaces.global.push(type);
      if (!this.#passConstant(cursor)) return;
    }
  }

  tags(cursor: Cursor): void {
    for (let count = atMost(cursor, maxGlobals); count > 0; count -= 1) {
      if (cursor.byte() !== 0) throw cursor.failure('holds a tag that is not an exception');
      const type = this.#functionOf('tag', cursor.unsigned());
      if (type !== undefined) this.#spaces.tag.push(type);
    }
  }

  #functionOf(kind: 'function' | 'tag', index: number): ExternType | undefined {
    const type = this.#types.function(index);
    return type === undefined ? undefined : { kind, ...type };
  }

  /** @returns false where it cannot be passed over: an instruction that nobody here knows. The rest of the section is left. */
  #passConstant(cursor: Cursor): boolean {
    const rest = cursor.rest();
    const walk = new InstructionWalk(rest, 0, this.#features);
    const passed = walk.constant(this.#importedGlobals);
    cursor.skip(passed ? walk.at : rest.length);
    return passed;
  }
}
