import type { PluginParts } from '../plugin-module.js';

type Mutable<Parts> = { -readonly [Key in keyof Parts]: Parts[Key] };
type Lists =
  | 'types'
  | 'imports'
  | 'functions'
  | 'tables'
  | 'memories'
  | 'tags'
  | 'globals'
  | 'exports'
  | 'elements'
  | 'data';

/** A function type as its names: of those that a body can be written for. */
export interface Signature {
  readonly parameters: readonly string[];
  readonly results: readonly string[];
}

/** A plugin that is being made up, and what its indices stand for: imported things first, as in the module. */
export class Draft {
  /** By type index; undefined for a struct or an array. */
  readonly types: (Signature | undefined)[] = [
    { parameters: [], results: [] },
    { parameters: ['i32'], results: ['i32'] },
  ];
  /** Type of each function by index: imported ones, the three that every plugin has, its own. */
  readonly functions: number[] = [];
  /** Element type of each table. */
  readonly tables: string[] = [];
  /** Whether a memory has addresses of 64 bits. */
  readonly memories: boolean[] = [];
  readonly globals: { readonly type: string; readonly mutable: boolean }[] = [];
  readonly structs: number[] = [];
  readonly arrays: number[] = [];
  /** Types that may have subtypes. */
  readonly open: number[] = [];
  tags = 0;
  /** Whether it has a memory that it does not import. */
  ownMemory = true;
  readonly #lists: { [List in Lists]: NonNullable<PluginParts[List]>[number][] } = {
    types: [],
    imports: [],
    functions: [],
    tables: [],
    memories: [],
    tags: [],
    globals: [],
    exports: [],
    elements: [],
    data: [],
  };
  readonly #rest: Partial<Mutable<Omit<PluginParts, Lists>>> = {};

  add<List extends Lists>(list: List, item: NonNullable<PluginParts[List]>[number]): void {
    this.#lists[list].push(item);
  }

  set(rest: Partial<Omit<PluginParts, Lists>>): void {
    Object.assign(this.#rest, rest);
  }

  /** Leaves out what every plugin exports, for one that is given instead. */
  without(name: string): void {
    this.#rest.without = [...(this.#rest.without ?? []), name];
  }

  get parts(): PluginParts {
    return { ...this.#lists, ...this.#rest };
  }
}
