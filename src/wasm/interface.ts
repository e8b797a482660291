import type { ModuleFacts } from '../schema/manifest.js';
import type { Feature } from './features.js';

/** Value types as the text format of WebAssembly writes them: `i32`, `externref`, `(ref null 3)`. */
export interface FunctionType {
  readonly parameters: readonly string[];
  readonly results: readonly string[];
}

/** Sizes of a memory, in its pages, or of a table, in elements. Exact up to 2^53. */
export interface Limits {
  readonly minimum: number;
  readonly maximum?: number;
  readonly shared: boolean;
  /** Addresses of 64 bits. */
  readonly wide: boolean;
}

/** The type of something that is imported or exported. */
export type ExternType =
  | ({ readonly kind: 'function' | 'tag' } & FunctionType)
  | { readonly kind: 'table'; readonly element: string; readonly limits: Limits }
  | { readonly kind: 'memory'; readonly limits: Limits }
  | { readonly kind: 'global'; readonly value: string; readonly mutable: boolean };

export interface TypedImport {
  readonly module: string;
  readonly name: string;
  readonly type: ExternType;
}

export interface TypedExport {
  readonly name: string;
  readonly kind: ExternType['kind'];
  /** Undefined for an index of nothing, which no engine takes. */
  readonly type: ExternType | undefined;
}

/** What a gateway finds when it loads a module: all that it compares before it runs anything. */
export interface ModuleInterface {
  /** In the order of the section. */
  readonly imports: readonly TypedImport[];
  /** In the order of the section: the first ABI version that a gateway knows is the one that it takes. */
  readonly exports: readonly TypedExport[];
  /** Memories, imported ones first. */
  readonly memories: readonly Limits[];
  /** What an engine must know, ascending. */
  readonly features: readonly Feature[];
  /** What is there that no proposal known here has. */
  readonly unknown: readonly string[];
  /** Why no gateway takes the bytes, whatever it offers. */
  readonly flaws: readonly string[];
  /** Segments that no gateway can put where they are to go, which it finds when it has given all that is imported. */
  readonly overruns: readonly string[];
}

/** A module that was read. */
export interface ModuleReading {
  readonly facts: ModuleFacts;
  readonly asks: ModuleInterface;
}

/** As Envoy writes it: `i32 i32 -> i32`, `void -> void`. */
export const signatureOf = ({ parameters, results }: FunctionType): string =>
  `${parameters.join(' ') || 'void'} -> ${results.join(' ') || 'void'}`;
